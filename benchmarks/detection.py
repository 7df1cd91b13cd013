"""How well scores tell odd lines from normal ones, and simple detectors to compare with. Higher scores are odder."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DISCOUNT = 0.75  # of every count, as is usual for Kneser-Ney with one discount


def auc(odd: Floats, normal: Floats) -> float:
    """The probability that an odd line scores above a normal one, where equal scores count half (Mann-Whitney)."""
    _, places, counts = np.unique(np.concatenate([odd, normal]), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # from 1; equal scores have the average of theirs
    above = ranks[places[: len(odd)]].sum() - len(odd) * (len(odd) + 1) / 2
    return float(above / (len(odd) * len(normal)))


class Grams:
    """An n-gram model of sequences of characters, words or numbers: interpolated Kneser-Ney with one discount.

    Written apart from Afterword's own, as a peer: a line is padded in front and has an end.
    """

    def __init__(self, lines: Iterable[Sequence[Hashable]], order: int) -> None:
        self.order = order
        counts = Counter(gram for line in lines for gram in self._grams(line))
        self.vocabulary = 1 + len({gram[-1] for gram in counts})  # and what was never seen
        self._levels = []  # of each order, the longest first: counts, and by context their sum and number
        for _ in range(order):
            sums, kinds = defaultdict[Sequence[Hashable], int](int), defaultdict[Sequence[Hashable], int](int)
            for gram, count in counts.items():
                sums[gram[:-1]] += count
                kinds[gram[:-1]] += 1
            self._levels.append((counts, sums, kinds))
            counts = Counter(gram[1:] for gram in counts)  # after how many different ones
        self._nats: dict[Sequence[Hashable], float] = {}  # of n-grams that were asked for

    def cost(self, line: Sequence[Hashable]) -> float:
        """The mean of -log P per token, the end among them, in nats."""
        grams = self._grams(line)
        for gram in grams:
            if gram not in self._nats:
                self._nats[gram] = -math.log(self.probability(gram))
        return sum(map(self._nats.__getitem__, grams)) / len(grams)

    def probability(self, gram: Sequence[Hashable]) -> float:
        """P of the last token of an n-gram after the others."""
        probability = 1 / self.vocabulary
        for n in range(1, self.order + 1):
            counts, sums, kinds = self._levels[self.order - n]
            part = gram[self.order - n :]
            if total := sums.get(part[:-1]):
                rest = DISCOUNT * kinds[part[:-1]] / total
                probability = max(counts.get(part, 0) - DISCOUNT, 0) / total + rest * probability
        return probability

    def _grams(self, line: Sequence[Hashable]) -> list[Sequence[Hashable]]:
        before, after = "\0", "\n"
        padded: Sequence[Hashable]
        if isinstance(line, str):
            padded = before * (self.order - 1) + line + after
        else:
            padded = (*[before] * (self.order - 1), *line, after)
        return [padded[k : k + self.order] for k in range(len(padded) - self.order + 1)]
