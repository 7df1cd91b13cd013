"""Prediction of a text while learning from it: network, growing n-gram and longest match make one prediction.

    P ∝ P of the network ^ w1 · P of the n-gram ^ w2 · P of the match ^ w3

This is a weighted sum of log-probabilities. The weights are learned online, by a step down the gradient of each token's
cost. A weight is the sum of two parts: one per length of the match, and one per number of context tokens that the
n-gram model knows. So each expert counts most where it has been right. Lossless compressors mix their models in this
way (Mahoney, "Adaptive weighing of context models for lossless data compression", 2005).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Floats, Ids
from afterword.model.ngram.growing import GrowingNgram
from afterword.model.ngram.repeating import LENGTHS, LongestMatch, Match, length_class
from afterword.model.ngram.tables import HIGHEST_ORDER, Ngram

RATE = 0.002  # of the steps; found by trials: half or double costs up to 0.004 nats per character
FIRST = {"both": (0.7, 0.3), "ngram": (1.0,)}  # weights to begin with
FIRST_OF_MATCH = 0.2


class Evidence(NamedTuple):
    """The predictions of the next row, to be blended."""

    experts: Annotated[NDArray[np.floating], "_ R"]
    """Log-probabilities: the network's, if it is used, and the n-gram's."""
    known: int
    """The number of last tokens that the n-gram has seen together."""
    match: Match
    """The longest match."""
    odds: float
    """The nats by which the match makes its next row more likely."""


class Blend:
    """The weights, which learn from each token."""

    def __init__(self, using: str) -> None:
        first = np.array([*FIRST[using], FIRST_OF_MATCH]) / 2
        self._by_known = np.tile(first, (HIGHEST_ORDER, 1))  # [:, K + 1], the match's last
        self._by_length = np.tile(first, (LENGTHS, 1))

    def mixed(self, found: Evidence) -> Annotated[Floats, "R"]:
        """Return the unnormalised log-probabilities of all together, the largest 0."""
        weights = self._by_known[found.known] + self._by_length[length_class(found.match.rows)]
        mixed: Floats = weights[:-1] @ found.experts
        if found.match.rows:
            mixed[found.match.next] += weights[-1] * found.odds
        mixed -= mixed.max()
        return mixed

    def learn(self, found: Evidence, probabilities: Annotated[Floats, "R"], row: int) -> None:
        """Take a step: `row` came, and all together had expected `probabilities`."""
        experts, copied = found.experts, found.match.next
        step = np.zeros(len(experts) + 1)
        step[:-1] = experts[:, row] - experts @ probabilities
        if found.match.rows:
            step[-1] = found.odds * ((row == copied) - float(probabilities[copied]))
        step *= RATE
        self._by_known[found.known] += step
        self._by_length[length_class(found.match.rows)] += step


class Adapter:
    """A predictor of one row after another that learns from each row once it is predicted.

    It begins with `ngram`, which does not change, or with nothing. `using` is "both", or "ngram" alone.
    """

    def __init__(self, rows: int, start: int, ngram: Ngram | None = None, using: str = "both") -> None:
        """Take `start`, the row that every fresh start reads first."""
        self._growing, self._match, self._blend = GrowingNgram(rows, start, ngram), LongestMatch(rows), Blend(using)
        self._alone = using == "ngram"

    def read(
        self, rows: Annotated[Ids, "T"], network: Annotated[Floats, "_ R"]
    ) -> tuple[Annotated[Floats, "T"], Annotated[Floats, "T"]]:
        """Return the cost of each of `rows` before anything is learned from it: nats by the n-gram, and by all.

        `network` has the network's log-probabilities of each, and may have more, which are not read.
        """
        ngram, both = np.empty(len(rows)), np.empty(len(rows))
        for t, row in enumerate(rows.tolist()):
            log_ngram = np.log(self._growing.probabilities())
            experts = log_ngram[None] if self._alone else np.array([network[t], log_ngram])
            found = Evidence(experts, self._growing.known, self._match.now, self._match.odds())
            mixed = self._blend.mixed(found)
            probabilities = np.exp(mixed)
            total = float(probabilities.sum())
            probabilities /= total
            self._blend.learn(found, probabilities, row)
            self._growing.learn(row)
            self._match.learn(row)
            ngram[t], both[t] = -found.experts[-1, row], math.log(total) - float(mixed[row])
        return ngram, both

    def restart(self) -> None:
        """Begin another text: the rows before it stay learned, but are not its context."""
        self._growing.restart()
        self._match.restart()
