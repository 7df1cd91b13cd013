"""An n-gram model that goes on learning from what it reads: its counts grow with every token.

What a text has said once it is likely to say again. A model that learns while it reads knows this text's names and
turns of phrase; one that does not pays for each of them again and again.

A context's probabilities come from its counts in training and its counts in what has been read since, together; what
the discounts free goes to the next shorter context, as in `ngram`. Only shares of counts are saved, so how much was
counted in a context is estimated from what its discounts left. What is read now counts `BOOST` times as much as what
was read in training: it is nearer.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.model.ngram import HIGHEST_ORDER, Level, Ngram, bits_of

# Found by trials on a play, C headers and news: each halved or doubled costs up to 0.004 nats per character.
BOOST = 2.0
DISCOUNT = 0.75  # of the first time that a token is read in a context
TRAINED_DISCOUNT = 0.9  # of a token of training, on average over how often it was counted
MOST_CONTEXTS = 2**20  # that are kept; some 300 bytes each
FORGOTTEN = 2**17  # of the oldest, when there are more
FEW = 4  # so many tokens are added faster one by one


class _Context:
    """What came after one context: rows and their discounted counts."""

    __slots__ = ("arrays", "masses", "rest", "rows", "total")

    def __init__(self, total: float, rest: float, rows: list[int], masses: list[float]) -> None:
        self.total, self.rest = total, rest
        self.rows, self.masses = rows, masses
        self.arrays: tuple[NDArray[np.intp], NDArray[np.float64]] | None = None  # of both, if more than FEW

    def learn(self, row: int) -> None:
        self.total += BOOST
        if row in self.rows:
            at = self.rows.index(row)
            self.masses[at] += BOOST
            if self.arrays is not None:
                self.arrays[1][at] += BOOST
        else:
            self.rows.append(row)
            self.masses.append(BOOST - DISCOUNT)
            self.rest += DISCOUNT
            self.arrays = None


class GrowingNgram:
    """P(next row | the rows read so far) over R rows; begins as `ngram`, or from nothing, which is left as it is."""

    def __init__(self, rows: int, start: int, ngram: Ngram | None = None) -> None:
        """`start` is the row that every fresh start reads first."""
        self._rows, self._start, self._ngram = rows, start, ngram
        self._bits = bits_of(rows)
        self._order = HIGHEST_ORDER if ngram is None else ngram.order
        self._grown: list[dict[int, _Context]] = [{} for _ in range(self._order)]  # by the number of rows before
        # Python searches these views faster than NumPy its arrays
        self._views: Any = [] if ngram is None else [memoryview(level.contexts) for level in ngram.levels]  # type: ignore[arg-type]
        self._kept = 0
        self.restart()

    def restart(self) -> None:
        """Begin another text: what was read before it is no context of it, but stays learned."""
        self._recent = [self._start]  # the latest row first

    @property
    def known(self) -> int:
        """How many of the rows just before were seen together, in training or since; after `probabilities`."""
        return self._known

    def probabilities(self) -> NDArray[np.float64]:
        """P [R] of what comes next."""
        # P = scale · found, so that each longer context touches only the rows that it has seen
        found, scale = np.full(self._rows, 1 / self._rows), 1.0
        key, self._known = 0, 0
        self._asked: list[tuple[int, _Context | None]] = []
        for n in range(min(self._order, len(self._recent) + 1)):
            if n > 0:
                key |= self._recent[n - 1] << self._bits * (n - 1)
            context = self._grown[n].get(key)
            if context is None and (context := self._trained(n, key)) is not None:
                self._keep(n, key, context)
            self._asked.append((key, context))
            if context is None:
                continue
            self._known = n
            scale *= context.rest / context.total
            each = 1 / (context.total * scale)
            if len(context.rows) <= FEW:
                for row, mass in zip(context.rows, context.masses, strict=True):
                    found[row] += mass * each
            else:
                if context.arrays is None:
                    context.arrays = np.array(context.rows, np.intp), np.array(context.masses)
                rows, masses = context.arrays
                found[rows] += masses * each
        found *= scale
        return found

    def learn(self, row: int) -> None:
        """Read `row`, which came next after the latest `probabilities`."""
        for n, (key, context) in enumerate(self._asked):
            if context is None:
                context = _Context(0.0, 0.0, [], [])
                self._keep(n, key, context)
            context.learn(row)
        self._recent.insert(0, row)
        del self._recent[self._order - 1 :]

    def ngram(self) -> Ngram:
        """What it knows by now, as an n-gram model that stays as it is. It must have begun as one."""
        assert self._ngram is not None
        levels = [self._level(level, grown) for level, grown in zip(self._ngram.levels, self._grown, strict=True)]
        return Ngram(self._ngram.rows, self._ngram.boundary, self._ngram.start, levels)

    @staticmethod
    def _level(level: Level, grown: dict[int, _Context]) -> Level:
        """`level` with the contexts in `grown` in place of its own."""
        keys = np.array(list(grown), np.uint64)
        old = ~np.isin(level.contexts, keys)
        rows = [row for context in grown.values() for row in context.rows]
        shares = [mass / context.total for context in grown.values() for mass in context.masses]
        contexts = np.concatenate([level.contexts[old], keys])
        sizes = np.array([len(context.rows) for context in grown.values()], np.int64)
        counts = np.concatenate([np.diff(level.firsts)[old], sizes])
        begins = np.concatenate([level.firsts[:-1][old], len(level.tokens) + np.cumsum(sizes) - sizes])
        order = np.argsort(contexts)
        counts = counts[order]
        firsts = np.concatenate([[0], np.cumsum(counts)])
        which = np.arange(firsts[-1]) + np.repeat(begins[order] - firsts[:-1], counts)
        return Level(
            contexts[order],
            firsts,
            np.concatenate([level.tokens, np.array(rows, level.tokens.dtype)])[which],
            np.concatenate([level.shares, np.array(shares, np.float32)])[which],
            np.concatenate([level.rest[old], np.array([c.rest / c.total for c in grown.values()], np.float32)])[order],
        )

    def _trained(self, n: int, key: int) -> _Context | None:
        """What training knows of a context of `n` rows."""
        if n >= len(self._views):
            return None
        contexts = self._views[n]
        at = bisect_left(contexts, key)
        if at == len(contexts) or contexts[at] != key:
            return None
        assert self._ngram is not None
        level = self._ngram.levels[n]
        these = slice(int(level.firsts[at]), int(level.firsts[at + 1]))
        rows = level.tokens[these].tolist()
        rest = TRAINED_DISCOUNT * len(rows)
        total = rest / float(level.rest[at])
        return _Context(total, rest, rows, (level.shares[these] * np.float64(total)).tolist())

    def _keep(self, n: int, key: int, context: _Context) -> None:
        self._grown[n][key] = context
        self._kept += 1
        if self._kept > MOST_CONTEXTS:  # the oldest of the longest ones go, of which there are most
            for contexts in reversed(self._grown):
                for old in list(contexts)[:FORGOTTEN]:
                    del contexts[old]
                self._kept = sum(map(len, self._grown))
                if self._kept <= MOST_CONTEXTS - FORGOTTEN:
                    break
