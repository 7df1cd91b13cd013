"""The detectors: what can be odd about a line, or about a log, and the judge that asks the detectors of lines.

With each verdict, a detector says how often one of the last good lines is as odd: that is its p-value. So a detector
with many false alarms among them has little weight. The lowest p-value of a line, times the number of detectors,
decides whether it is listed. A detector that is added to `DETECTORS`, and nowhere else, takes part in everything.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np

from afterword.wings.odd.fields import LONGEST, LONGEST_WORD, NUMBER, RECORD, TIME, WORD, form_in_words, split
from afterword.wings.odd.good_lines import HIDDEN, PREFIX, GoodLines, checksum, words_of
from afterword.wings.odd.normal import OddLine
from afterword.wings.odd.rates import FEWEST, Counted
from afterword.wording import count_of

NAMED = 3  # odd pieces of a text that a finding names
DIGITS = re.compile(r"\d+")
STRETCH = 5  # lines from one odd line to the next, at most, in an episode
APART = 8  # median deviations from the others: a line that is odder than its episode is a finding of its own
TOGETHER = 5  # new kinds of line, at least, in an episode
ENOUGH, MOST_TOLD = 3, 20_000  # lines that say that something new is here to stay; oddities that are counted
BEYOND = 1.5  # times the figure of an accepted kind of line: a text that is odder is a finding again
SHARED, MOST_SHARED = 0.8, 2  # fraction of its lines that contain a word, and number of words to name

Pieces = Sequence[tuple[int, int]]


class Verdict(NamedTuple):
    """A reason for which a line is odd, and how odd that makes it."""

    detector: str
    why: str
    key: str
    """Equal for all lines with the same oddity. The text before a tab, if there is one, is the place of a word."""
    figure: float
    p_value: float
    place: str = ""
    """The place of a value; empty if something else is odd."""
    pieces: Pieces = ()
    """The odd parts of the line, from one character to another."""
    words: str = ""
    """The odd words of a text without their numbers."""

    @property
    def alike(self) -> tuple[str, str]:
        """Equal for lines that are one finding, such as texts with the same odd words."""
        return self.detector, self.words or self.key


class Placed(msgspec.Struct, frozen=True):
    """A line and where it is."""

    file: str
    line: int
    text: str


@dataclass(eq=False)
class Oddity:
    """Lines in which the same is odd."""

    detector: str
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


class Log:
    """What detectors know of a whole log: its lines as they were counted, and those that are odd by themselves."""

    def __init__(self, good: GoodLines, rate: float) -> None:
        self.good, self.rate, self.lines = good, rate, 0
        self.odd: list[tuple[int, Oddity, Placed]] = []
        """Odd lines and those of new kinds, by number in all files."""
        self.counted = Counted[Placed](max(FEWEST, 2 * good.rates.most))
        self.harmless = {name for detector, name in good.harmless if detector == "rate"}
        """What may come in bursts, or stop."""

    def count(self, line: Placed, masked: str) -> None:
        """Count a line, to which the user's masks were applied."""
        self.lines += 1
        equal, kind = self.good.repeated(masked)
        self.counted.add(line, equal[self.good.rates.timed], kind)
        if ("rate", equal[0]) in self.good.harmless:
            self.harmless.add(equal[self.good.rates.timed])


@dataclass(frozen=True)
class Detector:
    """A way to find what is odd."""

    of_line: Callable[[GoodLines, str, OddLine], list[Verdict]] | None = None
    """Return the verdicts on a masked line, the oddest first; none if nothing is odd."""
    of_log: Callable[[Log], Iterator[Oddity]] | None = None
    """Yield the findings of a log. It needs the whole log, so no line has it as soon as it is read."""
    of_fields: bool = False
    """Whether it judges words and values, which plain lines, such as names, do not have."""


