"""An n-gram model that learns from every token that it reads.

A text is likely to repeat itself. A model that learns as it reads knows the names and phrases of the text; any other
model pays for each of them every time.

The probabilities after a context come from its counts in training and its counts since. The probability freed by the
discounts goes to the next shorter context, as in `tables`. A saved model contains only relative counts, so the total
count of a context is estimated from its discounts. A newly read token counts `BOOST` times as much as a training token,
because it is nearer.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Floats
from afterword.model.ngram.tables import HIGHEST_ORDER, Ngram, bits_of

# Found by trials on a play, C headers and news: each halved or doubled costs up to 0.004 nats per character.
BOOST = 2.0
DISCOUNT = 0.75  # when a token is first read in a context
TRAINED_DISCOUNT = 0.9  # of a token of training, on average over its counts
MOST_CONTEXTS = 2**20  # kept at most; about 300 bytes each
FORGOTTEN = 2**17  # of the oldest contexts, if there are more
FEW = 4  # up to this many tokens, adding one by one is faster


class _Context:
    """The rows that came after one context, and their discounted counts."""

    __slots__ = ("arrays", "masses", "rest", "rows", "total")

    def __init__(self, total: float, rest: float, rows: list[int], masses: list[float]) -> None:
        self.total, self.rest = total, rest
        self.rows, self.masses = rows, masses
        self.arrays: tuple[NDArray[np.intp], Floats] | None = None  # of both, if more than FEW

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
    """P(next row | the rows read so far) over R rows. It starts as `ngram`, which does not change, or empty."""

    def __init__(self, rows: int, start: int, ngram: Ngram | None = None) -> None:
        """Take `start`, the row that every fresh start reads first."""
        self._rows, self._start, self._ngram = rows, start, ngram
        self._bits = bits_of(rows)
        self._order = HIGHEST_ORDER if ngram is None else ngram.order
        self._grown: list[dict[int, _Context]] = [{} for _ in range(self._order)]  # by the number of rows before
        self._kept = 0
        self.known = 0
        """The number of last rows that were seen together, in training or since; set by `probabilities`."""
        self.restart()

    def restart(self) -> None:
        """Begin another text: the rows before it stay learned, but are not its context."""
        self._recent = [self._start]  # the latest row first

    def probabilities(self) -> Annotated[Floats, "R"]:
        """Return P of the next row."""
        # P = scale · found, so that each longer context touches only the rows that it has seen
        found, scale = np.full(self._rows, 1 / self._rows), 1.0
        key, self.known = 0, 0
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
            self.known = n
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

    def _trained(self, n: int, key: int) -> _Context | None:
        """Return what training knows of a context of `n` rows."""
        if self._ngram is None or (at := (level := self._ngram.levels[n]).place(key)) is None:
            return None
        these = level.after(at)
        rows = level.tokens[these].tolist()
        rest = TRAINED_DISCOUNT * len(rows)
        total = rest / float(level.rest[at])
        return _Context(total, rest, rows, (level.shares[these] * np.float64(total)).tolist())

    def _keep(self, n: int, key: int, context: _Context) -> None:
        self._grown[n][key] = context
        self._kept += 1
        if self._kept > MOST_CONTEXTS:  # drop the oldest of the longest ones, the most numerous
            for contexts in reversed(self._grown):
                for old in list(contexts)[:FORGOTTEN]:
                    del contexts[old]
                self._kept = sum(map(len, self._grown))
                if self._kept <= MOST_CONTEXTS - FORGOTTEN:
                    break
