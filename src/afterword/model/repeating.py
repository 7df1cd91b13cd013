"""The longest passage of what has been read that the last rows repeat, and what came after it then.

An n-gram looks a few tokens back. Code, logs and refrains repeat whole lines: the longer the match, the surer its next
token, and how sure is learned for each length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

SHORTEST, LONGEST = 5, 32  # rows that match; a longer match counts as the longest
STEP = 4  # rows by which lengths are told apart where weights depend on them
LENGTHS = 2 + (LONGEST - SHORTEST) // STEP  # different values of `length_class`
FADING = 0.995  # how much of its record a length keeps from one time to the next
SUREST = 0.9995
MOST_ROWS = 2**20  # that are kept
FORGOTTEN = 2**18  # of the oldest, when there are more


class Match(NamedTuple):
    """A passage that the last rows repeat."""

    place: int
    """Of the row after it, in what was read."""
    rows: int
    """How many match, up to the longest; 0: none do."""
    next: int
    """The row after it."""


NONE = Match(-1, 0, -1)


def length_class(matched: int) -> int:
    """0 for no match of `matched` rows, then 1, 2, … for every few rows more."""
    return 1 + (matched - SHORTEST) // STEP if matched else 0


class LongestMatch:
    """Predicts one row, or none where nothing matches."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._read: list[int] = []
        self._forgotten = 0  # rows read that `_read` no longer has
        self._places: dict[tuple[int, ...], int] = {}  # the place after each so many rows, the latest one
        self._right = [0.5] * (LONGEST + 1)  # how often a match of each length was right, of how many times
        self._times = [1.0] * (LONGEST + 1)
        self.restart()

    def restart(self) -> None:
        """Begin another text: no match reaches back over this point."""
        self._at, self._matched = -1, 0  # the place of the match's next row; no rows: there is no match
        self._fresh = 0  # rows since then

    @property
    def row(self) -> int:
        """The row that came next in the match; -1 where there is none."""
        return self._read[self._at - self._forgotten] if self._matched else -1

    @property
    def matched(self) -> int:
        """How many rows match, up to the longest; 0 for none."""
        return self._matched

    def odds(self, matched: int) -> float:
        """log(P / the P that is left for each other row) of the row that came next in a match of so many rows, by how
        often such matches were right."""
        right = min(self._right[matched] / self._times[matched], SUREST)
        return math.log(max(right, 1 / self._rows) * (self._rows - 1) / (1 - right))

    def follow(self, match: Match, row: int, last: Sequence[int]) -> Match:
        """What becomes of a match in what was learned as `row` comes next and `last` are then the last rows, without
        learning from it."""
        if match.rows and match.next == row:
            return self._match(match.place + 1, min(match.rows + 1, LONGEST))
        return self._match(self._places.get(tuple(last[-SHORTEST:]), -1), SHORTEST)

    def _match(self, place: int, rows: int) -> Match:
        at = place - self._forgotten
        return Match(place, rows, self._read[at]) if 0 <= at < len(self._read) else NONE

    def learn(self, row: int) -> None:
        """Read `row`, which came next."""
        if self._matched:
            right = self.row == row
            self._right[self._matched] = self._right[self._matched] * FADING + right
            self._times[self._matched] = self._times[self._matched] * FADING + 1
            self._at += 1
            self._matched = min(self._matched + 1, LONGEST) if right else 0
        self._read.append(row)
        self._fresh += 1
        if len(self._read) > MOST_ROWS:
            self._forget()
        if self._fresh < SHORTEST:
            return
        last, end = tuple(self._read[-SHORTEST:]), self._forgotten + len(self._read)
        if not self._matched and (place := self._places.get(last)) is not None and place > self._forgotten:
            self._at, self._matched = place, self._common(place - self._forgotten)
        self._places[last] = end

    def _common(self, place: int) -> int:
        """How many rows before `place` are the last ones, up to the longest."""
        read, length = self._read, SHORTEST
        longest = min(LONGEST, self._fresh, place)
        while length < longest and read[place - 1 - length] == read[-1 - length]:
            length += 1
        return length

    def _forget(self) -> None:
        del self._read[:FORGOTTEN]
        self._forgotten += FORGOTTEN
        if self._at < self._forgotten:
            self._at, self._matched = -1, 0
        self._places = {rows: place for rows, place in self._places.items() if place > self._forgotten}
