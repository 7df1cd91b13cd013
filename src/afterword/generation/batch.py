"""Many texts side by side, as lanes of one network: each with its own settings, seed, state and end.

    texts ──► lanes ──► network ──► sampler ──► tokens ──► texts
                ▲                                  │
                └───────────── who goes on ◄───────┘

A text may enter before any step, and its lane is free as soon as it ends: short texts do not wait for long ones. What a
seed writes is what it writes alone, by `stream`, but for rounding: the product of a matrix with several rows adds in
another order than that with one. Log-probabilities differ by some 1e-6, and a draw that falls between two tokens within
so little can end otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from afterword.generation.pieces import Piece, Sample
from afterword.generation.reading import Reading
from afterword.generation.sampling import Likeliest
from afterword.generation.stream import checked_seed
from afterword.generation.writer import Writing
from afterword.model.network import Network

LANES = 256
AHEAD = 64 * LANES  # texts that may be complete before an earlier one is, and wait for it in memory


class Text(ABC):
    """A text on its way, which is to be at least one token long."""

    def __init__(self, writing: Writing, prompt: str, seed: int) -> None:
        self.writing, self.writer = writing, writing.begin(prompt, seed)

    @property
    def is_over(self) -> bool:
        """Whether it writes no more."""
        return self.writer.finish_reason is not None

    @abstractmethod
    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        """Take what was drawn for it, and tell `writer`."""


Kind = TypeVar("Kind", bound=Text)


class Batch(Generic[Kind]):
    """The texts that one network is writing."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.texts: list[Kind] = []
        self._logits, self._state = np.empty(0, np.float32), network.start(0)  # of the texts, a lane each

    def enter(self, texts: Sequence[tuple[Kind, Reading]]) -> None:
        """Let `texts` begin, each after what was read of its prompt."""
        logits, states = zip(*[(reading.logits, reading.state) for _, reading in texts], strict=True)
        there = bool(self.texts)  # what is left when all have gone is of no shape that would fit
        self._logits = np.concatenate([self._logits, *logits] if there else logits)
        self._state = self.network.side_by_side(*([self._state, *states] if there else states))
        self.texts += [text for text, _ in texts]

    def step(self) -> None:
        """Write a token of each text. Those that are over, before it or after it, leave."""
        self._go_on()
        drawn = np.empty(len(self.texts), np.intp)
        for writing, lanes in self._by_writing():
            texts = [self.texts[lane] for lane in lanes]
            logits = self._logits if len(texts) == len(self.texts) else self._logits[lanes]
            tokens, log_probabilities, likeliest = writing.sampler.draw_many(logits, [text.writer for text in texts])
            drawn[lanes] = tokens
            for text, *one in zip(texts, tokens.tolist(), log_probabilities, likeliest, strict=True):
                text.push(*one)
        drawn = drawn[self._go_on()]
        if self.texts:
            self._logits, self._state = self.network.step(drawn, self._state)

    def reading(self, lane: int) -> Reading:
        """What the network knows after the text in that lane."""
        logits, state = self._logits[lane : lane + 1], self.network.chosen(self._state, [lane])
        return Reading("", logits, state, self.network)

    def _go_on(self) -> list[int]:
        """Let those leave that are over; which lanes went on."""
        lanes = [lane for lane, text in enumerate(self.texts) if not text.is_over]
        if len(lanes) < len(self.texts):
            self.texts = [self.texts[lane] for lane in lanes]
            self._logits, self._state = self._logits[lanes], self.network.chosen(self._state, lanes)
        return lanes

    def _by_writing(self) -> Iterable[tuple[Writing, list[int]]]:
        """The lanes that are drawn by the same settings."""
        found: dict[int, tuple[Writing, list[int]]] = {}
        for lane, text in enumerate(self.texts):
            found.setdefault(id(text.writing), (text.writing, []))[1].append(lane)
        return found.values()


def write_samples(writing: Writing, network: Network, texts: Iterable[tuple[Reading, int]]) -> Iterator[Sample]:
    """What each seed writes after the prompt beside it, at least one token each, in the order of `texts`.

    Raises OptionError for a seed.
    """
    waiting = enumerate(texts)
    complete: dict[int, Sample] = {}
    begun = told = 0
    batch: Batch[_Whole] = Batch(network)
    while True:
        room = min(LANES - len(batch.texts), told + AHEAD - begun)
        entering = [
            (_Whole(number, reading.prompt, seed, writing), reading)
            for number, (reading, seed) in islice(waiting, max(room, 0))
        ]
        if entering:
            batch.enter(entering)
            begun += len(entering)
        elif not batch.texts:
            return
        texts_before = batch.texts
        batch.step()
        complete |= {text.number: text.sample() for text in texts_before if text.is_over}
        while told in complete:
            yield complete.pop(told)
            told += 1


class _Whole(Text):
    """A text that is kept as a sample."""

    def __init__(self, number: int, prompt: str, seed: int, writing: Writing) -> None:
        super().__init__(writing, prompt, checked_seed(seed))
        self.number = number
        self._prompt, self._seed = prompt, seed
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
            self._prompt,
            "".join(self._parts),
            self._tokens,
            self._log_probability,
            self.writer.finish_reason,
            self._seed,
            tuple(self._pieces) if self._keep else None,
        )
