"""Many texts side by side, as lanes of one network: each with its own seed, state and end.

    seeds ──► lanes ──► network ──► sampler ──► tokens ──► samples, in the order of the seeds
                ▲                                  │
                └───────────── who goes on ◄───────┘

A lane is free as soon as its text ends, and the next seed takes it: short texts do not wait for long ones. What a seed
writes is what it writes alone, by `stream`, but for rounding: the product of a matrix with several rows adds in another
order than that with one. Log-probabilities differ by some 1e-6, and a draw that falls between two tokens within so
little can end otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from afterword.generation.reading import Reading
from afterword.generation.sampling import Sampler, Sampling, sampler_of
from afterword.generation.stream import Sample, checked_seed
from afterword.generation.writer import Writer, writers
from afterword.model.arrays import Array, Ids
from afterword.model.network import Network
from afterword.model.saved import SavedModel

LANES = 256
AHEAD = 64 * LANES  # texts that may be complete before an earlier one is, and wait for it in memory
DRAWN_AT_ONCE = 64  # random numbers of a lane


def write_samples(
    model: SavedModel, network: Network, reading: Reading, sampling: Sampling, seeds: Iterable[int]
) -> Iterator[Sample]:
    """What each of `seeds` writes after the prompt of `reading`, in their order. Raises OptionError for a seed."""
    sampler, new_writer = sampler_of(model, sampling, seed=0), writers(model, sampling)
    waiting = enumerate(seeds)
    complete: dict[int, Sample] = {}
    begun = told = 0
    lanes: list[_Lane] = []
    logits, state = reading.logits[:0], network.chosen(reading.state, [])
    while True:
        room = min(LANES - len(lanes), told + AHEAD - begun)
        entering = [_Lane(number, checked_seed(seed), new_writer()) for number, seed in islice(waiting, max(room, 0))]
        if entering:
            begun += len(entering)
            lanes += entering
            logits = np.concatenate([logits, *[reading.logits] * len(entering)])
            state = network.side_by_side(state, *[reading.state] * len(entering))
        elif not lanes:
            return
        tokens = _draw(lanes, sampler, logits)
        complete |= {lane.number: lane.sample(reading.prompt) for lane in lanes if lane.writer.finish_reason}
        while told in complete:
            yield complete.pop(told)
            told += 1
        going_on = [k for k, lane in enumerate(lanes) if not lane.writer.finish_reason]
        if len(going_on) < len(lanes):
            lanes, tokens, state = [lanes[k] for k in going_on], tokens[going_on], network.chosen(state, going_on)
        logits = logits[:0]
        if lanes:
            logits, state = network.step(tokens, state)


def _draw(lanes: Sequence[_Lane], sampler: Sampler, logits: Array) -> Ids:
    """One token for each lane, by its logits [B, R]."""
    tokens, log_probabilities = sampler.draw_many(logits, [next(lane.numbers) for lane in lanes])
    for lane, token, log_probability in zip(lanes, tokens.tolist(), log_probabilities, strict=True):
        lane.push(token, log_probability)
    return tokens


class _Lane:
    """A text on its way."""

    def __init__(self, number: int, seed: int, writer: Writer) -> None:
        self.number, self.writer = number, writer
        self.numbers = _numbers(seed)
        self._seed = seed
        self._parts: list[str] = []
        self._tokens = 0
        self._log_probability = 0.0

    def push(self, token: int, log_probability: float) -> None:
        self._parts.append(self.writer.push(token))
        self._tokens += 1
        self._log_probability += log_probability

    def sample(self, prompt: str) -> Sample:
        assert self.writer.finish_reason is not None
        text = "".join(self._parts)
        return Sample(prompt, text, self._tokens, self._log_probability, self.writer.finish_reason, self._seed)


def _numbers(seed: int) -> Iterator[float]:
    """The random numbers of a seed, from 0 to 1: those that `Stream` draws one by one."""
    random = np.random.Generator(np.random.PCG64(seed))
    while True:
        yield from random.random(DRAWN_AT_ONCE).tolist()
