"""Predicting a text while learning from it: network, growing n-gram and longest match become one prediction.

    P ∝ P of the network ^ w1 · P of the n-gram ^ w2 · P of the match ^ w3

a weighted sum of log-probabilities. The weights are learned on the way, by a step down the gradient of what each token
cost; they are sums of two parts, one for each length of the match and one for each number of tokens that the n-gram
has seen together, so that each is believed where it has been right. Lossless compressors mix their models so (Mahoney,
"Adaptive weighing of context models for lossless data compression", 2005).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array, Ids
from afterword.model.config import Config
from afterword.model.growing import GrowingNgram
from afterword.model.lookup import EMPTY, Lookup
from afterword.model.network import Engine, LaneByLane, State, log_probabilities
from afterword.model.ngram import HIGHEST_ORDER, Ngram
from afterword.model.repeating import LENGTHS, NONE, SHORTEST, LongestMatch, length_class

RATE = 0.002  # of the steps; found by trials: half and double cost up to 0.004 nats per character
FIRST = {"both": (0.4, 0.6), "ngram": (1.0,)}  # weights to begin with
FIRST_OF_MATCH = 0.2


class Evidence(NamedTuple):
    """What speaks for the next row."""

    experts: NDArray[np.float64]
    """Log-probabilities [K, R]: the network's, if it is used, and the n-gram's."""
    known: int
    """How many of the last tokens the n-gram has seen together."""
    matched: int
    """How many rows the longest match has; 0: there is none."""
    copied: int
    """The row that came next in it."""
    odds: float
    """How much more likely it makes that row, in nats."""


class Blend:
    """The weights, and how they learn."""

    def __init__(self, using: str) -> None:
        first = np.array([*FIRST[using], FIRST_OF_MATCH]) / 2
        self._by_known = np.tile(first, (HIGHEST_ORDER, 1))  # [:, K + 1], the match's last
        self._by_length = np.tile(first, (LENGTHS, 1))

    def mixed(self, found: Evidence) -> NDArray[np.float64]:
        """The unnormalised log-probabilities [R] of all together, the largest 0."""
        weights = self._by_known[found.known] + self._by_length[length_class(found.matched)]
        mixed: NDArray[np.float64] = weights[:-1] @ found.experts
        if found.matched:
            mixed[found.copied] += weights[-1] * found.odds
        mixed -= mixed.max()
        return mixed

    def learn(self, found: Evidence, probabilities: NDArray[np.float64], row: int) -> None:
        """Take a step, where `row` came and all together had expected `probabilities` [R]."""
        experts, copied = found.experts, found.copied
        step = np.zeros(len(experts) + 1)
        step[:-1] = experts[:, row] - experts @ probabilities
        if found.matched:
            step[-1] = found.odds * ((row == copied) - float(probabilities[copied]))
        step *= RATE
        self._by_known[found.known] += step
        self._by_length[length_class(found.matched)] += step


class Adapter:
    """Predicts the rows of a network, one after the other, and learns from each once it is predicted.

    It begins with `ngram`, which is left as it is, or with nothing. `using` is "both", or "ngram" alone.
    """

    def __init__(self, rows: int, start: int, ngram: Ngram | None = None, using: str = "both") -> None:
        """`start` is the row that every fresh start reads first."""
        self.growing, self.match, self.blend = GrowingNgram(rows, start, ngram), LongestMatch(rows), Blend(using)
        self.alone = using == "ngram"

    def read(self, rows: Ids, network: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each of rows [T] costs, before anything is learned from it: nats [T] by the n-gram alone, and by all.

        `network` holds the network's log-probabilities [T, R] of each.
        """
        ngram, both = np.empty(len(rows)), np.empty(len(rows))
        for t, row in enumerate(rows.tolist()):
            ngram[t], both[t] = self._read(row, network[t])
        return ngram, both

    def restart(self) -> None:
        """Begin another text: what was read before it is no context of it, but stays learned."""
        self.growing.restart()
        self.match.restart()

    def _read(self, row: int, network: NDArray[np.float64]) -> tuple[float, float]:
        ngram = np.log(self.growing.probabilities())
        matched = self.match.matched
        odds = self.match.odds(matched) if matched else 0.0
        experts = ngram[None] if self.alone else np.array([network, ngram])
        found = Evidence(experts, self.growing.known, matched, self.match.row, odds)
        mixed = self.blend.mixed(found)
        probabilities = np.exp(mixed)
        total = float(probabilities.sum())
        probabilities /= total
        self.blend.learn(found, probabilities, row)
        self.growing.learn(row)
        self.match.learn(row)
        return -float(ngram[row]), math.log(total) - float(mixed[row])


class AdaptedMixture(LaneByLane):
    """A network that predicts with what an adapter has learned, and learns no more: it writes after a text that was
    read. It gives log-probabilities for logits. In its state, `recent` holds a context, a match and the
    last rows of each lane."""

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, Array],
        adapter: Adapter,
        held: Array | None = None,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(config, weights, held, engine)
        self._match, self._blend, self._alone = adapter.match, adapter.blend, adapter.alone
        self._lookup = Lookup(adapter.growing.ngram())

    def start(self, lanes: int = 1) -> State:
        return super().start(lanes)._replace(recent=[(EMPTY, NONE, ())] * lanes)

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        logits, after = super().advance(ids, state)
        return self._with(logits, ids, after)

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        logits, after = super().read(ids, state)
        blended = []
        for t in range(ids.shape[1]):
            joined, after = self._with(logits[:, t], ids[:, t : t + 1], after)
            blended.append(joined)
        return np.stack(blended, axis=1) if blended else logits, after

    def _with(self, logits: Array, ids: Ids, state: State) -> tuple[Array, State]:
        """Logits of the network [B, R] after ids [B, T], blended with what was learned."""
        network, recent = log_probabilities(logits), []
        for lane, rows in enumerate(self.rows(ids).tolist()):
            context, match, last = state.recent[lane]
            for row in rows:
                context = self._lookup.pushed(context, row)
                last = (*last, row)[-SHORTEST:]
                match = self._match.follow(match, row, last)
            expected, end = self._lookup.following(context)
            ngram = np.log(expected)
            experts = ngram[None] if self._alone else np.array([network[lane], ngram])
            odds = self._match.odds(match.rows) if match.rows else 0.0
            network[lane] = self._blend.mixed(Evidence(experts, self._lookup.length(end), match.rows, match.next, odds))
            recent.append((end, match, last))
        return log_probabilities(network).astype(np.float32), State(state.hidden, state.cell, recent)
