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

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from afterword.generation.pieces import Piece, Sample
from afterword.generation.reading import Reading
from afterword.generation.sampling import Likeliest
from afterword.generation.stream import checked_seed
from afterword.generation.writer import Writing
from afterword.model.network import Network

LANES = 256
AHEAD = 64 * LANES  # texts that may be complete before an earlier one is, and wait for it in memory


def write_samples(writing: Writing, network: Network, texts: Iterable[tuple[Reading, int]]) -> Iterator[Sample]:
    """What each seed writes after the prompt beside it, at least one token each, in the order of `texts`.

    Raises OptionError for a seed.
    """
    waiting = enumerate(texts)
    complete: dict[int, Sample] = {}
    begun = told = 0
    lanes: list[_Lane] = []
    logits, state = np.empty(0, np.float32), network.start(0)
    while True:
        room = min(LANES - len(lanes), told + AHEAD - begun)
        entering = [_Lane(number, *text, writing) for number, text in islice(waiting, max(room, 0))]
        if entering:
            first = [lane.reading.logits for lane in entering]
            logits = np.concatenate([logits, *first] if lanes else first)
            state = network.side_by_side(state, *[lane.reading.state for lane in entering])
            begun += len(entering)
            lanes += entering
        elif not lanes:
            return
        tokens, log_probabilities, likeliest = writing.sampler.draw_many(logits, [lane.writer for lane in lanes])
        for lane, *drawn in zip(lanes, tokens.tolist(), log_probabilities, likeliest, strict=True):
            lane.push(*drawn)
        complete |= {lane.number: lane.sample() for lane in lanes if lane.writer.finish_reason}
        while told in complete:
            yield complete.pop(told)
            told += 1
        going_on = [k for k, lane in enumerate(lanes) if not lane.writer.finish_reason]
        if len(going_on) < len(lanes):
            lanes, tokens, state = [lanes[k] for k in going_on], tokens[going_on], network.chosen(state, going_on)
        if lanes:
            logits, state = network.step(tokens, state)


class _Lane:
    """A text on its way."""

    def __init__(self, number: int, reading: Reading, seed: int, writing: Writing) -> None:
        self.number, self.reading = number, reading
        self.writer = writing.begin(reading.prompt, checked_seed(seed))
        self._seed = seed
        self._keep = writing.sampling.log_probabilities is not None
        self._pieces: list[Piece] = []  # only if they are kept
        self._parts: list[str] = []
        self._tokens = 0
        self._log_probability = 0.0

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        if self._keep:
            piece = self.writer.piece(token, log_probability, likeliest)
            self._pieces.append(piece)
            self._parts.append(piece.text)
        else:
            self._parts.append(self.writer.push(token))
        self._tokens += 1
        self._log_probability += log_probability

    def sample(self) -> Sample:
        assert self.writer.finish_reason is not None
        return Sample(
            self.reading.prompt,
            "".join(self._parts),
            self._tokens,
            self._log_probability,
            self.writer.finish_reason,
            self._seed,
            tuple(self._pieces) if self._keep else None,
        )
