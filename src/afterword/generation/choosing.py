"""Which of the texts that are written are kept: the likeliest of several, or those that a condition accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from afterword.errors import WorkError
from afterword.generation.pieces import Sample

IN_VAIN = 10_000  # samples in a row that are not accepted, after which none is looked for any more


@dataclass
class Tally:
    """How many texts were written freely, and how many of them obeyed the rules."""

    written: int = 0
    obeying: int = 0


def likeliest(samples: Iterator[Sample], number: int) -> Iterator[Sample]:
    """Of each `number` samples that follow one another, the one whose tokens are the likeliest on average."""
    while group := list(islice(samples, number)):
        yield max(group, key=lambda sample: sample.log_probability / max(1, sample.tokens))


def accepted(samples: Iterable[Sample], num: int, accept: Callable[[Sample], bool]) -> Iterator[Sample]:
    """The first `num` samples that are accepted. Raises WorkError where `IN_VAIN` in a row are not."""
    kept = in_vain = 0
    for sample in samples:
        in_vain += 1
        if accept(sample):
            in_vain = 0
            kept += 1
            yield sample
        if kept == num:
            return
        if in_vain == IN_VAIN:
            raise WorkError(f"found {kept:,} of {num:,} samples: the last {IN_VAIN:,} brought no further one")
