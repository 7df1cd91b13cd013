"""Texts written as lanes of one network: each with its own settings, seed, state and end. One text is a batch of one.

    texts ──► lanes ──► network ──► sampler ──► tokens ──► texts
                ▲                                  │
                └──────── texts that continue ◄────┘

A text may enter before any step, and its lane is free as soon as it ends: short texts do not wait for long ones. A seed
writes the same text in every batch, except for rounding: products of several rows sum in another order than products of
one row. Log-probabilities differ by about 1e-6, so a draw that close to the border between two tokens can differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property, partial
from itertools import accumulate, compress, pairwise
from operator import sub
from typing import Annotated, Generic, TypeVar

import numpy as np

from afterword.generation.continuation import Policy
from afterword.generation.prefill import Reading
from afterword.generation.sampling import Drawn
from afterword.generation.texts import Text
from afterword.model.arrays import Array, Ids, check_threads_fit
from afterword.model.network.network import Network, State
from afterword.model.threads import PRODUCTS

LANES_PER_BATCH = 256
UNEVEN = 16  # texts by which a batch differs from its useful size before all are shared anew
LEAST, MOST_USEFUL = 64, 4  # texts per batch, if there are several; processors up to which batches are useful
# One thread draws, looks up and pushes all tokens. Looking up and pushing a token takes as long as reading it with a
# network of PYTHON parameters. So this thread reads fewer tokens than the others, but at least LEAST_HERE of an equal
# part.
PYTHON, LEAST_HERE = 150_000, 0.2

Kind = TypeVar("Kind", bound=Text)
Predicted = tuple[Annotated[Array, "B R"], State]
"""The logits of the next tokens, and the state before them."""


class TextBatch(Generic[Kind]):
    """Texts whose next tokens the network predicts together."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.texts: list[Kind] = []
        self.after: Predicted = np.empty(0, np.float32), network.start(0)
        """The logits and the state of the texts, a lane each."""

    def enter(self, texts: Sequence[tuple[Kind, Reading]]) -> None:
        """Begin `texts`, each after its reading."""
        self.add([text for text, _ in texts], [(reading.logits, reading.state) for _, reading in texts])

    def add(self, texts: Sequence[Kind], after: Sequence[Predicted]) -> None:
        """Add texts, and the logits and states after them."""
        # once all texts have left, the shape of what remains does not fit
        logits, states = zip(*([self.after, *after] if self.texts else after), strict=True)
        self.after = np.concatenate(logits), self.network.side_by_side(*states)
        self.texts = [*self.texts, *texts]

    def part(self, lanes: Sequence[int]) -> TextBatch[Kind]:
        """Return a batch of the texts in `lanes`."""
        logits, state = self.after
        part: TextBatch[Kind] = TextBatch(self.network)
        part.texts = [self.texts[lane] for lane in lanes]
        part.after = logits[lanes], self.network.chosen(state, lanes)
        return part

    def reading(self, lane: int) -> Reading:
        """Return what the network knows after the text in that lane."""
        logits, state = self.after
        return Reading("", logits[lane : lane + 1], self.network.chosen(state, [lane]), self.network)

    def drop_ended(self) -> tuple[list[Kind], Sequence[int] | slice]:
        """Remove the texts that have ended, and return them and the lanes of the others."""
        over = [text.is_over for text in self.texts]
        if True not in over:
            return [], slice(None)
        ended, lanes = list(compress(self.texts, over)), [lane for lane, is_over in enumerate(over) if not is_over]
        left = self.part(lanes)
        self.texts, self.after = left.texts, left.after
        return ended, lanes

    def draw(self) -> Annotated[Ids, "B"]:
        """Draw a token for each text and push it. Return the tokens."""
        drawn = draw(self.texts, self.after[0], self.network.normalised)
        push_drawn(self.texts, drawn)
        return np.array([token for token, _, _ in drawn])

    def advance(self, ids: Annotated[Ids, "B"]) -> list[Kind]:
        """Remove and return the texts that have ended with their tokens, `ids`, and read those of the others."""
        ended, lanes = self.drop_ended()
        if self.texts:
            self.after = self.network.step(ids[lanes] if ended else ids, self.after[1])
        return ended


