"""Calendars: the frequency that dates have, and the dates that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import TableError
from afterword.series.calendars import Calendar


def every(first: str, count: int, step: int, unit: str) -> Any:
    return (np.datetime64(first).astype(f"datetime64[{unit}]") + step * np.arange(count)).astype("datetime64[s]")


def infer(dates: Any) -> Calendar:
    return Calendar.infer(dates, np.zeros(len(dates), np.int64))


MONTH_ENDS = (every("2020-02", 30, 1, "M").astype("datetime64[M]").astype("datetime64[D]") - 1).astype("datetime64[s]")
WORKDAYS = np.busday_offset(np.datetime64("2024-01-02"), np.arange(60)).astype("datetime64[s]")
KINDS = [
    (every("2024-01-01", 100, 1, "s"), "every second", 60),
    (every("2024-01-01", 3000, 60, "s"), "every minute", 1440),
    (every("2024-01-01", 200, 60, "s"), "every minute", 60),
    (every("2024-01-01", 400, 10, "m"), "every 10 minutes", 144),
    (every("2024-01-01", 400, 30, "m"), "every 30 minutes", 48),
    (every("2024-01-01T05", 400, 1, "h"), "hourly", 24),
    (every("2024-01-01", 400, 6, "h"), "every 6 hours", 4),
    (every("2024-01-01", 400, 1, "D"), "daily", 7),
    (WORKDAYS, "business daily", 5),
    (every("2024-01-03", 120, 7, "D"), "weekly", 52),
    (every("2024-01-03", 60, 7, "D"), "weekly", 1),
    (every("2024-01-03", 60, 28, "D"), "every 4 weeks", 13),
    (every("2020-01", 30, 1, "M"), "monthly", 12),
    (MONTH_ENDS, "monthly", 12),
    (every("2020-01", 30, 1, "M") + np.timedelta64(14, "D"), "monthly", 12),
    (every("2020-02", 30, 3, "M"), "quarterly", 4),
    (every("2020-02", 30, 6, "M"), "half-yearly", 2),
    (every("1990", 30, 1, "Y"), "yearly", 1),
    (np.arange(5, 90), "numbered", 1),
    (np.arange(0, 90, 5), "numbered by 5", 1),
]


@pytest.mark.parametrize(("dates", "name", "season"), KINDS)
def test_the_frequency_and_its_season_come_from_the_dates(dates: Any, name: str, season: int) -> None:
    calendar = infer(dates)
    assert (calendar.name, calendar.season_for(len(dates))) == (name, season)


@pytest.mark.parametrize("dates", [dates for dates, _, _ in KINDS])
@pytest.mark.parametrize("known", [4, 9])
def test_following_dates_continue_the_calendar(dates: Any, known: int) -> None:
    calendar = infer(dates)
    np.testing.assert_array_equal(calendar.following(dates[known], 5), dates[known + 1 : known + 6])


@pytest.mark.parametrize("dates", [dates for dates, _, _ in KINDS])
def test_every_date_is_a_step_after_the_one_before(dates: Any) -> None:
    counts, fits = infer(dates).steps(dates)
    assert (counts == 1).all()
    assert fits.all()


@given(st.data())
def test_a_few_missing_dates_do_not_change_the_frequency(data: st.DataObject) -> None:
    dates, name, _ = data.draw(st.sampled_from(KINDS))
    gone = data.draw(st.sets(st.integers(1, len(dates) - 2), max_size=len(dates) // 10))
    assert infer(np.delete(dates, sorted(gone))).name == name


def test_a_step_between_two_series_does_not_count() -> None:
    dates = np.concatenate([every("2024-01", 12, 1, "M"), every("2020-01", 12, 1, "M")])
    assert Calendar.infer(dates, np.repeat([0, 1], 12)).name == "monthly"


def test_irregular_dates_are_refused_with_their_most_common_gaps() -> None:
    hours = np.cumsum([0, 24, 24, 84, 24, 84, 53, 233, 27])
    dates = np.datetime64("2024-01-01", "s") + hours.astype("timedelta64[h]")
    with pytest.raises(TableError, match=r"gaps are 1 day \(38%\) and 84 hours \(25%\); give one row per hour, day"):
        infer(dates)