def new_kind(good: GoodLines, text: str, cost: OddLine) -> list[Verdict]:
    """Return the verdict on a line of a new kind, which is at least as odd as its text."""
    kind = split(text, good.header).kind
    if not (new := good.new_in(kind)) or not good.places:
        return []
    [of_text] = odd_text(good, text, cost)
    p_value = min(good.p_new(cost.figure), of_text.p_value)
    what = _words(cost) if new == kind else f": {form_in_words(new)}"
    return [Verdict("template", f"new kind of line{what}", new, cost.figure, p_value, "", cost.odd_pieces)]


def new_values(good: GoodLines, text: str, cost: OddLine) -> list[Verdict]:
    """Return a verdict for each value that is new at its place, because one of them, such as a date, may be new in all
    lines. The figure of the oddest has a little of the bits of the others."""
    line, verdicts = split(text, good.header), list[Verdict]()
    unknown = (one for one in good.surprises(line) if not good.is_harmless(line.group, one.field))
    found = sorted(unknown, key=good.bits, reverse=True)
    for one, bits in zip(found, [good.all_bits(found), *map(good.bits, found[1:])], strict=False):
        value, seen = one.field, one.place.usual
        said = ", ".join(map(form_in_words, seen[:3])) + (f" and {len(seen) - 3:,} more" if len(seen) > 3 else "")
        if said.startswith(HIDDEN):
            said = count_of(len(seen), "other")
        if value.kind == NUMBER and len(seen) > 5 and (numbers := one.place.ordered):
            inside = numbers[0] <= (value.number or 0.0) <= numbers[-1]
            said = f"{len(seen):,} others from " * inside + f"{numbers[0]:,.10g} to {numbers[-1]:,.10g}"
        key = f"{PREFIX.sub('', value.name) or f'{line.group} {value.place}'} {one.level // 8}"
        key += f"\t{value.text}" if value.kind == WORD else ""
        at = (value.start, value.start + len(value.shown if value.kind == WORD else value.text))
        shown = f"{value.name} {value.shown}" if value.kind == WORD and line.group == RECORD else value.shown
        why, p_value = f"{shown}: seen {said}", good.p_value(bits)
        verdicts.append(Verdict("value", why, key, bits, p_value, value.place, [at]))
    return verdicts


def odd_text(good: GoodLines, text: str, cost: OddLine) -> list[Verdict]:
    """Return the verdict on the text of a line. Its key contains the odd words: if each was accepted in this kind of
    line, so is the text. If the kind of line was accepted, a text is odd only if its figure is well above the accepted
    one."""
    said, kind, hidden = _words(cost), split(text, good.header).kind, good.hide(text)
    words = "" if good.is_plain else DIGITS.sub("#", said)
    key = f"{kind} {DIGITS.sub('#', good.hide(said))}" if words else hidden
    enough = BEYOND * good.harmless.get(("template", good.new_in(kind)), -math.inf)
    each = words_of(kind, key)  # without those that are hidden
    asked = {("text", one) for one in (each if words and len(each) == said.count("“") else {key})}
    known = checksum(hidden) in good.late_texts or ("text", hidden) in good.harmless or asked <= good.harmless.keys()
    p_value = 1.0 if known or kind == RECORD or cost.figure <= enough else cost.p_value  # that kind is the header's
    return [Verdict("text", f"odd text{said}", key, cost.figure, p_value, "", cost.odd_pieces, words)]


def _words(cost: OddLine) -> str:
    """Return how a reason names the costliest words of a text."""
    each = (whole_word(cost.text, start, stop) for start, stop in cost.odd_pieces[:NAMED])
    words = dict.fromkeys((one.strip(' ,;:"') or one)[:LONGEST_WORD] for one in each)
    return f": “{'”, “'.join(words)}”" if words else ""


def whole_word(text: str, start: int, stop: int) -> str:
    """Return the words of `text` that overlap the piece from `start` to `stop`; for its end, the last word."""
    text = text[: max(LONGEST, stop)].replace("|", " ").rstrip()
    first = max(text.rfind(" ", 0, min(start + 1, len(text))), 0)
    last = text.find(" ", max(stop - 1, first + 1))
    return text[first : len(text) if last < 0 else last].strip()


