"""Repetitions in a sequence: the earlier places of its last symbols, and the longest match as a prediction.

An n-gram looks a few tokens back. Code, logs and refrains repeat whole lines: the longer the match, the more certain
the next token. That certainty is learned for each length.
"""

from __future__ import annotations

import math
from copy import copy
from typing import NamedTuple

BITS = 32  # of a symbol
SHORTEST, LONGEST = 5, 32  # rows that match; a longer match counts as the longest
STEP = 4  # rows between two lengths that have weights of their own
LENGTHS = 2 + (LONGEST - SHORTEST) // STEP  # different values of `length_class`
FADING = 0.995  # the part of its record that a length keeps from one time to the next
SUREST = 0.9995
MOST_ROWS = 2**20  # kept at most
FORGOTTEN = 2**18  # of the oldest rows, if there are more


class Occurrences:
    """A growing sequence of symbols, and the latest place after each `length` symbols in a row.

    A place is a number of symbols from the start of the sequence. When there are more than `most` symbols, the oldest
    `forgotten` are dropped.
    """

    def __init__(self, length: int, most: int, forgotten: int) -> None:
        self.first = 0
        """The place of the oldest symbol."""
        self._length, self._most, self._forgotten = length, most, forgotten
        self._symbols: list[int] = []
        self._last, self._all = 0, (1 << BITS * length) - 1  # the last `length` symbols as one number, and its bits
        self._latest: dict[int, int] = {}  # the latest place, by such a number

    def __len__(self) -> int:
        return len(self._symbols)

    def __getitem__(self, place: int) -> int:
        """Return the symbol after `place`."""
        return self._symbols[place - self.first]

    def copy(self) -> Occurrences:
        """Return a copy that grows on its own."""
        other = copy(self)
        other._symbols, other._latest = self._symbols.copy(), self._latest.copy()
        return other

    def push(self, symbol: int) -> None:
        """Append `symbol`."""
        self._last = (self._last << BITS | symbol) & self._all
        self._symbols.append(symbol)
        if len(self._symbols) > self._most:
            del self._symbols[: self._forgotten]
            self.first += self._forgotten
            self._latest = {last: place for last, place in self._latest.items() if place > self.first}

    def noted(self) -> int:
        """Note the end as the latest place after the last symbols, and return the place before it, or -1."""
        before = self._latest.get(self._last, -1)
        self._latest[self._last] = self.first + len(self._symbols)
        return before

    def common(self, place: int, most: int) -> int:
        """Return how many symbols before `place` are also the last ones, up to `most`."""
        symbols, at, length = self._symbols, place - self.first, 0
        most = min(most, at)
        while length < most and symbols[at - 1 - length] == symbols[-1 - length]:
            length += 1
        return length


class Match(NamedTuple):
    """A passage that the last rows repeat."""

    place: int
    """The place after it, among the rows read."""
    rows: int
    """The number of rows that match, up to the longest; 0 without a match."""
    next: int
    """The row after it."""


NONE = Match(-1, 0, -1)


def length_class(matched: int) -> int:
    """Return 0 without a match, and 1, 2, … for every `STEP` more rows of a match."""
    return 1 + (matched - SHORTEST) // STEP if matched else 0


class LongestMatch:
    """A predictor of one row, or of none without a match."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._read = Occurrences(SHORTEST, MOST_ROWS, FORGOTTEN)
        self._right = [0.5] * (LONGEST + 1)  # how often a match of each length was right, and how often there was one
        self._times = [1.0] * (LONGEST + 1)
        self.restart()

    def restart(self) -> None:
        """Begin another text: no match reaches back over this point."""
        self.now, self._fresh = NONE, 0
        """The match of the last rows, and the number of rows since the restart."""

    def odds(self) -> float:
        """Return log(P / P of each other row) of the row that the match says comes next, in nats; 0 without a match.

        P is how often matches of that length were right.
        """
        if not self.now.rows:
            return 0.0
        right = min(self._right[self.now.rows] / self._times[self.now.rows], SUREST)
        return math.log(max(right, 1 / self._rows) * (self._rows - 1) / (1 - right))

    def _match(self, place: int, rows: int) -> Match:
        return Match(place, rows, self._read[place]) if 0 <= place - self._read.first < len(self._read) else NONE

    def learn(self, row: int) -> None:
        """Read `row`, which came next."""
        place, rows, following = self.now
        right = rows > 0 and following == row
        if rows:
            self._right[rows] = self._right[rows] * FADING + right
            self._times[rows] = self._times[rows] * FADING + 1
        self._read.push(row)
        self._fresh += 1
        self.now = self._match(place + 1, min(rows + 1, LONGEST)) if right else NONE
        if self._fresh < SHORTEST:
            return
        place = self._read.noted()
        if not self.now.rows and place > self._read.first:
            self.now = self._match(place, max(SHORTEST, self._read.common(place, min(LONGEST, self._fresh))))