def draw(texts: Sequence[Text], logits: Annotated[Array, "B R"], normalised: bool) -> list[Drawn]:
    """Draw a token for each of `texts` from its row of `logits`."""
    policy = texts[0].policy
    if len({text.policy for text in texts}) == 1:
        return policy.sampler.draw(logits, [text.continuation for text in texts], normalised)
    by_policy: dict[Policy, list[int]] = {}
    for lane, text in enumerate(texts):
        by_policy.setdefault(text.policy, []).append(lane)
    drawn: dict[int, Drawn] = {}
    for policy, lanes in by_policy.items():
        some = policy.sampler.draw(logits[lanes], [texts[lane].continuation for lane in lanes], normalised)
        drawn |= zip(lanes, some, strict=True)
    return [drawn[lane] for lane in range(len(texts))]


def push_drawn(texts: Sequence[Text], drawn: Sequence[Drawn]) -> None:
    """Push what was drawn to its text."""
    for text, one in zip(texts, drawn, strict=True):
        text.push(*one)


class ParallelTexts(Generic[Kind]):
    """The texts that one network is writing, in several batches if there are many.

    All tokens are drawn on one thread. Then the network reads the tokens of each batch on a thread of its own. The
    thread that draws also looks up all tokens and pushes them to their texts, so its batch is the smallest.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.batches: list[TextBatch[Kind]] = []

    @property
    def texts(self) -> list[Kind]:
        return [text for batch in self.batches for text in batch.texts]

    def enter(self, texts: Sequence[tuple[Kind, Reading]]) -> None:
        """Begin `texts`, each after its reading."""
        if not self.batches:
            self.batches = [TextBatch(self.network)]
        min(self.batches, key=lambda batch: len(batch.texts)).enter(texts)

    def step(self) -> list[Kind]:
        """Write a token of each text. Remove and return the texts that have ended, before it or with it."""
        self._even_out()
        # for the whole step: an OpenBLAS thread that has worked spins for a while, on a processor that a batch needs
        with PRODUCTS.limited() if len(self.batches) > 1 else nullcontext():
            return self._step()

    def _even_out(self) -> None:
        """Share the texts between as many batches as are useful, so that their threads end at the same time."""
        sizes = [len(batch.texts) for batch in self.batches]
        wanted = self._useful_sizes(sum(sizes))
        if sizes and (len(sizes) != len(wanted) or max(map(abs, map(sub, sizes, wanted))) >= UNEVEN):
            whole, *others = self.batches
            for other in others:
                whole.add(other.texts, [other.after])
            self.batches = [whole.part(range(*lanes)) for lanes in pairwise(accumulate(wanted, initial=0))]

    def _useful_sizes(self, texts: int) -> list[int]:
        """Return the useful sizes of batches for a number of `texts`. The first batch is for this thread."""
        if texts < LEAST:
            return [texts]
        useful = self.network.threads if self.network.threads <= MOST_USEFUL else 1
        others = max(len(self.batches), min(useful, texts // LEAST)) - 1
        if not others:
            return [texts]
        here = max(1 - others * PYTHON / self.network.work, LEAST_HERE)
        first = max(1, round(here * texts / (others + 1)))
        return [first, *((texts - first + k) // others for k in range(others))]

    def _step(self) -> list[Kind]:
        ended = self._drop_ended()
        if len(self.batches) == 1:  # it needs no other thread
            (batch,) = self.batches
            return ended + batch.advance(batch.draw())
        if not self.batches:
            return ended
        texts = self.texts
        drawn = draw(texts, np.concatenate([batch.after[0] for batch in self.batches]), self.network.normalised)
        ids = np.array([token for token, _, _ in drawn])
        reads: list[tuple[Ids, State]] = []
        for batch in self.batches:
            own, ids = ids[: len(batch.texts)], ids[len(batch.texts) :]
            reads.append((own, batch.after[1]))
        read = self.network.step_each(reads, self._threads, partial(push_drawn, texts, drawn))
        for batch, after in zip(self.batches, read, strict=True):
            batch.after = after
        return ended + self._drop_ended()

    def _drop_ended(self) -> list[Kind]:
        ended = [text for batch in self.batches for text in batch.drop_ended()[0]]
        self.batches = [batch for batch in self.batches if batch.texts]
        return ended

    @cached_property
    def _threads(self) -> Executor:
        check_threads_fit(MOST_USEFUL)
        return ThreadPoolExecutor(MOST_USEFUL)
