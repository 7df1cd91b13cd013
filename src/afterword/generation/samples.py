"""Many whole texts: after each of several prompts, by seeds that follow one another, chosen among or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count, groupby, repeat
from operator import itemgetter

from afterword.generation.batch import write_samples
from afterword.generation.choosing import Tally, accepted, likeliest
from afterword.generation.pieces import Sample
from afterword.generation.reading import Reading, read_prompt
from afterword.generation.stream import Stream
from afterword.generation.writer import Writing
from afterword.model.network import Network

Prompt = str | Reading | None


def written(
    writing: Writing,
    network: Network,
    prompts: Sequence[Prompt],
    num: int,
    seed: int,
    best_of: int = 1,
    accept: Callable[[Sample], bool] | None = None,
    tally: Tally | None = None,
) -> Iterator[Sample]:
    """`num` samples after each of `prompts`, each the likeliest of `best_of`, by the seeds from `seed` on (mod 2^64).

    A text that `accept` refuses, or that breaks the rules where they are not enforced, is replaced by one of a further
    seed. `tally` counts those that are written to be judged. Raises WorkError where no further one is accepted.
    """
    if accept is None and not writing.sampling.reject:
        texts = zip((prompt for prompt in prompts for _ in range(num * best_of)), count(seed), strict=False)
        return likeliest(_write(writing, network, texts), best_of)
    counts = tally or Tally()

    def accepts(sample: Sample) -> bool:
        obeys = not writing.sampling.reject or writing.obeys(sample.text)
        counts.written += 1
        counts.obeying += obeys
        return obeys and (accept is None or accept(sample))

    def after(number: int, prompt: Prompt) -> Iterator[Sample]:
        seeds = count(seed + number * num * best_of)
        endless = _write(writing, network, zip(repeat(prompt), seeds, strict=False))
        return likeliest(accepted(endless, num * best_of, accepts), best_of)

    return chain.from_iterable(after(number, prompt) for number, prompt in enumerate(prompts))


def _write(writing: Writing, network: Network, texts: Iterable[tuple[Prompt, int]]) -> Iterator[Sample]:
    """What each seed writes after the prompt beside it, side by side where that can be."""
    if writing.settled.opening == "window" or writing.is_over:  # each begins in a window of its own, or not at all
        return (Stream(writing, network, prompt, seed % 2**64).sample() for prompt, seed in texts)
    return write_samples(writing, network, _read_each(writing, network, texts))


def _read_each(
    writing: Writing, network: Network, texts: Iterable[tuple[Prompt, int]]
) -> Iterator[tuple[Reading, int]]:
    """Each prompt as a reading: read once, where it comes several times in a row."""
    for prompt, group in groupby(texts, key=itemgetter(0)):
        reading = prompt if isinstance(prompt, Reading) else read_prompt(writing.model, network, prompt)
        for _, seed in group:
            yield reading, seed % 2**64
