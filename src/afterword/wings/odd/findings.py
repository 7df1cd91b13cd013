"""Findings: what several detectors say about lines, as few things as possible for somebody to read.

Three detectors judge each line. Its kind may be new, one of its values may be new or out of range, or its text may cost
the model more than usual. Each detector has a p-value: how often a late good line is as odd. So a detector with many
false alarms there has little weight. The lowest p-value, times the number of detectors, decides whether a line is
listed. Lines with the same oddity are one finding. New kinds of line that come together are one episode.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np

from afterword.text.documents import counted
from afterword.wings.odd.fields import LONGEST, LONGEST_WORD, TIME, WORD, split
from afterword.wings.odd.rates import Counted
from afterword.wings.odd.usual import Detector, Pieces, UsualLines, Verdict

DIGITS = re.compile(r"\d+")
DETECTORS = 3  # of a line; each gets an equal share of the false alarms
LEAST_ODD = 0.1  # the highest p-value that is worth a look
KEPT_ALIKE = 1000  # lines that are kept of a finding that is not listed: a log has millions
MOST_FOUND = 20_000  # findings that are kept while lines are read
OFTEN = 2  # if more than twice as many lines as the rate promises are listed, a note gives the reason
FEW = 20  # listed lines, that need no reason
STRETCH = 5  # lines from one odd line to the next, at most, in an episode
APART = 8  # median deviations from the others: a line that is odder than its episode is a finding of its own
TOGETHER = 5  # new kinds of line, at least, in an episode
BEYOND = 1.5  # times the figure of an accepted kind of line: a text that is odder is a finding again
SHARED, MOST_SHARED = 0.8, 2  # fraction of its lines that contain a word, and number of words to name


class Placed(msgspec.Struct, frozen=True):
    """A line and where it is."""

    file: str
    line: int
    text: str


class TextCost(NamedTuple):
    """A model's verdict on the text of a line."""

    figure: float
    p_value: float
    words: Sequence[str]
    """Its costliest parts."""
    pieces: Pieces = ()
    """Where they are in the line."""


@dataclass(eq=False)
class Oddity:
    """Lines in which the same is odd."""

    detector: Detector
    why: str
    figure: float
    p_value: float
    lines: list[Placed] = field(default_factory=list)
    """In order; when they are listed, the oddest is first."""
    count: int = 0
    parts: list[Oddity] = field(default_factory=list)
    """The findings of an episode."""
    odd_pieces: Pieces = ()
    """The odd parts of the oddest line, as places in its text."""
    oddest: Placed | None = None
    others: Sequence[tuple[Oddity, Pieces]] = ()
    """The findings of other odd values of that line, and where these are in it."""

    @property
    def rank(self) -> tuple[float, float]:
        return self.p_value, -self.figure


def judge(usual: UsualLines, text: str, cost: TextCost, rate: float) -> list[Verdict]:
    """Return what is odd about a line, the oddest first.

    A new kind of line takes precedence over an odd text, and so does a value that is odd at this `rate` of false
    alarms. If several values are odd, each has a verdict, because one of them, such as a date, may be new in all lines.
    """
    line, odd_text, detectors = split(text), judge_text(usual, text, cost), 1 if usual.is_plain else DETECTORS
    found, is_new = [odd_text], bool(usual.places) and line.kind not in usual.places
    if is_new and ("template", line.kind) not in usual.harmless:
        new = odd_text.why.replace("odd text", "new kind of line", 1)
        found = [Verdict("template", new, line.kind, cost.figure, usual.p_new(cost.figure), "", cost.pieces)]
    elif (each := usual.odd_values(line)) and each[0].p_value <= max(rate / detectors, odd_text.p_value):
        found = [each[0], *(one for one in each[1:] if one.p_value <= rate / detectors)]
    found[0] = found[0]._replace(p_value=min(found[0].p_value, odd_text.p_value))
    return [one._replace(p_value=min(1.0, detectors * one.p_value)) for one in found]