def rates(log: Log) -> Iterator[Oddity]:
    """Yield bursts of equal lines, and silences of regular kinds of line."""
    for name, p_value, why, lines in log.good.rates.odd(log.counted):
        if name not in log.harmless:
            yield Oddity("rate", why, _bits(p_value), p_value, lines, len(lines))


def episodes(log: Log) -> Iterator[Oddity]:
    """Yield the parts of the log in which several new kinds of line occur close together."""
    stretches: list[list[tuple[int, Oddity, Placed]]] = []
    for each in log.odd:
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
        apart |= {one for one in here if one.detector == "value" and one.p_value * within <= log.rate}
        parts = sorted((one for one in here if one not in apart), key=lambda one: one.rank)
        expected = log.good.p_new() * within
        p_value = math.exp(min(0.0, len(new) * math.log(expected) - math.lgamma(len(new) + 1)))
        if parts and p_value <= log.rate:
            lines = [line for _, one, line in some if one not in apart]
            why = f"episode: {len(lines):,} odd lines of {len(parts):,} kinds within {within:,} lines"
            why += _about([line.text for line in lines], log.good)
            yield Oddity("episode", why, _bits(p_value), p_value, lines, len(lines), parts)


def _about(texts: Sequence[str], good: GoodLines) -> str:
    """Return the times of the lines, and the first words that most of them contain and most good lines do not."""
    lines = [split(text, good.header).fields for text in texts]
    times = (max((one.text for one in line if one.kind == TIME), key=len, default="") for line in (lines[0], lines[-1]))
    words = Counter(word for line in lines for word in dict.fromkeys(one.shown for one in line if one.kind == WORD))
    shared = [word for word, count in words.items() if count > SHARED * len(lines) and good.share(word) < SHARED]
    when, who = " to ".join(dict.fromkeys(filter(None, times))), ", ".join(shared[:MOST_SHARED])
    return f"{when and f', {when}'}{who and f', from {who}'}"


def _bits(p_value: float) -> float:
    return -math.log2(max(p_value, 1e-300))


DETECTORS = {
    "template": Detector(of_line=new_kind, of_fields=True),
    "value": Detector(of_line=new_values, of_fields=True),
    "text": Detector(of_line=odd_text),
    "episode": Detector(of_log=episodes),
    "rate": Detector(of_log=rates),
}
"""By name. Of two that find the same line, the first one says why."""


Told = Counter[tuple[str, str]]
"""How many lines each oddity had so far, by detector and key."""


def judge(good: GoodLines, text: str, cost: OddLine, rate: float, told: Told) -> list[Verdict]:
    """Return what one detector finds odd about a masked line, the oddest first: the first one within this `rate` of
    false alarms, or else the one with the lowest p-value. The others lower the p-value.

    What had `ENOUGH` lines is usual from then on: a line with it is odd only if it is odd in another way too.
    """
    found = list[list[Verdict]]()
    for name, one in DETECTORS.items():
        if one.of_line and not (one.of_fields and good.is_plain):
            verdicts = one.of_line(good, text, cost)
            found.append([one for one in verdicts if name == "text" or (name, one.key) not in good.harmless])
    limit = rate / max(1, len(found) - 1)  # a line has either new values or a new kind
    within = [one for one in chain(*found) if one.p_value <= limit]
    usual = [one for one in within if told[one.alike] >= ENOUGH]
    told.update(one.alike for one in within if len(told) < MOST_TOLD)
    judged = [[one._replace(p_value=1.0) if one in usual else one for one in each] for each in found if each]
    judged = [sorted(each, key=lambda one: one.p_value) for each in judged]
    lowest = min(judged, key=lambda each: each[0].p_value)
    first, *others = next((each for each in judged if each[0].p_value <= limit), lowest)
    each = (first._replace(p_value=lowest[0].p_value), *(one for one in others if one.p_value <= limit))
    return [one._replace(p_value=min(1.0, one.p_value * rate / limit)) for one in each]
