"""Parse texts as dates, and write dates in the form in which they came.

Dates are datetime64[s] without a zone, or whole numbers (int64) that only count. Texts are parsed together, so that the
whole column decides whether the day or the month comes first. (`pandas.to_datetime` takes the first text's form, and
reads 01/02/2024 as January where it should ask.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.series.calendars import month_lengths

if TYPE_CHECKING:
    import pandas

YEARS = (1500, 2200)  # whole numbers in this range are years, if all of them are
WRITE_ISO = "write ISO dates, such as 2024-01-31 or 2024-01-31 13:00"

_TIME = (
    r"(?:(?P<gap>[T ])(?P<hour>\d\d?):(?P<minute>\d\d)(?P<seconds>:(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?: ?(?P<half>[AaPp])[Mm])?(?P<zone> ?(?:Z|UTC|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?))?)?"
)
LAYOUTS = {
    name: re.compile(pattern + r"\Z", re.ASCII)
    for name, pattern in {
        "year first": r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)" + _TIME,
        "year last": r"(?P<month>\d\d?)(?P<mark>[-/.])(?P<day>\d\d?)(?P=mark)(?P<year>\d{4})" + _TIME,
        "month": r"(?P<year>\d{4})(?P<mark>[-/M])(?P<month>\d\d?)",
        "quarter": r"(?P<year>\d{4})(?P<mark>[- ]?)Q(?P<quarter>\d)",
        "number": r"(?P<number>-?\d{1,18})",
    }.items()
}


@dataclass(frozen=True)
class DateForm:
    """The form in which dates came, so that other dates can be written in it."""

    pattern: str  # of strftime, and %q for the quarter; "" for whole numbers
    unit: Any = None  # pandas' unit of the dates of a frame; None for texts and whole numbers
    zone: Any = None  # of a frame's dates
    polars: Any = None  # polars' type of the dates, in a frame of polars
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

    def restored(self, dates: pandas.Series) -> Any:
        """Return `dates` as a frame had them: as dates, in their zone if they had one, whole numbers or texts."""
        import pandas

        if dates.dtype.kind != "M":
            return dates
        if self.unit is None:
            return [int(text) if self.whole else text for text in self.write(dates.to_numpy())]
        stamps = pandas.DatetimeIndex(dates).as_unit(self.unit)
        if self.zone is not None and self.wall:  # a midnight that a clock change skips or repeats
            return stamps.tz_localize(self.zone, nonexistent="shift_forward", ambiguous=np.ones(len(dates), bool))
        return stamps if self.zone is None else stamps.tz_localize("UTC").tz_convert(self.zone)


class DateProblem(ValueError):
    """A date at the index `row` that cannot be read; the message quotes it."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def _layout(text: str) -> str:
    return next((name for name, layout in LAYOUTS.items() if layout.match(text)), "")


def is_date(text: str) -> bool:
    """Return whether `text` looks like a date, and not like a number."""
    return _layout(text.strip()) not in ("", "number")


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


