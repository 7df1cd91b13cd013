"""Many texts written in parallel, as lanes of one network: each with its own settings, seed, state and end.

    texts ──► lanes ──► network ──► sampler ──► tokens ──► texts
                ▲                                  │
                └──────── texts that continue ◄────┘

A text may enter before any step, and its lane is free as soon as it ends: short texts do not wait for long ones. A seed
writes the same text as alone, by `Stream`, except for rounding: products of several rows sum in another order than
products of one row. Log-probabilities differ by about 1e-6, so a draw that close to the border between two tokens can
differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from afterword.generation.draft import Draft, Piece, Sample, Scripts, Terms
from afterword.generation.healing import Reading
from afterword.generation.sampling import Likeliest
from afterword.model.network.network import Network

LANES = 256
AHEAD = 64 * LANES  # complete texts that may wait in memory for an earlier one


class Text(ABC):
    """A text being written, at least one token long."""

    def __init__(self, terms: Terms, draft: Draft) -> None:
        self.terms, self.draft = terms, draft

    @property
    def is_over(self) -> bool:
        """Return whether it has ended."""
        return self.draft.finish_reason is not None

    @abstractmethod
    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        """Take what was drawn for it, and pass it to `draft`."""


Kind = TypeVar("Kind", bound=Text)


class ParallelTexts(Generic[Kind]):
    """The texts that one network is writing."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.texts: list[Kind] = []
        self.logits, self.state = np.empty(0, np.float32), network.start(0)  # of the texts, a lane each

    def enter(self, texts: Sequence[tuple[Kind, Reading]]) -> None:
        """Begin `texts`, each after its reading."""
        logits, states = zip(*[(reading.logits, reading.state) for _, reading in texts], strict=True)
        there = bool(self.texts)  # once all have left, what remains has a shape that does not fit
        self.logits = np.concatenate([self.logits, *logits] if there else logits)
        self.state = self.network.side_by_side(*([self.state, *states] if there else states))
        self.texts += [text for text, _ in texts]

    def step(self) -> None:
        """Write a token of each text. Texts that have ended, before it or after it, leave."""
        self._drop_ended()
        drawn = np.empty(len(self.texts), np.intp)
        for terms, lanes in self._by_terms():
            texts = [self.texts[lane] for lane in lanes]
            logits = self.logits if len(texts) == len(self.texts) else self.logits[lanes]
            tokens, log_probabilities, likeliest = terms.sampler.draw_many(logits, [text.draft for text in texts])
            drawn[lanes] = tokens
            for text, *one in zip(texts, tokens.tolist(), log_probabilities, likeliest, strict=True):
                text.push(*one)
        drawn = drawn[self._drop_ended()]
        if self.texts:
            self.logits, self.state = self.network.step(drawn, self.state)

    def reading(self, lane: int) -> Reading:
        """Return what the network knows after the text in that lane."""
        logits, state = self.logits[lane : lane + 1], self.network.chosen(self.state, [lane])
        return Reading("", logits, state, self.network)

    def _drop_ended(self) -> list[int]:
        """Remove the texts that have ended, and return the lanes of the others."""
        lanes = [lane for lane, text in enumerate(self.texts) if not text.is_over]
        if len(lanes) < len(self.texts):
            self.texts = [self.texts[lane] for lane in lanes]
            self.logits, self.state = self.logits[lanes], self.network.chosen(self.state, lanes)
        return lanes

    def _by_terms(self) -> Iterable[tuple[Terms, list[int]]]:
        """Return the lanes that share the same terms."""
        found: dict[int, tuple[Terms, list[int]]] = {}
        for lane, text in enumerate(self.texts):
            found.setdefault(id(text.terms), (text.terms, []))[1].append(lane)
        return found.values()


def write_samples(
    terms: Terms, network: Network, texts: Iterable[tuple[Reading, int]], scripts: Scripts | None = None
) -> Iterator[Sample]:
    """Yield what each seed writes after its reading, at least one token each, in the order of `texts`.

    Raises OptionError for an invalid seed.
    """
    waiting = enumerate(texts)
    complete: dict[int, Sample] = {}
    begun = yielded = 0
    batch: ParallelTexts[_Whole] = ParallelTexts(network)
    while True:
        room = min(LANES - len(batch.texts), yielded + AHEAD - begun)
        entering = list[tuple[_Whole, Reading]]()
        for number, (reading, seed) in islice(waiting, max(room, 0)):
            text = _Whole(number, reading.prompt, seed, terms)
            entering.append((text, text.draft.begin(reading)))
        if scripts is not None and entering:
            found = scripts([(way, text.draft.seed) for text, way in entering])
            for (text, _), script in zip(entering, found, strict=True):
                text.draft.script = script
        if entering:
            batch.enter(entering)
            begun += len(entering)
        elif not batch.texts:
            return
        texts_before = batch.texts
        batch.step()
        complete |= {text.number: text.sample() for text in texts_before if text.is_over}
        while yielded in complete:
            yield complete.pop(yielded)
            yielded += 1


class _Whole(Text):
    """A text that is kept as a sample."""

    def __init__(self, number: int, prompt: str, seed: int, terms: Terms) -> None:
        super().__init__(terms, Draft(terms, prompt, seed))
        self.number = number
        self._keep = terms.sampling.log_probabilities is not None
        self._pieces: list[Piece] = []  # only if they are kept
        self._parts: list[str] = []
        self._log_probability = 0.0

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        if self._keep:
            piece = self.draft.piece(token, log_probability, likeliest)
            self._pieces.append(piece)
            self._parts.append(piece.text)
        else:
            self._parts.append(self.draft.push(token))
        self._log_probability += log_probability

    def sample(self) -> Sample:
        return self.draft.sample("".join(self._parts), len(self._parts), self._log_probability, self._pieces)
