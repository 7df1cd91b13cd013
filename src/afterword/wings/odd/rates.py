"""Bursts of equal lines, and silences of a kind of line that came all the time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar

from msgspec import Meta

from afterword.wings.odd.fields import form_in_words

WINDOW = 60  # lines, in which equal ones are counted
OFTEN = 20  # lines of a kind, at least, for its silence to mean something
FEWEST = 10  # equal lines in a burst
SILENCE = 3  # times as long as ever before

Item = TypeVar("Item")
Count = Annotated[int, Meta(ge=0, le=2**53)]
Positive = Annotated[int, Meta(ge=1, le=2**53)]


@dataclass
class Gaps(Generic[Item]):
    """The gaps between the lines of a kind."""

    first: int
    """The number of lines before the first one."""
    times: int = 0
    last: int = 0
    line: Sequence[Item] = ()
    longest: int = -1
    before: Sequence[Item] = ()
    """The line before the longest gap."""

    def end(self, at: int) -> None:
        """Count the gap from the last line to `at`."""
        if self.times and at - self.last > self.longest:
            self.longest, self.before = at - self.last, self.line


class Counted(Generic[Item]):
    """A count of the lines of a log, in order."""

    def __init__(self, burst: float = math.inf) -> None:
        """`burst` is the number of equal lines within `WINDOW` that make a burst."""
        self._burst = burst
        self._recent = deque[tuple[int, int, Item]](maxlen=WINDOW)
        self.bursts: dict[int, dict[int, Item]] = {}
        """For each burst, by what its lines have in common, its lines by number."""
        self.most = 0
        self.lines = 0
        self.others = 0
        """The number of lines outside bursts. Gaps are measured in these lines: a burst would lengthen all gaps."""
        self.kinds: dict[str, Gaps[Item]] = {}
        self.first: Sequence[Item] = ()
        """The first line of all."""

    def add(self, line: Item, equal: int, kind: str) -> None:
        """Count a line. `equal` is the same for equal lines."""
        self._recent.append((self.lines, equal, line))
        same = {number: other for number, each, other in self._recent if each == equal}
        self.most = max(self.most, len(same))
        if is_burst := len(same) >= self._burst:
            self.bursts.setdefault(equal, {}).update(same)
        gaps = self.kinds.setdefault(kind, Gaps(self.others))
        self.first = self.first or [line]
        gaps.end(self.others)
        gaps.times, gaps.last, gaps.line = gaps.times + 1, self.others, [line]
        self.lines += 1
        self.others += not is_burst

    def ended(self) -> dict[str, Gaps[Item]]:
        """Count the gap after the last line of each kind, and return the gaps by kind."""
        for gaps in self.kinds.values():
            gaps.end(self.others)
        return self.kinds


def silence(kind: str) -> str:
    """Return how the reason for the silence of a kind of line begins."""
    return f"silence: {form_in_words(kind).strip()} came every "


@dataclass
class Rates:
    """The rates of equal lines and of regular kinds of line in the good lines."""

    lines: Count = 0
    most: Positive = 1
    """The most equal lines within `WINDOW` lines."""
    regular: dict[str, tuple[Positive, Positive]] = field(default_factory=dict)
    """For each kind of line that came all the time: its count, and the most lines from one to the next."""
    timed: bool = False
    """True if equal lines must also have the same time."""
    begins: dict[str, Count] = field(default_factory=dict)
    """For each regular kind, the number of lines before the first one."""

    @staticmethod
    def of(timeless: Counted[None], with_time: Counted[None]) -> Rates:
        """Return the rates of lines, counted without and with their times. If most differ only in these, they count."""
        timed = timeless.most > WINDOW / 2
        counted = with_time if timed else timeless
        regular = {
            kind: (gaps.times, gaps.longest)
            for kind, gaps in counted.ended().items()
            if gaps.times >= OFTEN and gaps.longest <= SILENCE * counted.lines / gaps.times
        }
        return Rates(counted.lines, counted.most, regular, timed, {kind: counted.kinds[kind].first for kind in regular})

    def odd(self, counted: Counted[Item]) -> Iterator[tuple[int | str, float, str, list[Item]]]:
        """Yield each burst and silence: what repeats or stops, the p-value, the reason and the lines. The line of a
        silence is the one before it, or the first line of all if it lasts from the beginning."""
        for equal, lines in counted.bursts.items():
            p_value = float(self.lines + 1) ** (-min(len(lines), WINDOW) / self.most)
            usual = f"at most {self.most:,} within {WINDOW} good ones"
            yield equal, p_value, f"burst: {len(lines):,} equal lines; {usual}", [*lines.values()]
        kinds = counted.ended()
        for kind, (times, longest) in self.regular.items():
            gaps = kinds.get(kind) or Gaps(counted.others)
            before = "not in the first" if gaps.times else "not once in"
            gap, usual_gap, how, first = max(
                (gaps.longest, longest, "then not for", gaps.before),
                (gaps.first, max(longest, self.begins.get(kind, 0)), before, counted.first),
                key=lambda each: each[0] / each[1],
            )
            if gap >= max(SILENCE * usual_gap, WINDOW):
                why = f"{silence(kind)}{self.lines // times:,} lines, {how} {gap:,}"
                yield kind, float(times) ** (-gap / usual_gap), why, [*first]