def parse_dates(texts: Sequence[str]) -> tuple[NDArray[Any], DateForm]:
    """Return the dates that `texts` name, and their form. Raises DateProblem for the first that is not a date."""
    texts = [text.strip() for text in texts]
    if (alike := _alike(texts)) is not None:
        return alike
    layout = _layout(texts[0])
    groups = [match and match.groups() for match in map(LAYOUTS[layout].match, texts)] if layout else [None]
    if None in groups:
        row = groups.index(None)
        if _layout(texts[row]):
            raise DateProblem(row, f"{texts[row]} is written differently from {texts[0]}: {WRITE_ISO}")
        what = repr(texts[row][:40]) if texts[row] else "an empty cell"
        raise DateProblem(row, f"{what} is not a date: {WRITE_ISO}")
    found = {name: [row[k - 1] for row in groups if row] for name, k in LAYOUTS[layout].groupindex.items()}

    def number(name: str, default: int = 0) -> NDArray[np.int64]:
        if not any(cells := found.get(name, ())):
            return np.full(len(texts), default)
        return np.array([cell or "0" for cell in cells]).astype(np.int64)

    if layout == "number":
        return whole_dates(number("number"))
    if layout == "quarter":
        found["month"] = ["0" if quarter > "4" else str(3 * int(quarter) - 2) for quarter in found["quarter"]]
    longest = int(np.argmax([len(text) for text in texts]))
    pattern = _pattern(layout, {name: cells[longest] for name, cells in found.items()})
    month, day = number("month", 1), number("day", 1)
    if layout == "year last":
        month, day, pattern = _month_and_day(month, day, pattern, texts)
    dates, valid = _seconds(number("year"), month, day)
    hour, minute, second = number("hour"), number("minute"), number("second")
    offset, zoned = number("hours") * 3600 + number("minutes") * 60, np.zeros(len(texts), bool)
    if "zone" in found:
        for row, fraction in enumerate(found["fraction"]):
            if fraction and fraction.strip("0"):
                raise DateProblem(row, f"{texts[row]} is finer than a second: number the rows 1, 2, 3 … instead")
        zoned = np.array([zone is not None for zone in found["zone"]])
        offset *= np.array([-1 if sign == "-" else 1 for sign in found["sign"]])
        if any(found["half"]):
            half = np.array([(half or "").upper() for half in found["half"]])
            hour = np.where(half == "", hour, hour % 12 + 12 * (half == "P"))
    valid &= (hour < 24) & (minute < 60) & (second < 60)
    if not valid.all():
        row = int(np.argmin(valid))
        raise DateProblem(row, f"{texts[row]} does not exist: correct the date")
    if zoned.any() and not zoned.all():
        row, first = int(np.argmax(zoned != zoned[0])), texts[int(np.argmax(zoned))]
        raise DateProblem(row, f"only some dates have a zone, such as {first}: give one to all or none")
    times = hour * 3600 + minute * 60 + second
    if not times.any():
        return dates, DateForm(re.split("[T ]%[HI]", pattern)[0])
    if (offset != offset[0]).any():  # a zone with a clock change, so only UTC is regular
        times = times - offset
        pattern = pattern[: max(pattern.rfind(mark) + 2 for mark in ("%M", "%S", "%p"))] + "+00:00"
    return dates + times.astype("timedelta64[s]"), DateForm(pattern)


def _alike(texts: list[str]) -> tuple[NDArray[Any], DateForm] | None:
    """Return what `parse_dates` does, by pandas, many times faster, for plain ISO dates, all written alike."""
    import pandas

    match = LAYOUTS["year first"].match(texts[0])
    if match is None or match["zone"] or match["half"] or match["fraction"]:
        return None
    pattern = _pattern("year first", match.groupdict())
    dates = pandas.to_datetime(texts, format=pattern, errors="coerce").to_numpy().astype("datetime64[s]")
    if np.isnat(dates).any() or dates.min() < np.datetime64("1000"):
        return None
    midnights = (dates == dates.astype("datetime64[D]")).all()
    return dates, DateForm(pattern[: len("%Y-%m-%d")] if midnights else pattern)


def _pattern(layout: str, groups: Mapping[str, str | None]) -> str:
    mark = groups["mark"]
    pattern = {
        "year first": f"%Y{mark}%m{mark}%d",
        "year last": f"%m{mark}%d{mark}%Y",
        "month": f"%Y{mark}%m",
        "quarter": f"%Y{mark}Q%q",
    }[layout]
    if groups.get("gap"):
        clock = ("%I:%M" if groups["half"] else "%H:%M") + (":%S" if groups["seconds"] else "")
        pattern += f"{groups['gap']}{clock}{' %p' if groups['half'] else ''}{groups['zone'] or ''}"
    return pattern


def _month_and_day(month: Any, day: Any, pattern: str, texts: list[str]) -> tuple[Any, Any, str]:
    """Decide from the whole column which of two numbers is the month. The first was read as the month."""
    first, second = month > 12, day > 12
    if first.any() and second.any():
        row = int(np.argmax(second if first[0] else first))
        raise DateProblem(row, f"{texts[row]} has day and month in a different order from the others: {WRITE_ISO}")
    if not (first.any() or second.any() or pattern[2] == "."):  # dots are German: the day comes first
        raise DateProblem(0, f"{texts[0]} is ambiguous, day or month first: {WRITE_ISO}")
    return (month, day, pattern) if second.any() else (day, month, "%d" + pattern[2] + "%m" + pattern[5:])


def _seconds(year: Any, month: Any, day: Any) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Return the midnights of dates, and which of them exist."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    valid = (year >= 1000) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= month_lengths(months))
    return (months.astype("datetime64[D]") + (day - 1)).astype("datetime64[s]"), valid
