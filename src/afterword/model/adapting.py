"""Predicting a text while learning from it: network, growing n-gram and longest match become one prediction.

    P ∝ P of the network ^ w1 · P of the n-gram ^ w2 · P of the match ^ w3

a weighted sum of log-probabilities. The weights are learned on the way, by a step down the gradient of what each token
cost; they are sums of two parts, one for each length of the match and one for each number of tokens that the n-gram
has seen together, so that each is believed where it has been right. Lossless compressors mix their models so (Mahoney,
"Adaptive weighing of context models for lossless data compression", 2005).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Ids
from afterword.model.growing import GrowingNgram
from afterword.model.ngram import HIGHEST_ORDER, Ngram
from afterword.model.repeating import LENGTHS, LongestMatch

RATE = 0.002  # of the steps; found by trials: half and double cost up to 0.004 nats per character
FIRST = {"both": (0.4, 0.6), "ngram": (1.0,)}  # weights to begin with
FIRST_OF_MATCH = 0.2


class Adapter:
    """Predicts the rows of a network, one after the other, and learns from each once it is predicted.

    It begins with `ngram`, which is left as it is, or with nothing. `using` is "both", or "ngram" alone.
    """

    def __init__(self, rows: int, start: int, ngram: Ngram | None = None, using: str = "both") -> None:
        """`start` is the row that every fresh start reads first."""
        self._growing, self._match = GrowingNgram(rows, start, ngram), LongestMatch(rows)
        first = np.array(FIRST[using]) / 2
        self._by_known = np.tile(first, (HIGHEST_ORDER, 1))
        self._by_length = np.tile(first, (LENGTHS, 1))
        self._match_by_known = [FIRST_OF_MATCH / 2] * HIGHEST_ORDER
        self._match_by_length = [FIRST_OF_MATCH / 2] * LENGTHS
        self._alone = using == "ngram"

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
        self._growing.restart()
        self._match.restart()

    def _read(self, row: int, network: NDArray[np.float64]) -> tuple[float, float]:
        found = np.log(self._growing.probabilities())
        experts = found[None] if self._alone else np.array([network, found])
        known, length, copied = self._growing.known, self._match.length, self._match.row
        mixed = (self._by_known[known] + self._by_length[length]) @ experts
        odds = 0.0
        if copied is not None:
            odds = self._match.odds
            mixed[copied] += (self._match_by_known[known] + self._match_by_length[length]) * odds
        mixed -= mixed.max()
        probabilities = np.exp(mixed)
        total = float(probabilities.sum())
        cost = math.log(total) - float(mixed[row])
        step = experts[:, row] - experts @ probabilities / total
        step *= RATE
        self._by_known[known] += step
        self._by_length[length] += step
        if copied is not None:
            more = RATE * odds * ((row == copied) - float(probabilities[copied]) / total)
            self._match_by_known[known] += more
            self._match_by_length[length] += more
        self._growing.learn(row)
        self._match.learn(row)
        return -float(found[row]), cost
