"""Findings: what the detectors say about lines, in as few entries as possible.

Lines with the same oddity are one finding. New kinds of line that come together are one episode.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from afterword.wings.odd.detectors import DETECTORS, Log, Oddity, Placed, Told, Verdict
from afterword.wings.odd.good_lines import GoodLines

LEAST_ODD = 0.1  # the highest p-value that is worth a look
KEPT_ALIKE = 1000  # lines that are kept of a finding that is not listed: a log has millions
MOST_FOUND = 20_000  # findings that are kept while lines are read
OFTEN = 2  # if more than twice as many lines as the rate promises are listed, a note gives the reason
FEW = 20  # listed lines, that need no reason


class Findings(Log):
    """The findings of all lines, as they are read."""

    def __init__(self, good: GoodLines, rate: float, others: int) -> None:
        """Keep all findings within `rate`, and `others` next-oddest ones."""
        super().__init__(good, rate)
        self._others, self.told = others, Told()
        """How many lines `judge` found with each oddity. The first ones are the lines of its finding."""
        self._found: dict[tuple[bool, str, str], Oddity] = {}
        """The key says whether they are listed, what found them, and what all their lines have in common."""
        self._record: Oddity | None = None
        """The listed finding of the record that is being read, such as a stack trace: it takes the later odd lines."""

    def add(self, line: Placed, masked: str, verdicts: Sequence[Verdict]) -> None:
        """Take a line. `masked` is its text with the user's masks applied, as `GoodLines.of` read the good ones."""
        self.count(line, masked)
        is_odd, continues = verdicts[0].p_value <= self.rate, self.good.continues(masked)
        if is_odd and continues and self._record is not None:
            self._record.lines.append(line)
            self._record.count += 1
            return
        is_next = verdicts[0].p_value <= LEAST_ODD or verdicts[0].detector == "template"
        is_kept = is_odd or (is_next and len(self._found) < MOST_FOUND)
        found = [(self._take(line, verdict), verdict.pieces) for verdict in verdicts if is_kept]
        for one, _ in found:
            if one.oddest is line:
                one.others = found
        if is_odd or not continues:
            self._record = found[0][0] if is_odd else None
        if is_odd or (found and found[0][0].detector == "template"):
            self.odd.append((self.lines, found[0][0], line))

    def _take(self, line: Placed, verdict: Verdict) -> Oddity:
        is_listed = verdict.p_value <= self.rate
        new = Oddity(verdict.detector, verdict.why, verdict.figure, verdict.p_value)
        same = self._found.setdefault((is_listed, *verdict.alike), new)
        same.count += 1
        odder = same is new or new.rank < same.rank
        if odder or is_listed or same.count <= KEPT_ALIKE:
            same.lines.append(line)
        if odder:
            same.figure, same.p_value, same.why, same.odd_pieces = new.figure, new.p_value, new.why, verdict.pieces
            same.oddest = line
        return same

    def listed(self, open_episodes: bool = False) -> tuple[list[Oddity], list[Oddity]]:
        """Return the findings within the rate, the oddest first, and the next-oddest ones.

        With `open_episodes`, the findings of an episode follow it.
        """
        places, copies = Counter[str](), dict[Oddity, Oddity]()
        for key, one in sorted(self._found.items(), key=lambda item: item[1].rank):
            place, tab, _ = key[-1].partition("\t")
            copies[one] = replace(one, lines=sorted(one.lines, key=lambda line: line is not one.oddest))
            if tab and one.detector == "value":  # if many words are new at a place, each is less odd
                places[place] += 1
                copies[one].p_value *= places[place]
        log = copy.copy(self)
        log.odd = [(number, copies.get(one, one), line) for number, one, line in log.odd]
        found = [one for each in DETECTORS.values() if each.of_log for one in each.of_log(log)]
        taken = {part for one in found for part in one.parts}
        ranked, taken_in, smallest = list[Oddity](), set[Oddity](), dict[Placed, int]()
        for one in sorted([*found, *(one for one in copies.values() if one not in taken)], key=lambda one: one.rank):
            if one.detector == "value":  # several values of a line are one finding, unless one is new in many lines
                if all(smallest.get(line, one.count + 1) <= one.count for line in one.lines):
                    taken_in.add(one)
                    continue
                smallest |= {line: min(one.count, smallest.get(line, one.count)) for line in one.lines}
            ranked.append(one)
        for key, one in self._found.items():
            copies[one].count = max(one.count, self.told[key[1:]] if key[0] else 0)
        for one in ranked:
            within = (pieces for other, pieces in one.others if copies.get(other) in taken_in)
            one.odd_pieces = sorted({*one.odd_pieces, *chain.from_iterable(within)})
        listed = [one for one in ranked if one.p_value <= self.rate]
        if open_episodes:
            listed = [each for one in listed for each in (one, *one.parts)]
        return listed, [one for one in ranked if self.rate < one.p_value <= LEAST_ODD][: self._others]

    def share(self, listed: Sequence[Oddity]) -> float:
        """Return the fraction of all lines that detectors of lines have `listed`."""
        return len({line for one in listed if DETECTORS[one.detector].of_line for line in one.lines}) / max(
            1, self.lines
        )

    def has_many(self, listed: Sequence[Oddity]) -> bool:
        """Return whether far more lines are `listed` than the rate promises."""
        return self.share(listed) * self.lines > max(OFTEN * self.rate * self.lines, FEW)