def judge_text(usual: UsualLines, text: str, cost: TextCost) -> Verdict:
    """Return the verdict on the text of a line. Its key contains the odd words. If the kind of line was accepted, a
    text is odd only if its figure is well above the accepted one."""
    words = dict.fromkeys((one.strip(' ,;:"') or one)[:LONGEST_WORD] for one in cost.words[:3])
    where = f": “{'”, “'.join(words)}”" if words else ""
    kind, hidden = split(text).kind, usual.hide(text)
    key = f"{kind} {DIGITS.sub('#', usual.hide(where))}" if where and not usual.is_plain else hidden
    enough = BEYOND * usual.harmless.get(("template", kind), -math.inf)
    known = usual.has_text(hidden) or not usual.harmless.keys().isdisjoint({("text", key), ("text", hidden)})
    p_value = 1.0 if known or cost.figure <= enough else cost.p_value
    return Verdict("text", f"odd text{where}", key, cost.figure, p_value, "", cost.pieces)


def whole_word(text: str, start: int, stop: int) -> str:
    """Return the words of `text` that overlap the piece from `start` to `stop`; for its end, the last word."""
    text = text[: max(LONGEST, stop)].rstrip()
    first = max(text.rfind(" ", 0, min(start + 1, len(text))), 0)
    last = text.find(" ", max(stop - 1, first + 1))
    return text[first : len(text) if last < 0 else last].strip()


