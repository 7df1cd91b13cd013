"""Columns of prices or flags, holidays, bounds, and methods of the user's own.

A known column has a value for each past date and each future one: in a table, future rows have an empty y.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from afterword.errors import OptionError, check_installed
from afterword.wings.series.dates import Calendar, Dates
from afterword.wings.series.methods import Many
from afterword.wings.series.table import ID, TIME, VALUE, Floats, Table, stacked
from afterword.wings.series.trials import Trials


def known_columns(table: Table, horizon: int, country: str | None, notes: list[str]) -> dict[str, list[Floats]]:
    """Return the columns that are known for the horizon of every series, by name: an array [n + h] for each series.

    They are in units of their standard deviation. A missing past value repeats the one before. `notes` gets a line for
    each column that is left out.
    """
    import pandas

    found = dict[str, list[Floats]]()
    dates = [table.calendar.regular(one.dates[0], len(one.values) + horizon) for one in table.series]
    for name, of_series in table.columns.items():
        each = [rows.reindex(these).to_numpy() for rows, these in zip(of_series, dates, strict=True)]
        gone = [int(np.isnan(values[-horizon:]).sum()) for values in each]
        if any(gone):
            who = table.series[int(np.argmax(gone))].name
            lacks = f"not used: {name}: {who!r} lacks {max(gone)} of {horizon} future values"
            notes.append(f"{lacks}: give each in a row with an empty y")
        else:
            found[name] = [pandas.Series(values).ffill().bfill().to_numpy() for values in each]
    if country:
        found[f"{country} holidays"] = _holidays(country, table.calendar, dates)
    return {name: [(one - one.mean()) / (one.std() or 1.0) for one in each] for name, each in found.items()}


def _holidays(country: str, calendar: Calendar, dates: Sequence[Dates]) -> list[Floats]:
    """Return the number of holidays in the step after each date. Raises OptionError."""
    check_installed("holidays need the package holidays: pip install 'afterword[series]'", "holidays")
    import holidays

    if calendar.unit == "number":
        raise OptionError("`holidays` needs dates, and the rows of this table are numbered: leave it out")
    every = holidays.list_supported_countries().items()
    known = {f"{place}-{part}".rstrip("-").upper(): (place, part) for place, parts in every for part in ("", *parts)}
    if (asked := country.upper()) not in known:
        parts = [one for one in known if one.startswith(asked.partition("-")[0] + "-")]
        names = parts or [one for one in known if len(one) == 2]
        raise OptionError(f"no holidays are known for {country!r}: choose one of {', '.join(names)}")
    steps = [np.append(one, calendar.following(one[-1], 1)).astype("datetime64[D]") for one in dates]
    years = {day.year for one in steps for day in one.astype("datetime64[Y]").tolist()}
    days = holidays.country_holidays(known[asked][0], subdiv=known[asked][1] or None, years=years)
    free, ends = np.array(sorted(days), "datetime64[D]"), [np.maximum(one[1:], one[:-1] + 1) for one in steps]
    return [np.searchsorted(free, end) - np.searchsorted(free, one[:-1]) for one, end in zip(steps, ends, strict=True)]


OFTEN, PERCENT = 3, re.compile(r"%|per ?cent|pct|prozent|pourcent|porcent", re.IGNORECASE)  # marks of per cents


def bounds_of(table: Table, asked: str | None, notes: list[str]) -> tuple[Floats, Floats]:
    """Return the bounds of each series: those that are `asked` for, or else natural ones. [N, 1] each

    Values that are never negative stay so, and per cents, from 0 to 100, too: their name says so, or they have often
    reached 100. Raises OptionError if values are outside.
    """
    least, most = (np.array([[end(one.values)] for one in table.series]) for end in (np.min, np.max))
    if asked is None:
        said = [PERCENT.search(table.form.value or one.name) or sum(one.values == 100) >= OFTEN for one in table.series]
        full = (least >= 0) & (most <= 100) & np.array(said, bool)[:, None]
        if full.any():
            those = f"{full.sum():,} of {len(full):,} series look like per cents"
            notes.append(f"{those}: kept from 0 to 100, unless you give `bounds` none")
        return np.where(least >= 0, 0.0, -np.inf), np.where(full, 100.0, np.inf)
    try:
        low, high = map(float, ("-inf", "inf") if asked == "none" else asked.split(","))
    except ValueError:
        low, high = np.inf, -np.inf
    if not low < high:
        raise OptionError(f"`bounds` must be LOW,HIGH, such as 0,100 or 0,inf, or none; not {asked!r}")
    for one in table.series:
        if out := [value for value in (one.values.min(), one.values.max()) if not low <= value <= high]:
            raise OptionError(f"{one.name!r} has the value {out[0]:g}, outside the bounds {asked}: give wider ones")
    return np.full_like(least, low), np.full_like(most, high)


def with_candidate(trials: Trials, mine: Any, number: int, table: Table, notes: list[str]) -> Trials:
    """Return the trials with a candidate of one's own, which is fitted to frames of unique_id, ds and y.

    It predicts a frame of unique_id, ds and one column of numbers. If it fails, it is left out, and `notes` say why.
    """
    name, horizon = f"candidate {number} ({type(mine).__name__})", trials.actual.shape[2]

    def forecast(some: Sequence[int], before: Many) -> Floats:
        series, ends = [table.series[k] for k in some], [len(values) for values in before]
        names, dates = [one.name for one in series], [one.dates[:end] for one, end in zip(series, ends, strict=True)]
        mine.fit(stacked(names, dates, {VALUE: before}))
        wanted = stacked(names, [table.calendar.following(one[-1], horizon) for one in dates], {})
        found = np.asarray(wanted.merge(mine.predict(horizon), "left", [ID, TIME]).drop(columns=[ID, TIME]), np.float64)
        if found.shape != (len(wanted), 1) or not np.isfinite(found).all():
            raise ValueError("predict(horizon) must return unique_id, ds and one column of numbers, a row per date")
        return found.reshape(1, len(some), horizon)

    try:
        return trials.adding([name], forecast)
    except Exception as error:
        notes.append(f"{name} is left out: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return trials
