"""The frequency of dates: the step from one to the next, and the number of steps after which a pattern repeats.

NumPy counts the steps: `pandas.infer_freq` needs dates without gaps, and pandas' offsets lose the 30th in February.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
Dates = NDArray[Any]  # datetime64[s], or int64 for dates that only count
NAMES: dict[tuple[Unit, int], str] = {
    ("number", 1): "numbered",
    ("second", HOUR): "hourly",
    ("second", DAY): "daily",
    ("second", WEEK): "weekly",
    ("business day", 1): "business daily",
    ("month", 1): "monthly",
    ("month", 3): "quarterly",
    ("month", 6): "half-yearly",
    ("month", 12): "yearly",
}


@dataclass(frozen=True)
class Calendar:
    """A frequency: `step` units from one date to the next, with a pattern that repeats after `season` steps."""

    unit: Unit
    step: int = 1
    season: int = 1
    day: int = 1  # of the month, for months; 31 is the last

    @classmethod
    def infer(
        cls, dates: Dates, series: NDArray[np.int64], wrong: Callable[[str], TableError] = TableError
    ) -> Calendar:
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
            raise wrong(
                f"the dates are irregular: their most common gaps are {shown}; "
                "give one row per hour, day, week or month, or number the rows 1, 2, 3 …"
            )
        return candidates[int(np.argmax(covered))]

    @property
    def name(self) -> str:
        """The frequency in words, such as "hourly" or "every 10 minutes"."""
        if self.unit == "number" and self.step > 1:
            return f"numbered by {self.step}"
        span = _duration(self.step).removeprefix("1 ") if self.unit == "second" else f"{self.step} {self.unit}s"
        return NAMES.get((self.unit, self.step), f"every {span}")

    def season_for(self, length: int) -> int:
        """Return the season of a series of `length` steps: the longest usual one that fits twice.

        The usual season is a day of at most 1,440 steps, or else an hour or a minute; for daily dates, a week; for less
        frequent dates, a year. The season is 1 for yearly dates, for less than two years of weekly dates, and for whole
        numbers.
        """
        seasons = self._seasons()
        return next((season for season in seasons if 2 * season <= length), seasons[-1])

    def seasons_for(self, length: int) -> list[int]:
        """Return the seasons that a series of `length` steps may have, shortest first: for hours, 24 and a week."""
        span = self.step * self.season if self.unit == "second" else 0
        longer = WEEK // self.step if span == DAY else 365 if (span, self.step) == (WEEK, DAY) else 0
        return [season for season in (self.season, longer) if 1 < season <= length // 2]

    def _seasons(self) -> list[int]:
        """Return the usual seasons, longest first."""
        if self.unit != "second":
            yearly = YEAR["month"] // self.step if YEAR["month"] % self.step == 0 else 1
            return [{"number": 1, "business day": 5}.get(self.unit, yearly)]
        if self.step >= DAY:
            weeks, rest = divmod(self.step, WEEK)
            return [7] if self.step == DAY else [1] if rest or YEAR["week"] % weeks else [YEAR["week"] // weeks, 1]
        usual = [(DAY, 2), (HOUR, 12), (MINUTE, 12)]  # a half or a quarter of an hour has no pattern of its own
        fitting = [(span // self.step, least) for span, least in usual if span % self.step == 0]
        return [season for season, least in fitting if least <= season <= LONGEST_DAY] or [1]

    def following(self, last: Any, n: int) -> Dates:
        """Return the next `n` dates after `last`, a datetime64 or a whole number. [n]"""
        return self.regular(last, n + 1)[1:]

    def regular(self, first: Any, n: int) -> Dates:
        """Return `n` dates that begin with `first`, a datetime64 or a whole number. [n]"""
        start = np.array([first], np.int64 if self.unit == "number" else "datetime64[s]")
        return self._dates(self._units(start) + np.arange(n) * self.step, start)

    def steps(self, dates: Dates) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
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


def _candidates(dates: Dates, gaps: NDArray[np.int64], gap: int) -> Iterator[Calendar]:
    """Yield the calendars whose most frequent step may be `gap` numbers or seconds, the likeliest first."""
    if dates.dtype.kind != "M":
        yield Calendar("number", gap)
        return
    days = dates.astype("datetime64[D]")
    months = round(gap / DAY / MONTH)
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
