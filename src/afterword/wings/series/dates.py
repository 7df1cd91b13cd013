"""The dates of a table: parse texts, write dates as they came, and infer the step from one to the next, and the season.

Dates are datetime64[s] without a zone, or whole numbers (int64) that only count. pandas parses all texts of a column
together, so the whole column decides whether the day or the month comes first. (By itself, `pandas.to_datetime` reads
01/02/2024 as January, although it is ambiguous.) NumPy counts the steps: `pandas.infer_freq` needs dates without gaps,
and pandas' offsets lose the 30th in February.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from afterword.errors import InputError

if TYPE_CHECKING:
    import pandas


class TableError(InputError):
    """A table of series that cannot be read, or whose series are irregular."""


YEARS = (1500, 2200)  # whole numbers in this range are years, if all of them are
WRITE_ISO = "write ISO dates, such as 2024-01-31 or 2024-01-31 13:00"
ORDERS = ("YmdHMSf", "mdYHMSf", "dmYHMSf")  # orders of the numbers in a text, as directives of strptime
SHAPE = re.compile(r"%[Ymd]([-/.])%[md]\1%[Ydm](?:[T ]%[HI]:%M(?::%S(?:\.%f)?)?(?: ?%p)?)?|%Y[-/M]%m")
END = re.compile(  # of a text with a time; the zone is group 3, its hours and minutes are 4 and 5
    r"(:\d\d)(?:\.0+)?( ?[AP]M)?( ?(?:Z|UTC|([+-]\d\d)(?::?(\d\d))?))?\Z", re.ASCII | re.IGNORECASE
)
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
QUARTER = re.compile(r"(\d{4})([- ]?)Q([1-4])\Z", re.ASCII)


Wrong = Callable[[int, str], TableError]
"""A function that returns the error about the text at an index, with a message that quotes it."""


@dataclass(frozen=True)
class DateForm:
    """The form in which dates came, so that other dates can be written in it."""

    pattern: str  # of strftime, and %q for the quarter; "" for whole numbers
    dtype: Any = None  # pandas' type of a frame's column of dates or whole numbers; None for texts
    polars: Any = None  # polars' type of that column, in a frame of polars
    wall: bool = True  # for dates in a zone: True if they are its local times, False if they are UTC
    ahead: int = 0  # minutes by which texts are ahead of the dates, which are UTC

    def write(self, dates: NDArray[Any]) -> list[str]:
        """Return the texts of `dates`."""
        if dates.dtype.kind != "M" or (getattr(self.dtype, "tz", None) and not self.wall):
            return [str(date) for date in self.restored(dates)]
        import pandas

        moments = (dates + np.timedelta64(self.ahead, "m")).astype("datetime64[s]")
        return [*pandas.PeriodIndex(moments, freq="s").strftime(self.pattern)]  # which writes quarters too

    def restored(self, dates: pandas.Series | NDArray[Any]) -> Any:
        """Return `dates` as a frame had them: as whole numbers, texts, or dates, in their zone if they had one."""
        import pandas

        if dates.dtype.kind != "M":
            return dates
        if self.dtype is None or self.dtype.kind != "M":
            return np.array(self.write(np.asarray(dates)), self.dtype)
        zone, stamps = getattr(self.dtype, "tz", None), pandas.DatetimeIndex(dates)
        if zone and self.wall:  # a midnight that a clock change skips or repeats
            stamps = stamps.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(len(dates), bool))
        return (stamps.tz_localize("UTC") if zone and not self.wall else stamps).astype(self.dtype)


def _patterns(text: str) -> Iterator[str]:
    """Yield the patterns of strptime that parse `text`, which has no zone."""
    for order in ORDERS:
        directives = iter(order)
        pattern = "".join(f"%{next(directives, 'x')}" if part.isdigit() else part for part in re.split(r"(\d+)", text))
        if text[-2:].upper() in ("AM", "PM"):
            pattern = pattern[:-2].replace("%H", "%I") + "%p"
        with suppress(ValueError):
            if SHAPE.fullmatch(pattern):
                datetime.strptime(text, pattern)
                yield pattern


def _bare(text: str) -> str:
    """Return `text` without a zone, without a fraction of zeros, and with a month in place of a quarter."""
    quarter = QUARTER.match(text)
    return f"{quarter[1]}-{3 * int(quarter[3]) - 2}" if quarter else END.sub(r"\1\2", text)


def is_date(text: str) -> bool:
    """Return whether `text` looks like a date, and not like a number."""
    return any(_patterns(_bare(text.strip())))


def whole_seconds(dates: pandas.Series, wrong: Wrong) -> NDArray[Any]:
    """Return `dates` as datetime64[s]. Raises `wrong` for one that is finer than a second."""
    if (finer := dates != dates.dt.floor("s")).any():
        row = int(finer.argmax())
        raise wrong(row, f"{dates.iloc[row]} is finer than a second: number the rows 1, 2, 3 … instead")
    return np.asarray(dates).astype("datetime64[s]")


def whole_dates(numbers: NDArray[np.int64]) -> tuple[NDArray[Any], DateForm]:
    """Return the dates that whole numbers mean (years, days such as 20240131, or positions), and their form."""
    import pandas

    if ((numbers >= YEARS[0]) & (numbers <= YEARS[1])).all():
        return (numbers - 1970).astype("datetime64[Y]").astype("datetime64[s]"), DateForm("%Y")
    if ((numbers >= YEARS[0] * 10000) & (numbers < (YEARS[1] + 1) * 10000)).all():
        dates = pandas.to_datetime(pandas.Series(numbers).astype(str), format="%Y%m%d", errors="coerce")
        if dates.notna().all():
            return dates.to_numpy().astype("datetime64[s]"), DateForm("%Y%m%d")
    return numbers, DateForm("")


def parse_dates(texts: Sequence[str], wrong: Wrong) -> tuple[NDArray[Any], DateForm]:
    """Return the dates that `texts` name, and their form. Raises `wrong` for one that is not a date."""
    texts = [text.strip() for text in texts]
    if all(map(WHOLE.fullmatch, texts)):
        return whole_dates(np.array(texts).astype(np.int64))
    pattern, dates = _local(texts, wrong)
    ends = [END.search(text) for text in texts]
    zones = [end[3] if end else None for end in ends]
    if any(zones) and not all(zones):
        row = next(row for row, zone in enumerate(zones) if bool(zone) != bool(zones[0]))
        raise wrong(row, f"only one of {texts[0]} and {texts[row]} has a zone: give one to all dates or to none")
    if (dates == dates.astype("datetime64[D]")).all():
        return dates, DateForm(re.split("[T ]%[HI]", pattern)[0])
    if len({*zones}) == 1:
        return dates, DateForm(pattern + (zones[0] or ""))
    # the zone has a clock change, so only UTC is regular
    minutes = [int(end[4] or 0) * 60 + int(f"{(end[4] or '+')[0]}{end[5] or 0}") for end in ends if end]
    moments = dates - np.array(minutes, "timedelta64[m]")
    last = int(np.argmax(moments))
    return moments, DateForm(pattern + (zones[last] or ""), ahead=minutes[last])


def _local(texts: list[str], wrong: Wrong) -> tuple[str, NDArray[Any]]:
    """Return the pattern of dates, and the dates without their zones."""
    import pandas

    bare, found = [_bare(text) for text in texts], dict[str, Any]()
    column = pandas.Series([one if one.count("-") == bare[0].count("-") else None for one in bare], dtype=object)
    for pattern in _patterns(bare[0]):
        form = "ISO8601" if pattern.startswith("%Y-%m-%d") else pattern  # then some have no time, or no seconds
        found[pattern] = pandas.to_datetime(column, format=form, errors="coerce")
    whole = [pattern for pattern, dates in found.items() if dates.notna().all()]
    if not whole:
        rows = [int(dates.isna().argmax()) for dates in found.values()]
        row = max(rows or [next(row for row, text in enumerate(texts) if not WHOLE.fullmatch(text))])
        if row and (is_date(texts[row]) or WHOLE.fullmatch(texts[row])):
            raise wrong(row, f"{texts[row]} is written differently from {texts[0]}: {WRITE_ISO}")
        if re.fullmatch(r"(?=.*\d{4})\d+(?:[-/.:TZQM +]+\d*)+", texts[row]):
            raise wrong(row, f"{texts[row]} does not exist: correct the date")
        what = repr(texts[row][:40]) if texts[row] else "an empty cell"
        raise wrong(row, f"{what} is not a date: {WRITE_ISO}")
    if len(whole) > 1 and "." not in texts[0]:  # dots are German: the day comes first
        raise wrong(0, f"{texts[0]} is ambiguous, day or month first: {WRITE_ISO}")
    pattern, longest = whole[-1], max(texts, key=len)
    dates = whole_seconds(found[pattern], wrong)
    if quarter := QUARTER.match(texts[0]):
        return f"%Y{quarter[2]}Q%q", dates
    longer = [one for one in _patterns(_bare(longest)) if one[:2] == pattern[:2]]
    return [pattern, *longer][-1].removesuffix(".%f"), dates


MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800  # seconds
LEAST_COVERED = 0.9  # fraction of the steps between dates that a frequency must fit
MONDAY = np.datetime64("1969-12-29", "D")  # business days are counted from here
LONGEST_DAY, MONTH = 1440, 30.436875  # steps: if a day has more, the season is an hour or a minute; days, on average
YEAR = {"month": 12, "week": 52}

Unit = Literal["number", "second", "business day", "month"]
Dates = NDArray[Any]  # datetime64[s], or int64 for dates that only count
Ints = NDArray[np.int64]
NAMES: dict[Unit, dict[int, str]] = {  # of steps
    "number": {1: "numbered"},
    "second": {HOUR: "hourly", DAY: "daily", WEEK: "weekly"},
    "business day": {1: "business daily"},
    "month": {1: "monthly", 3: "quarterly", 6: "half-yearly", 12: "yearly"},
}


@dataclass(frozen=True)
class Calendar:
    """A frequency: `step` units from one date to the next, with a pattern that repeats after `season` steps."""

    unit: Unit
    step: int = 1
    season: int = 1
    day: int = 1  # of the month, for months; 31 is the last

    @classmethod
    def infer(cls, dates: Dates, series: Ints, wrong: Callable[[str], TableError] = TableError) -> Calendar:
        """Return the calendar whose step is the most frequent difference of `dates`, which are distinct and sorted.

        `dates` are those of all series, one after another; `series` has the number of each date's series. At least one
        series has two dates. The season is 1: see `season_for`.

        Raises `wrong` if no frequency fits nine tenths of the steps.
        """
        inner = series[1:] == series[:-1]
        gaps, counts = np.unique(np.diff(dates).astype(np.int64)[inner], return_counts=True)
        candidates = list(_candidates(dates, gaps, int(gaps[counts.argmax()])))
        covered = [one.steps(dates)[1][inner].mean() for one in candidates]
        if max(covered) < LEAST_COVERED:
            common = np.argsort(-counts, kind="stable")[:2]
            sizes = [_duration(gap) if dates.dtype.kind == "M" else f"{gap:,}" for gap in gaps.tolist()]
            shown = " and ".join(f"{sizes[k]} ({counts[k] / counts.sum():.0%})" for k in common)
            advice = "give one row per hour, day, week or month, or number the rows 1, 2, 3 …"
            raise wrong(f"the dates are irregular: their most common gaps are {shown}; {advice}")
        return candidates[int(np.argmax(covered))]

    @property
    def name(self) -> str:
        """The frequency in words, such as "hourly" or "every 10 minutes"."""
        span = _duration(self.step).removeprefix("1 ") if self.unit == "second" else f"{self.step} {self.unit}s"
        return NAMES[self.unit].get(self.step, f"every {span}")

    def season_for(self, length: int) -> int:
        """Return the season of a series of `length` steps: the longest usual one that fits twice.

        The usual season is a day of at most 1,440 steps, or else an hour or a minute; for daily dates, a week; for less
        frequent dates, a year. The season is 1 for yearly dates, for less than two years of weekly dates, and for whole
        numbers.
        """
        if self.unit != "second":
            yearly = YEAR["month"] // self.step if YEAR["month"] % self.step == 0 else 1
            return {"number": 1, "business day": 5}.get(self.unit, yearly)
        usual = [(DAY, 2), (HOUR, 12), (MINUTE, 12)]  # a half or a quarter of an hour has no pattern of its own
        fitting = [(span // self.step, least) for span, least in usual if span % self.step == 0]
        seasons = [season for season, least in fitting if least <= season <= LONGEST_DAY]
        if self.step >= DAY:
            weeks, rest = divmod(self.step, WEEK)
            seasons = [7] if self.step == DAY else [] if rest or YEAR["week"] % weeks else [YEAR["week"] // weeks, 1]
        return next((season for season in seasons if 2 * season <= length), [1, *seasons][-1])

    def seasons_for(self, length: int) -> list[int]:
        """Return the seasons of a series of `length` steps, the shorter first: it must fit once, the longer twice."""
        span = self.step * self.season if self.unit == "second" else 0
        longer = WEEK // self.step if span == DAY else 365 if (span, self.step) == (WEEK, DAY) else 0
        return [one for one in (self.season * (self.season < length), longer * (2 * longer <= length)) if one > 1]

    def following(self, last: Any, n: int) -> Dates:
        """Return the next `n` dates after `last`, a datetime64 or a whole number. [n]"""
        return self.regular(last, n + 1)[1:]

    def regular(self, first: Any, n: int) -> Dates:
        """Return `n` dates that begin with `first`, a datetime64 or a whole number. [n]"""
        start = np.array([first], np.int64 if self.unit == "number" else "datetime64[s]")
        return self._dates(self._units(start) + np.arange(n) * self.step, start)

    def steps(self, dates: Dates) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the number of steps between neighbours, rounded, and whether each fits. [n] -> [n - 1], [n - 1]"""
        units = self._units(dates)
        gaps, on = np.diff(units), self._dates(units, dates) == dates
        counts = np.rint(gaps / self.step).astype(np.int64)
        fits = (gaps == counts * self.step) & on[1:] & on[:-1]
        if self.unit in ("business day", "month"):
            fits &= np.diff(dates).astype(np.int64) % DAY == 0  # the same time of day
        return counts, fits

    def _units(self, dates: Dates) -> NDArray[np.int64]:
        """Return the number of units from 0, 1970, or a Monday to each date. [n] -> [n]"""
        if self.unit in ("number", "second"):
            return dates.astype(np.int64)
        days = dates.astype("datetime64[D]")
        if self.unit == "business day":
            return np.asarray(np.busday_count(MONDAY, days), np.int64)
        return days.astype("datetime64[M]").astype(np.int64)

    def _dates(self, units: NDArray[np.int64], like: Dates) -> Dates:
        """Return the dates that are `units` after 0, 1970, or a Monday, at the time of day of the dates `like`. [n]"""
        if self.unit in ("number", "second"):
            return units.astype(like.dtype)
        if self.unit == "business day":
            days = np.asarray(np.busday_offset(MONDAY, units))
        else:
            months = units.astype("datetime64[M]")
            days = months.astype("datetime64[D]") + np.minimum(self.day, _month_lengths(months)) - 1
        return np.asarray(days.astype("datetime64[s]") + (like - like.astype("datetime64[D]")))


def _candidates(dates: Dates, gaps: Ints, gap: int) -> Iterator[Calendar]:
    """Yield the calendars whose most frequent step may be `gap` numbers or seconds, the likeliest first."""
    if dates.dtype.kind != "M":
        yield Calendar("number", gap)
        return
    days, months = dates.astype("datetime64[D]"), round(gap / DAY / MONTH)
    if months and abs(gap / DAY - months * MONTH) < 3.5:  # February has 28 days
        inside = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
        last = (inside == _month_lengths(days.astype("datetime64[M]"))).all()
        yield Calendar("month", months, day=31 if last else int(inside.max()))
    if gap == DAY and np.is_busday(days).all() and (gaps == 3 * DAY).any():
        yield Calendar("business day")  # from Friday to Monday
    yield Calendar("second", gap)


def _month_lengths(months: Dates) -> NDArray[np.int64]:
    return np.asarray(((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64))


def _duration(seconds: int) -> str:
    units = {"week": WEEK, "day": DAY, "hour": HOUR, "minute": MINUTE, "second": 1}
    name, size = next((name, size) for name, size in units.items() if seconds % size == 0)
    return f"1 {name}" if seconds == size else f"{seconds // size:,} {name}s"
