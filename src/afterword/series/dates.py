"""Parse texts as dates, and write dates in the form in which they came.

Dates are datetime64[s] without a zone, or whole numbers (int64) that only count. A column's texts are parsed together:
its dates are grouped by shape (`0000-00-00`), and each shape is parsed at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

YEARS = (1500, 2200)  # whole numbers in this range are years, if all of them are
DAY = 86400  # seconds
WRITE_ISO = "write ISO dates, such as 2024-01-31 or 2024-01-31 13:00"

_TIME = (
    r"(?:(?P<gap>[T ])(?P<hour>\d\d?):(?P<minute>\d\d)(?P<seconds>:(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?: ?(?P<half>[AaPp])[Mm])?(?P<zone> ?(?:Z|UTC|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?))?)?"
)
LAYOUTS = {
    "year first": re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)" + _TIME),
    "year last": re.compile(r"(?P<month>\d\d?)(?P<mark>[-/.])(?P<day>\d\d?)(?P=mark)(?P<year>\d{4})" + _TIME),
    "month": re.compile(r"(?P<year>\d{4})(?P<mark>[-/M])(?P<month>\d\d?)"),
    "quarter": re.compile(r"(?P<year>\d{4})(?P<mark>[- ]?)Q(?P<quarter>\d)"),
    "number": re.compile(r"-?\d{1,18}"),
}
_ZEROS = str.maketrans("123456789", "000000000")


@dataclass(frozen=True)
class DateForm:
    """The form in which dates came, so that other dates can be written in it."""

    pattern: str  # of strftime, and %q for the quarter; "" for whole numbers
    unit: str | None = None  # NumPy's unit of the dates of a frame; None for texts and whole numbers
    zone: str | None = None  # the name of the zone of a frame's dates
    whole: bool = False  # a frame's whole numbers that mean dates, such as years
    wall: bool = True  # in a zone: whether dates are its local times; if not, they are UTC

    def write(self, dates: NDArray[Any]) -> list[str]:
        """Return the texts of `dates`."""
        if dates.dtype.kind != "M":
            return [str(date) for date in dates.tolist()]
        return [self._text(date) for date in dates.astype("datetime64[s]").tolist()]

    def _text(self, date: datetime | int) -> str:
        if not isinstance(date, datetime):  # Python's years end at 9999
            return str(np.datetime64(date, "s"))
        return date.strftime(self.pattern.replace("%q", str((date.month + 2) // 3)))


class DateProblem(ValueError):
    """A date at the index `row` that cannot be read; the message quotes it."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def is_date(text: str) -> bool:
    """Return whether `text` looks like a date, and not like a number."""
    shape = text.strip().translate(_ZEROS)
    return any(layout.fullmatch(shape) for name, layout in LAYOUTS.items() if name != "number")


def parse_dates(texts: Sequence[str]) -> tuple[NDArray[Any], DateForm]:
    """Return the dates that `texts` name, and their form. Raises DateProblem for the first that is not a date."""
    places: dict[str, int] = {}  # the same date occurs in every series
    which = np.fromiter((places.setdefault(text, len(places)) for text in texts), np.int64, len(texts))
    try:
        dates, form = _parse([text.strip() for text in places])
    except DateProblem as problem:
        raise DateProblem(int(np.argmax(which == problem.row)), str(problem)) from None
    return dates[which], form


def whole_dates(numbers: NDArray[np.int64]) -> tuple[NDArray[Any], DateForm]:
    """Return the dates that whole numbers mean: years, days such as 20240131, or positions."""
    years, months, days = numbers // 10000, numbers // 100 % 100, numbers % 100
    if ((numbers >= YEARS[0]) & (numbers <= YEARS[1])).all():
        return _seconds(numbers, np.ones_like(numbers), np.ones_like(numbers))[0], DateForm("%Y")
    if ((years >= YEARS[0]) & (years <= YEARS[1])).all():
        dates, valid = _seconds(years, months, days)
        if valid.all():
            return dates, DateForm("%Y%m%d")
    return numbers, DateForm("")


def _parse(texts: list[str]) -> tuple[NDArray[Any], DateForm]:
    """Return the dates that distinct `texts` name, and their form."""
    shapes: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        shapes.setdefault(text.translate(_ZEROS), []).append(row)
    layout, found = "", dict[str, re.Match[str]]()
    for shape, rows in shapes.items():
        name, match = next(((name, m) for name, one in LAYOUTS.items() if (m := one.fullmatch(shape))), ("", None))
        if match is None:
            what = repr(texts[rows[0]][:40]) if texts[rows[0]] else "an empty cell"
            raise DateProblem(rows[0], f"{what} is not a date: {WRITE_ISO}")
        if layout and name != layout:
            raise DateProblem(rows[0], f"{texts[rows[0]]} is written differently from {texts[0]}: {WRITE_ISO}")
        layout, found[shape] = name, match
    if layout == "number":
        return whole_dates(np.array([int(text) for text in texts], dtype=np.int64))
    fields = {name: np.zeros(len(texts), np.int64) for name in ("hour", "minute", "second", "offset")}
    fields |= {name: np.ones(len(texts), np.int64) for name in ("year", "month", "day")}
    zoned = np.zeros(len(texts), bool)
    for shape, rows in shapes.items():
        match, at = found[shape], np.array(rows)
        zoned[at] = _read_shape(match, at, texts, fields)
    longest = max(shapes, key=len)
    pattern = _pattern(layout, found[longest], texts[shapes[longest][0]])
    if layout == "year last":
        pattern = _order_day_and_month(fields, pattern, texts)
    return _assemble(fields, zoned, pattern, texts)


