"""What the commands that judge texts share: their records, and how they read lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import nlargest
from operator import attrgetter
from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.operations.operation import Record
from afterword.operations.work import Part, Work
from afterword.scoring.adapting import AdaptingScorer
from afterword.scoring.costs import LineScore
from afterword.settings import OnProgress, ignore_progress
from afterword.text.decoding import Decoding
from afterword.text.lines import Masks

Scorer = LanguageModel | AdaptingScorer
Judge = Callable[..., Sequence[LineScore]]
"""A function that scores lines. It also takes `on_progress`, which is called with the fraction that is done."""
Facts = dict[str, Any]
"""Fields of a record, by name."""


class ScoredText(Record, kw_only=True):
    """The cost of a whole text; `lstm`, `ngram` and `both` are nats per character, given if there is an n-gram."""

    in_json: ClassVar[Sequence[str]] = ("nats_per_character", "lstm", "ngram", "both", "engine")

    file: str | UnsetType = UNSET
    characters: int
    tokens: int
    nats_per_character: float
    bits_per_character: float
    bits_per_byte: float
    perplexity: float
    lstm: float | UnsetType = UNSET
    ngram: float | UnsetType = UNSET
    both: float | UnsetType = UNSET


class JudgedLine(Record, kw_only=True):
    """The place and the text of a line that was judged."""

    rows: ClassVar = "lines"
    in_json: ClassVar = ("engine",)

    file: str | UnsetType = UNSET
    line: int
    text: str


def tracked(file: str, parts: Iterable[Part], on_progress: Callable[..., object]) -> Iterator[tuple[Part, OnProgress]]:
    """Yield `parts` of `file`, each with a function that takes the fraction of the part that is done.

    The function reports the bytes read, as UTF-8, and the fraction of the whole file if its size is known.
    """
    size = os.path.getsize(file) if os.path.isfile(file) and not file.endswith(".gz") else 0
    before = 0
    for part in parts:
        length = len((part if isinstance(part, str) else "\n".join([*part, ""])).encode("utf-8", "surrogatepass"))

        def on_part(fraction: float, before: int = before, length: int = length) -> None:
            read = before + fraction * length
            on_progress(min(1.0, read / size) if size else None, int(read))

        yield part, on_part
        before += length


def several(files: Sequence[str], file: str = "") -> Facts:
    """Return the name of a `file`, as a field of records, if there are several."""
    return {"file": file} if len(files) > 1 or os.path.isdir(files[0]) else {}


def scored_lines(
    files: Sequence[str],
    decoding: Decoding,
    work: Work,
    judged: Callable[[list[str]], Sequence[Sequence[LineScore]]],
    streams: bool,
) -> Iterator[tuple[Facts, tuple[LineScore, ...]]]:
    """Yield the place of each line of `files` and its score by each model. `judged` scores a batch of lines.

    A bar shows the progress until the last line is scored, unless the lines are printed as they come (`streams`).
    """
    read = 0
    with work.progress("scoring lines", "lines", streams=streams) as on_progress:
        for file, before, lines in work.lines(files, decoding):
            for scores in zip(*judged(lines), strict=True):
                yield {"line": before + scores[0].line, **several(files, file)}, scores
            read += len(lines)
            on_progress(None, read)


def ranking(rows: Iterable[Any], column: str, top: int, lines: bool) -> list[Any]:
    """Return the `top` lines with the highest value of `column`, without those that a ranking leaves out.

    Empty lines are left out: they cost much for their length, and training leaves them out too. Unless the model is one
    of `lines`, blank lines are left out too.
    """
    return nlargest(top, (row for row in rows if (row.text if lines else row.text.strip())), attrgetter(column))


def judge_of(scorer: Scorer, masks: Sequence[str]) -> Judge:
    """Return the function that scores masked lines, without their labels. Raises OptionError."""
    read: Judge = scorer.score_lines
    if isinstance(scorer, LanguageModel) and scorer.labels:
        if masks:
            raise OptionError("a model of labelled lines reads whole lines: leave out `mask`")
        read = scorer.classify
    if not masks:
        return read
    hide = Masks(masks)

    def masked(lines: list[str], on_progress: OnProgress = ignore_progress) -> list[LineScore]:
        scores = read([*map(hide, lines)], on_progress=on_progress)
        return [replace(score, text=line) for score, line in zip(scores, lines, strict=True)]

    return masked