class Findings:
    """The findings of all lines, as they are read."""

    def __init__(self, usual: UsualLines, rate: float, others: int) -> None:
        """Keep all findings within `rate`, and `others` next-oddest ones."""
        self._usual, self._rate, self._others = usual, rate, others
        self._found: dict[tuple[bool, Detector, str], Oddity] = {}
        """The key says whether they are listed, what found them, and what all their lines have in common."""
        self._new: list[tuple[int, Oddity, Placed]] = []  # odd lines and those of new kinds, by number in all files
        self._counted: Counted[Placed] = usual.rates.counting()
        self._harmless = {name for detector, name in usual.harmless if detector == "rate"}
        self.lines = 0

    def add(self, line: Placed, masked: str, verdicts: Sequence[Verdict]) -> None:
        """Take a line. `masked` is its text with the user's masks applied, as `UsualLines.of` read the good ones."""
        self.lines += 1
        found = [(self._take(line, verdict), verdict.pieces) for verdict in verdicts]
        for one, _ in found:
            if one.oddest is line:
                one.others = found
        equal, kind = self._usual.repeated(masked)
        self._counted.add(line, equal[self._usual.rates.timed], kind)
        if ("rate", equal[0]) in self._usual.harmless:
            self._harmless.add(equal[self._usual.rates.timed])
        if verdicts[0].p_value <= self._rate or found[0][0].detector == "template":
            self._new.append((self.lines, found[0][0], line))
        if len(self._found) > MOST_FOUND:
            others = sorted((each for each in self._found if not each[0]), key=lambda each: self._found[each].rank)
            for each in others[self._others :]:
                del self._found[each]

    def _take(self, line: Placed, verdict: Verdict) -> Oddity:
        is_listed = verdict.p_value <= self._rate
        new = Oddity(verdict.detector, verdict.why, verdict.figure, verdict.p_value)
        same = self._found.setdefault((is_listed, verdict.detector, verdict.key), new)
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
        found = [*self._episodes([(number, copies.get(one, one), line) for number, one, line in self._new])]
        taken = {part for one in found for part in one.parts}
        for name, p_value, why, lines in self._usual.rates.odd(self._counted):
            if name not in self._harmless:
                found.append(Oddity("rate", why, _bits(p_value), p_value, lines, len(lines)))
        ranked, taken_in, smallest = list[Oddity](), set[Oddity](), dict[Placed, int]()
        for one in sorted([*found, *(one for one in copies.values() if one not in taken)], key=lambda one: one.rank):
            if one.detector == "value":  # several values of a line are one finding, unless one is new in many lines
                if all(smallest.get(line, one.count + 1) <= one.count for line in one.lines):
                    taken_in.add(one)
                    continue
                smallest |= {line: min(one.count, smallest.get(line, one.count)) for line in one.lines}
            ranked.append(one)
        for one in ranked:
            within = (pieces for other, pieces in one.others if copies.get(other) in taken_in)
            one.odd_pieces = sorted({*one.odd_pieces, *chain.from_iterable(within)})
        listed = [one for one in ranked if one.p_value <= self._rate]
        if open_episodes:
            listed = [each for one in listed for each in (one, *one.parts)]
        return listed, [one for one in ranked if self._rate < one.p_value <= LEAST_ODD][: self._others]

    def reason(self, listed: Sequence[Oddity]) -> str | None:
        """Return why far more lines are listed than the rate promises, or None if they are not."""
        of_lines = [one for one in listed if one.detector not in ("episode", "rate")]
        count = len({line for one in of_lines for line in one.lines})
        if count <= max(OFTEN * self._rate * self.lines, FEW):
            return None
        most = max(of_lines, key=lambda one: one.count)
        return (
            f"{count / self.lines:.1%} of the lines are listed, not {100 * self._rate:.3g}%: the largest finding "
            f"({most.why}) has {counted(most.count, 'line')}; add newer good lines, or accept what is harmless"
        )

    def _episodes(self, odd_ones: Sequence[tuple[int, Oddity, Placed]]) -> Iterator[Oddity]:
        """Yield the parts of the log in which several new kinds of line occur close together."""
        stretches: list[list[tuple[int, Oddity, Placed]]] = []
        for each in odd_ones:
            if not stretches or each[0] - stretches[-1][-1][0] > STRETCH:
                stretches.append([])
            stretches[-1].append(each)
        for some in stretches:
            here = Counter(one for _, one, _ in some)
            new = [one for one in here if one.detector == "template"]
            if len(new) < TOGETHER:
                continue
            figures = np.array([one.figure for one in new])
            most = np.median(figures) + APART * np.median(np.abs(figures - np.median(figures)))
            within = some[-1][0] - some[0][0] + 1
            apart = {one for one in new if one.figure > most} | {one for one in here if 2 * here[one] <= one.count}
            apart |= {one for one in here if one.detector == "value" and one.p_value * within <= self._rate}
            parts = sorted((one for one in here if one not in apart), key=lambda one: one.rank)
            expected = self._usual.p_new() * within
            p_value = math.exp(min(0.0, len(new) * math.log(expected) - math.lgamma(len(new) + 1)))
            if parts and p_value <= self._rate:
                lines = [line for _, one, line in some if one not in apart]
                why = f"episode: {len(lines):,} odd lines of {len(parts):,} kinds within {within:,} lines"
                why += _about([line.text for line in lines], self._usual)
                yield Oddity("episode", why, _bits(p_value), p_value, lines, len(lines), parts)


def _about(texts: Sequence[str], usual: UsualLines) -> str:
    """Return the times of the lines, and the first words that most of them contain and most good lines do not."""
    lines = [split(text).fields for text in texts]
    times = (max((one.text for one in line if one.kind == TIME), key=len, default="") for line in (lines[0], lines[-1]))
    words = Counter(
        word for line in lines for word in dict.fromkeys((one.shown, one.text) for one in line if one.kind == WORD)
    )
    often = (word for word, count in words.items() if count > SHARED * len(lines))
    shared = [shown for shown, word in often if shown != word or usual.share(word) < SHARED]
    when, who = " to ".join(dict.fromkeys(filter(None, times))), ", ".join(shared[:MOST_SHARED])
    return f"{when and f', {when}'}{who and f', from {who}'}"


def _bits(p_value: float) -> float:
    return -math.log2(max(p_value, 1e-300))
