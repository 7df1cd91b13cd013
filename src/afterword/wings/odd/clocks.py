"""Find times in a spelling that `fields` does not know, such as 20171224-0:5:22:774: they hardly ever decrease.

Three or more numbers that are joined by punctuation are a time if, compared as a whole, they are hardly ever lower in a
line than in the line before. A date that is the same in the whole log is one too, if a known time follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from afterword.wings.odd.fields import MARKER_OF, OF_A_KIND, TIME, are_events

START, END = r"(?<![\w.:/-])", r"(?![\w:/-])"
JOINED = re.compile(rf"{START}\d+(?:[-/.:_T]\d+){{2,}}{END}")
DIGITS = re.compile(r"\d+")
FEWEST, FEW = 20, 10  # uses of a spelling, and different times among them, at least
FALLS = 0.05  # of the steps from line to line, at most: programs that write at the same time mix up their lines
BEFORE = re.compile(rf"[ T,]*{TIME}")


def clocks(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield a regular expression for each spelling of times in `lines`, and one of the times in it."""
    found: dict[tuple[str, bool], list[str]] = {}
    for line in () if are_events(lines) else lines:
        form = OF_A_KIND.sub(lambda one: one[0] if one["number"] else MARKER_OF[str(one.lastgroup)], line)
        for one in JOINED.finditer(form):
            is_before = BEFORE.match(form, one.end()) is not None
            found.setdefault((DIGITS.sub("#", one[0]), is_before), []).append(one[0])
    for (spelling, is_before), texts in found.items():
        times = [[*map(int, DIGITS.findall(text))] for text in texts]
        falls = sum(before > after for before, after in pairwise(times))
        grows = falls <= FALLS * len(texts) and len({*texts}) >= FEW
        if len(texts) >= FEWEST and (grows or is_before):
            any_number = re.escape(spelling).replace(r"\#", "[0-9]+")
            yield START + any_number + (r"(?=[ T,]+[0-9])" if is_before else END), texts[0]
