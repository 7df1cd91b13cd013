"""The frequency of dates: the step from one to the next, and the number of steps after which a pattern repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TableError

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800  # seconds
LEAST_COVERED = 0.9  # fraction of the steps between dates that a frequency must fit
MONDAY = np.datetime64("1969-12-29", "D")  # business days are counted from here
LONGEST_DAY = 1440  # steps: if a day has more, the season is an hour or a minute
MONTH = 30.436875  # days, on average
YEAR = {"month": 12, "week": 52}

Unit = Literal["number", "second", "business day", "month"]
Dates = NDArray[Any]  # datetime64, or int64 for dates that only count


@dataclass(frozen=True)
class Calendar:
    """A frequency: `step` units from one date to the next, with a pattern that repeats after `season` steps."""

    unit: Unit
    step: int = 1
    season: int = 1
    day: int = 1  # of the month, for months; 31 is the last

    @classmethod
    def infer(cls, dates: Dates, starts: NDArray[np.int64] | None = None) -> Calendar:
        """Return the calendar whose step is the most frequent difference of `dates`, which are distinct and sorted.

        `dates` may be those of many series, one after another: `starts` are then the indices where each begins. The
        season is the default for the longest series. Raises TableError if no frequency fits nine tenths of the steps.
        """
        inner = np.ones(max(len(dates) - 1, 0), bool)
        bounds = np.array([0, len(dates)]) if starts is None else np.append(starts, len(dates))
        inner[bounds[1:-1] - 1] = False
        if not inner.any():
            raise TableError("a frequency needs at least two dates: give more rows")
        gaps, counts = np.unique(np.diff(dates).astype(np.int64)[inner], return_counts=True)
        found = [
            (one, float(one.steps(dates)[1][inner].mean()))
            for one in _candidates(dates, gaps, int(gaps[counts.argmax()]))
        ]
        best, covered = max(found, key=lambda pair: pair[1])
        if covered < LEAST_COVERED:
            common = np.argsort(-counts, kind="stable")[:2]
            shown = " and ".join(f"{_gap(int(gaps[k]), dates)} ({counts[k] / counts.sum():.0%})" for k in common)
            raise TableError(
                f"the dates are irregular: their most common gaps are {shown}; "
                "give one row per hour, day, week or month, or number the rows 1, 2, 3 …"
            )
        return replace(best, season=best.season_for(int(np.diff(bounds).max())))

    @property
    def name(self) -> str:
        """The frequency in words, such as "hourly" or "every 10 minutes"."""
        if self.unit == "number":
            return "numbered" if self.step == 1 else f"numbered by {self.step}"
        names = {("business day", 1): "business daily", ("month", 1): "monthly", ("month", 3): "quarterly"}
        names |= {("month", 6): "half-yearly", ("month", 12): "yearly"}
        names |= {("second", HOUR): "hourly", ("second", DAY): "daily", ("second", WEEK): "weekly"}
        if (name := names.get((self.unit, self.step))) is not None:
            return name
        if self.unit == "second":
            return f"every {_duration(self.step)}"
        return f"every {self.step // 12} years" if self.step % 12 == 0 else f"every {self.step} {self.unit}s"

    def season_for(self, length: int) -> int:
        """Return the default season of a series of `length` steps: the longest usual one that fits twice.

        Usual seasons are a day of at most 1,440 steps, else an hour or a minute; a week, of daily dates; and a year, of
        rarer dates. The season is 1 for yearly dates, for less than two years of weekly dates, and for whole numbers.
        """
        seasons = list(self._seasons())
        return next((season for season in seasons if 2 * season <= length), seasons[-1])

    def _seasons(self) -> Iterator[int]:
        """Yield the usual seasons, longest first."""
        if self.unit == "business day":
            yield 5
        elif self.unit == "month":
            yield YEAR["month"] // self.step if YEAR["month"] % self.step == 0 else 1
        elif self.unit == "number":
            yield 1
        elif self.step == DAY:
            yield 7
        elif self.step % WEEK == 0 and YEAR["week"] % (self.step // WEEK) == 0:
            yield from (YEAR["week"] // (self.step // WEEK), 1)
        else:
            usual = [(DAY, 2), (HOUR, 12), (MINUTE, 12)]  # a half or a quarter of an hour has no pattern of its own
            fitting = [(span // self.step, least) for span, least in usual if span % self.step == 0]
            yield from [season for season, least in fitting if least <= season <= LONGEST_DAY] or [1]

    def following(self, last: Any, n: int) -> Dates:
        """Return the next `n` dates after `last`, a datetime64 or a whole number. [n]"""
        return self.regular(last, n + 1)[1:]

    def regular(self, first: Any, n: int) -> Dates:
        """Return `n` dates that begin with `first`, a datetime64 or a whole number. [n]"""
        steps = np.arange(n, dtype=np.int64) * self.step
        if self.unit == "number":
            return int(first) + steps
        start = np.datetime64(first, "s")
        if self.unit == "second":
            return np.asarray(start + steps.astype("timedelta64[s]"))
        day = start.astype("datetime64[D]")
        if self.unit == "business day":
            days = np.busday_offset(day, steps, roll="backward")
        else:
            months = day.astype("datetime64[M]") + steps
            days = months.astype("datetime64[D]") + np.minimum(self.day, month_lengths(months)) - 1
        return np.asarray(days.astype("datetime64[s]") + (start - day))

    def steps(self, dates: Dates) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the number of steps between neighbours, rounded, and whether each fits. [n] -> [n - 1], [n - 1]"""
        if self.unit in ("number", "second"):
            gaps = np.diff(dates).astype(np.int64)
            counts = np.rint(gaps / self.step).astype(np.int64)
            return counts, gaps == counts * self.step
        days = dates.astype("datetime64[D]")
        fits = np.diff(dates - days).astype(np.int64) == 0  # the same time of day
        if self.unit == "business day":
            counts = np.diff(np.asarray(np.busday_count(MONDAY, days), dtype=np.int64) // self.step)
            on = np.is_busday(days)
        else:
            months = days.astype("datetime64[M]")
            gaps = np.diff(months).astype(np.int64)
            counts = np.rint(gaps / self.step).astype(np.int64)
            fits &= gaps == counts * self.step
            on = _day_of_month(days) == np.minimum(self.day, month_lengths(months))
        return counts, fits & on[1:] & on[:-1]


def _candidates(dates: Dates, gaps: NDArray[np.int64], gap: int) -> Iterator[Calendar]:
    """Yield the calendars whose most frequent step may be `gap` numbers or seconds, the likeliest first."""
    if dates.dtype.kind != "M":
        yield Calendar("number", gap)
        return
    days = dates.astype("datetime64[D]")
    months = round(gap / DAY / MONTH)
    if months and abs(gap / DAY - months * MONTH) < 3.5:  # February has 28 days
        inside = _day_of_month(days)
        last = (inside == month_lengths(days.astype("datetime64[M]"))).all()
        yield Calendar("month", months, day=31 if last else int(inside.max()))
    if gap == DAY and np.is_busday(days).all() and (gaps == 3 * DAY).any():
        yield Calendar("business day")  # from Friday to Monday
    yield Calendar("second", gap)


def _day_of_month(days: Dates) -> NDArray[np.int64]:
    return np.asarray((days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1)


def month_lengths(months: Dates) -> NDArray[np.int64]:
    """Return the numbers of days of `months`, datetime64[M]."""
    return np.asarray(((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64))


def _duration(seconds: int) -> str:
    units = {"week": WEEK, "day": DAY, "hour": HOUR, "minute": MINUTE, "second": 1}
    name, size = next((name, size) for name, size in units.items() if seconds % size == 0)
    return name if seconds == size else f"{seconds // size:,} {name}s"


def _gap(gap: int, dates: Dates) -> str:
    if dates.dtype.kind != "M":
        return f"{gap:,}"
    text = _duration(gap)
    return text if text[0].isdigit() else f"1 {text}"
