"""Bursts of equal lines, and silences of a kind of line that came all the time."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from afterword.oddities.fields import readable

WINDOW = 60  # lines, in which equal ones are counted
OFTEN = 20  # lines of a kind, at least, for its silence to mean something
TWICE, THRICE = 2, 3  # times as many as ever before in a burst, and as long in a silence
FEWEST = 10  # equal lines in a burst

Item = TypeVar("Item")


class Counted(Generic[Item]):
    """The lines of a log, as they are counted."""

    def __init__(self, bursts: Sequence[float] = (math.inf, math.inf)) -> None:
        """`bursts` are how many equal lines within `WINDOW` are a burst: without their time, and with it."""
        self._bursts = bursts
        self._recent: dict[tuple[int, int], deque[tuple[int, Item]]] = {}
        self.bursts: dict[tuple[int, int], tuple[int, dict[int, Item]]] = {}
        """By what is equal, the most lines within `WINDOW`, and all lines by their numbers."""
        self.kinds = Counter[str]()
        self.last: dict[str, tuple[int, Item]] = {}
        self.gaps: dict[str, tuple[int, Item]] = {}
        """By kind, the longest gap from one line to the next, and the line before it."""
        self.lines = 0
        self._others = 0  # lines outside bursts: gaps are counted in them, since a burst would lengthen all gaps
        self.most = [0, 0]

    def add(self, line: Item, equal: tuple[int, int], kind: str) -> None:
        """Count a line. `equal` are hashes of it, without and with its time."""
        in_burst = False
        for key in enumerate(equal):
            recent = self._recent.setdefault(key, deque())
            recent.append((self.lines, line))
            while recent[0][0] <= self.lines - WINDOW:
                recent.popleft()
            self.most[key[0]] = max(self.most[key[0]], len(recent))
            if len(recent) >= self._bursts[key[0]]:
                most, lines = self.bursts.get(key, (0, {}))
                lines.update(recent)
                self.bursts[key] = max(most, len(recent)), lines
                in_burst = True
        if self.lines % 10_000 == 0:
            self._recent = {key: some for key, some in self._recent.items() if some[-1][0] > self.lines - WINDOW}
        self._gap(kind)
        self.kinds[kind] += 1
        self.last[kind] = self._others, line
        self.lines += 1
        self._others += not in_burst

    def _gap(self, kind: str) -> None:
        if kind in self.last:
            at, line = self.last[kind]
            if (gap := self._others - at) > self.gaps.get(kind, (-1,))[0]:
                self.gaps[kind] = gap, line

    def end(self) -> None:
        """Count the gap behind the last line of each kind."""
        for kind in self.last:
            self._gap(kind)

    @property
    def regular(self) -> dict[str, tuple[int, int]]:
        """For each kind that came all the time, how often it came and its longest gap."""
        return {
            kind: (times, self.gaps[kind][0])
            for kind, times in self.kinds.items()
            if times >= OFTEN and self.gaps[kind][0] <= THRICE * self.lines / times
        }


@dataclass
class Rates:
    """The rates of equal lines and of regular kinds of line in the good lines."""

    lines: int = 0
    most: tuple[float, float] = (1.0, 1.0)
    """Lines within `WINDOW` lines that are equal but for the time, and with it."""
    regular: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For each kind of line that came all the time: its count, and the most lines from one to the next."""
    p_silent: float = 1.0
    """The fraction of such kinds that fell silent among the late good lines."""

    @staticmethod
    def of(good: Sequence[tuple[tuple[int, int], str]], late: int) -> Rates:
        """Count lines, each as `Counted.add` takes it; the last `late` ones check the count of the others."""
        whole, early, after = (_counted(some) for some in (good, good[: len(good) - late], good[len(good) - late :]))
        regular = early.regular
        silent = sum(
            kind not in after.gaps or after.gaps[kind][0] >= max(THRICE * gap, WINDOW)
            for kind, (_, gap) in regular.items()
        )
        first, second = (
            most * max(1.0, last / max(1, before))
            for most, before, last in zip(whole.most, early.most, after.most, strict=True)
        )
        return Rates(whole.lines, (first, second), whole.regular, silent / max(1, len(regular)))

    def counting(self) -> Counted[Item]:
        return Counted([max(TWICE * most, FEWEST) for most in self.most])

    def odd(self, counted: Counted[Item]) -> Iterator[tuple[float, str, list[Item]]]:
        """Yield the p-value, the reason and the lines of each burst and silence; a silence has the one before it."""
        counted.end()
        known: set[int] = set()
        for (timed, _), (count, lines) in sorted(counted.bursts.items()):
            if not known.issuperset(lines):  # the same with its time
                known |= lines.keys()
                p_value, most = float(self.lines + 1) ** (-count / self.most[timed]), self.most[timed]
                within = f"{count:,} within {WINDOW} lines; at most {most:,.0f} in good ones"
                yield p_value, f"burst: {len(lines):,} equal lines, {within}", [*lines.values()]
        for kind, (times, longest) in self.regular.items():
            gap, line = counted.gaps.get(kind, (0, None))
            if line is not None and gap >= max(THRICE * longest, WINDOW):
                p_value = max(self.p_silent, float(times) ** (-gap / longest))
                every = f"came every {self.lines // times:,} lines, then not for {gap:,}"
                yield p_value, f"silence: {readable(kind).strip()} {every}", [line]


def _counted(lines: Sequence[tuple[tuple[int, int], str]]) -> Counted[None]:
    counted = Counted[None]()
    for equal, kind in lines:
        counted.add(None, equal, kind)
    counted.end()
    return counted