def _read_shape(match: re.Match[str], at: NDArray[np.int64], texts: list[str], fields: dict[str, Any]) -> bool:
    """Fill the `fields` of the texts at `at`, all of the shape that `match` describes. Return whether it has a zone."""
    groups = match.groupdict()
    codes = np.array([texts[row] for row in at.tolist()]).view(np.uint32).reshape(len(at), -1).astype(np.int64)

    def number(name: str) -> NDArray[np.int64]:
        value = np.zeros(len(at), np.int64)
        for place in range(*match.span(name)):
            value = value * 10 + codes[:, place] - ord("0")
        return value

    for name in ("year", "month", "day", "hour", "minute", "second"):
        if groups.get(name):
            fields[name][at] = number(name)
    if groups.get("quarter"):
        fields["month"][at] = np.where((q := number("quarter")) > 4, 0, q * 3 - 2)
    if groups.get("fraction") and (rough := number("fraction") != 0).any():
        row = int(at[rough][0])
        raise DateProblem(row, f"{texts[row]} is finer than a second: number the rows 1, 2, 3 … instead")
    if groups.get("half"):
        fields["hour"][at] = fields["hour"][at] % 12 + 12 * (groups["half"] in "Pp")
    if groups.get("hours"):
        sign = -1 if groups["sign"] == "-" else 1
        minutes = number("minutes") if groups["minutes"] else 0
        fields["offset"][at] = sign * (number("hours") * 3600 + minutes * 60)
    return bool(groups.get("zone"))


def _pattern(layout: str, match: re.Match[str], text: str) -> str:
    groups = match.groupdict()
    mark = groups["mark"]
    pattern = {
        "year first": f"%Y{mark}%m{mark}%d",
        "year last": f"%m{mark}%d{mark}%Y",
        "month": f"%Y{mark}%m",
        "quarter": f"%Y{mark}Q%q",
    }[layout]
    if groups.get("gap"):
        clock = "%I:%M" if groups["half"] else "%H:%M"
        seconds = ":%S" if groups["seconds"] else ""
        zone = text[slice(*match.span("zone"))] if groups["zone"] else ""
        pattern += f"{groups['gap']}{clock}{seconds}{' %p' if groups['half'] else ''}{zone}"
    return pattern


def _order_day_and_month(fields: dict[str, Any], pattern: str, texts: list[str]) -> str:
    """Decide from the whole column which of two numbers is the month. The first was read as the month."""
    first, second = fields["month"] > 12, fields["day"] > 12
    if first.any() and second.any():
        row = int(np.argmax(second if first[0] else first))
        raise DateProblem(row, f"{texts[row]} has day and month in a different order from the others: {WRITE_ISO}")
    if not (first.any() or second.any() or pattern[2] == "."):  # dots are German: the day comes first
        raise DateProblem(0, f"{texts[0]} is ambiguous, day or month first: {WRITE_ISO}")
    if second.any():
        return pattern
    fields["month"], fields["day"] = fields["day"], fields["month"]
    return "%d" + pattern[2] + "%m" + pattern[5:]


def _assemble(fields: dict[str, Any], zoned: Any, pattern: str, texts: list[str]) -> tuple[NDArray[Any], DateForm]:
    dates, valid = _seconds(fields["year"], fields["month"], fields["day"])
    valid &= (fields["hour"] < 24) & (fields["minute"] < 60) & (fields["second"] < 60)
    if not valid.all():
        row = int(np.argmin(valid))
        raise DateProblem(row, f"{texts[row]} does not exist: correct the date")
    if zoned.any() and not zoned.all():
        row = int(np.argmax(zoned != zoned[0]))
        first = texts[int(np.argmax(zoned))]
        raise DateProblem(row, f"only some dates have a zone, such as {first}: give one to all or none")
    times = fields["hour"] * 3600 + fields["minute"] * 60 + fields["second"]
    dates = dates + times.astype("timedelta64[s]")
    if not times.any():
        return dates, DateForm(re.split("[T ]%[HI]", pattern)[0])
    if (fields["offset"] != fields["offset"][0]).any():  # a zone with a clock change, so only UTC is regular
        dates = dates - fields["offset"].astype("timedelta64[s]")
        pattern = pattern[: max(pattern.rfind(mark) + 2 for mark in ("%M", "%S", "%p"))] + "+00:00"
    return dates, DateForm(pattern)


def _seconds(year: Any, month: Any, day: Any) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Return the midnights of dates, and which of them exist."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    lengths = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    valid = (year >= 1000) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= lengths)
    return (months.astype("datetime64[D]") + (day - 1)).astype("datetime64[s]"), valid
