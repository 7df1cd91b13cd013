"""Read columns as regular series: find the names, dates and values, fill the gaps, and note what was filled.

source ──read_sheet──► columns ──long | wide | rows──► (name, dates, values) ──regular──► Series
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TableError
from afterword.series.calendars import LEAST_COVERED, Calendar, Dates
from afterword.series.dates import DateForm, DateProblem, is_date, parse_dates, whole_dates
from afterword.series.sheets import Kind, Sheet, Texts, is_numbered, looks_numeric, numbers, read_sheet
from afterword.settings import Settings, setting

ID, TIME, VALUE = "unique_id", "ds", "y"  # Nixtla's names
USUAL_TIMES = (
    TIME,
    "date",
    "datetime",
    "timestamp",
    "time",
    "month",
    "quarter",
    "year",
    "week",
    "day",
    "period",
    "index",
)
MOST_FILLED = 0.5  # fraction of a series that may be missing
MOST_NAMED = 8  # columns that an error lists

Layout = Literal["long", "wide", "rows"]


@dataclass(frozen=True, kw_only=True)
class Columns(Settings):
    """Settings for the names of a table's columns."""

    id_column: str | None = setting(
        None, "the column that names the series (default: unique_id, if there is one)", metavar="NAME"
    )
    time_column: str | None = setting(
        None, "the column of dates (default: ds, or the only one with dates)", metavar="NAME"
    )
    value_column: str | None = setting(
        None, "the column of values (default: y, or every column of numbers as a series)", metavar="NAME"
    )


BY_NAME = Columns()
ISO = DateForm("%Y-%m-%d")


@dataclass(frozen=True, eq=False)
class Series:
    """A regular series without gaps."""

    name: str
    dates: Dates  # [n], datetime64[s] or int64
    values: NDArray[np.float64]  # [n], finite
    filled: int = 0  # values that were missing
    repeated: int = 0  # of these, those that repeat the season before
    moved: int = 0  # dates that are not those of the table


@dataclass(frozen=True)
class Form:
    """The kind of table that series came from, so that forecasts can be returned as the same kind."""

    kind: Kind = "csv"
    layout: Layout = "long"
    id: str = ID
    time: str = TIME
    dates: DateForm = ISO
    whole_ids: bool = False  # the names of a frame's series are whole numbers


@dataclass(frozen=True, eq=False)
class Table:
    """Series with the same frequency."""

    series: tuple[Series, ...]
    calendar: Calendar
    notes: tuple[str, ...]  # what was changed, a line each
    form: Form


class _Rows(NamedTuple):
    """The rows of one series, sorted by date. They may have gaps; `places` are the rows of the sheet."""

    name: str
    dates: Dates
    values: NDArray[np.float64]
    places: NDArray[np.int64]


def read_table(source: Any, columns: Columns = BY_NAME, season: int | None = None) -> Table:
    """Return the series of `source`: a path, "-" for standard input, or a frame of pandas or polars.

    A table is long (unique_id, ds, y), wide (dates and a column per series), or has a row per series, as M4's files do.
    Missing values and dates are filled. `season` replaces the calendar's own. Raises TableError, and OptionError
    without pandas.
    """
    notes: list[str] = []
    sheet = read_sheet(source, lambda beginning: _series_rows(beginning, columns, []))
    rows, form = _series_rows(sheet, columns, notes)
    rows = [_trimmed(sheet, one) for one in rows]
    calendar = _calendar(sheet, rows)
    longest = max(int(calendar.steps(one.dates)[0].sum()) + 1 for one in rows)
    calendar = replace(calendar, season=season or calendar.season_for(longest))
    series = tuple(_regular(sheet, calendar, one) for one in rows)
    notes += _changes(series, calendar)
    last = max(one.dates[-1] for one in series)
    if form.layout != "rows" and (early := sum(one.dates[-1] < last for one in series)):
        ends = f"{early:,} of {len(series):,} series end before {_shown(last)}, the last date"
        notes.append(f"{ends}: a forecast begins where its series ends")
    return Table(series, calendar, tuple(notes), form)


# ---- roles of columns


def _series_rows(sheet: Sheet, chosen: Columns, notes: list[str]) -> tuple[list[_Rows], Form]:
    given = [name for name in (chosen.id_column, chosen.time_column, chosen.value_column) if name is not None]
    for name in given:
        if name not in sheet.columns:
            raise sheet.error(f"no column is named {name!r}: choose one of {_listed(sheet.columns)}")
        if given.count(name) > 1:
            raise sheet.error(f"column {name!r} is given twice: names, dates and values need different columns")
    names = list(sheet.columns)
    if is_numbered(names) and not given:
        return _by_row(sheet)
    time = _time_column(sheet, chosen)
    identity = chosen.id_column or _found(ID, names)
    dates, how = _dates(sheet, time)
    value = chosen.value_column or (_found(VALUE, names) if identity or _found(TIME, names) == time else None)
    others = [name for name in names if name not in (time, identity)]
    if others[:1] in ([""], ["Unnamed: 0"]) and others[0] != value:
        del others[0]  # the row numbers of a frame of pandas, written without a name and read again
    kinds = {name: looks_numeric(sheet, name) for name in others}
    if identity and value is None:
        numeric = [name for name in others if kinds[name]]
        if len(numeric) != 1:
            which = f"several columns hold numbers, {_listed(numeric)}" if numeric else "no column holds numbers"
            raise sheet.error(f"besides {identity!r}, {which}: name the column of values with `value_column`")
        value = numeric[0]
    if value is not None and (left := [name for name in others if name != value]):
        notes.append(f"not used: {_listed(left)}")
    form = Form(sheet.kind, "long" if identity else "wide", identity or ID, time or TIME, how)
    if identity and value is not None:
        ids = sheet.columns[identity]
        whole = isinstance(ids, np.ndarray) and ids.dtype.kind == "i"
        return _long(sheet, identity, dates, numbers(sheet, value)), replace(form, whole_ids=whole)
    return _wide(sheet, dates, kinds, others if value is None else [value]), form


def _found(wanted: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if name.lower() == wanted), None)


def _listed(names: Sequence[str] | dict[str, Any]) -> str:
    shown = [name or "(unnamed)" for name in names]
    more = len(shown) - MOST_NAMED
    return ", ".join(shown if more <= 0 else [*shown[:MOST_NAMED], f"and {more:,} more"])


def _time_column(sheet: Sheet, chosen: Columns) -> str:
    names = [name for name in sheet.columns if name not in (chosen.id_column, chosen.value_column)]
    if chosen.time_column is not None:
        return chosen.time_column
    if (usual := _found(TIME, names)) is not None:
        return usual
    dated = [name for name in names if _holds_dates(sheet, name)]
    if len(dated) > 1:
        dated = [name for name in dated if name.lower() in USUAL_TIMES] or dated
    if len(dated) > 1:
        raise sheet.error(f"several columns hold dates, {_listed(dated)}: choose one with `time_column`")
    dated = dated or [name for name in names if name.lower() in USUAL_TIMES]
    if not dated:
        has = f"no column holds dates among {_listed(sheet.columns)}"
        raise sheet.error(f"{has}: name one with `time_column`, or add one named ds (1, 2, 3 … will do)")
    return dated[0]


def _holds_dates(sheet: Sheet, column: str) -> bool:
    cells = sheet.columns[column]
    if not isinstance(cells, Texts):
        return not isinstance(cells, np.ndarray)
    filled = cells.first_filled
    return bool(filled) and sum(map(is_date, filled)) * 2 > len(filled)


def _dates(sheet: Sheet, column: str) -> tuple[Dates, DateForm]:
    """Return the dates of a column, and how they are written."""
    cells, shown = sheet.columns[column], column or "the first column"
    if isinstance(cells, Texts):
        try:
            dates, form = parse_dates(cells.distinct)
        except DateProblem as problem:
            raise sheet.error(f"{shown}: {problem}", cells.row(problem.row)) from None
        return dates[cells.which], form
    if isinstance(cells, np.ndarray):
        whole = np.where(np.abs(cells) < 1e15, cells, 0).astype(np.int64)  # NaN becomes 0
        if (wrong := whole != cells).any():
            row = int(np.argmax(wrong))
            raise sheet.error(f"{shown} is {cells[row]}, not a date: give dates or whole numbers", row)
        dates, form = whole_dates(whole)
        return dates, replace(form, whole=True)
    if cells.hasnans:
        raise sheet.error(f"{shown} is missing: give every row a date", int(np.argmax(cells.isna())))
    # local times if all are midnights, which a clock change does not move; else UTC, which has no gaps
    local = cells.tz_localize(None)
    midnights = bool((local == local.normalize()).all())
    exact = (local if midnights else cells.tz_convert(None) if cells.tz else cells).to_numpy()
    dates = exact.astype("datetime64[s]")
    if (fine := dates != exact).any():
        row = int(np.argmax(fine))
        raise sheet.error(f"{shown} is {exact[row]}, finer than a second: number the rows 1, 2, 3 … instead", row)
    pattern = "%Y-%m-%d" if midnights else "%Y-%m-%d %H:%M:%S" + ("+00:00" if cells.tz else "")
    polars = sheet.frame[column].dtype if sheet.kind == "polars" else None
    return dates, DateForm(pattern, cells.unit, cells.tz, polars, wall=midnights)


# ---- layouts


def _by_row(sheet: Sheet) -> tuple[list[_Rows], Form]:
    """Return the series of M4's published form: a row per series, its name first."""
    first, *rest = sheet.columns
    values = np.array([numbers(sheet, name) for name in rest]).T
    names, dates = _names(sheet, first), np.arange(1, len(rest) + 1)
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        if seen.setdefault(name, row) != row:
            raise sheet.error(f"series {name!r} occurs twice: keep one", row)
    form = Form(sheet.kind, "rows", dates=DateForm(""))
    return [_Rows(name, dates, values[k], np.full(len(dates), k)) for k, name in enumerate(names)], form


def _wide(sheet: Sheet, dates: Dates, kinds: dict[str, bool | None], chosen: list[str]) -> list[_Rows]:
    """Return a series per column."""
    for name in chosen:
        if kinds[name] is None:
            raise sheet.error(f"column {name!r} has no values: remove it")
        if not kinds[name] and len(chosen) > 1:
            what = f"column {name!r} does not hold numbers"
            raise sheet.error(f"{what}: if it names the series, give `id_column` {name}, else a `value_column`")
    if not chosen:
        raise sheet.error("no column holds numbers: add one with the values to forecast")
    places = np.argsort(dates, kind="stable")
    ordered = dates[places]
    _check_distinct(sheet, ordered, places)
    return [_Rows(name, ordered, numbers(sheet, name)[places], places) for name in chosen]


def _long(sheet: Sheet, identity: str, dates: Dates, values: NDArray[np.float64]) -> list[_Rows]:
    """Return a series per distinct id, in the order in which they first occur."""
    import pandas

    ids = _names(sheet, identity)
    if "" in ids:
        raise sheet.error(f"{identity} is empty: name the series of every row", ids.index(""))
    which, found = pandas.factorize(np.array(ids, dtype=object))
    names = list(found)
    places = np.lexsort((dates, which))
    ordered, values = dates[places], values[places]
    ends = np.cumsum(np.bincount(which))[:-1]
    parts = (np.split(each, ends) for each in (ordered, values, places))
    rows = [_Rows(*one) for one in zip(names, *parts, strict=True)]
    for one in rows:
        _check_distinct(sheet, one.dates, one.places, one.name)
    return rows


def _names(sheet: Sheet, column: str) -> list[str]:
    """Return the names of series in a column, a text per row; "" where one is missing."""
    cells = sheet.columns[column]
    if isinstance(cells, Texts):
        return [cells.distinct[k] for k in cells.which.tolist()]
    return ["" if cell != cell else str(cell) for cell in np.asarray(cells)]


def _check_distinct(sheet: Sheet, dates: Dates, places: NDArray[np.int64], name: str | None = None) -> None:
    """Raise TableError if two of the sorted `dates` are equal. `name` is the series' if there are several."""
    same = np.flatnonzero(dates[1:] == dates[:-1])
    if len(same):
        of, hint = "", "keep one, or name the column of the series with `id_column`"
        if name is not None:
            of, hint = f" of {name!r}", "keep one of the rows"
        first, second = places[same[0] : same[0] + 2].tolist()
        what = f"the date {_shown(dates[same[0]])}{of} is already in {sheet.locate(first)}"
        raise sheet.error(f"{what}: {hint}", second)


def _shown(date: Any) -> str:
    return str(date).removesuffix("T00:00:00").replace("T", " ")


# ---- regularity


def _trimmed(sheet: Sheet, rows: _Rows) -> _Rows:
    """Return the rows without missing values at the ends."""
    known = np.flatnonzero(~np.isnan(rows.values))
    if len(known) < 2:
        has = "one value" if len(known) else "no values"
        row = int(rows.places[0])
        raise sheet.error(f"series {rows.name!r} has {has}: at least two are needed; add some or remove it", row)
    kept = slice(known[0], known[-1] + 1)
    return _Rows(rows.name, rows.dates[kept], rows.values[kept], rows.places[kept])


def _calendar(sheet: Sheet, rows: list[_Rows]) -> Calendar:
    """Return the calendar of all series. Raises TableError if they are irregular, or differ in frequency."""
    starts = np.cumsum([0, *(len(one.dates) for one in rows[:-1])])
    try:
        calendar = Calendar.infer(np.concatenate([one.dates for one in rows]), starts)
    except TableError as error:
        _refuse_mixture(sheet, rows)
        raise sheet.error(str(error)) from None
    for one in rows:
        counts, fits = calendar.steps(one.dates)
        if (counts < 1).any() or fits.mean() < LEAST_COVERED or len(one.dates) < MOST_FILLED * (counts.sum() + 1):
            _refuse_mixture(sheet, rows)
            if (counts < 1).any():
                at = int(np.argmin(counts)) + 1
                near = f"{_shown(one.dates[at - 1])} and {_shown(one.dates[at])} of {one.name!r} are too close"
                raise sheet.error(f"{near} for {calendar.name} data: keep one of them", int(one.places[at]))
    return calendar


def _refuse_mixture(sheet: Sheet, rows: list[_Rows]) -> None:
    """Raise TableError with the names of two series if their frequencies differ."""
    found: dict[str, str] = {}
    for one in rows:
        try:
            found.setdefault(Calendar.infer(one.dates).name, one.name)
        except TableError:
            continue
        if len(found) > 1:
            (first, a), (second, b) = found.items()
            raise sheet.error(f"{a!r} is {first} and {b!r} is {second}: give one table per frequency")


def _regular(sheet: Sheet, calendar: Calendar, rows: _Rows) -> Series:
    """Return the series of `rows`. Raises TableError if more than half of it is missing, or it is irregular.

    A missing value comes from a season before if there is one, else from the line between its neighbours.
    """
    counts, fits = calendar.steps(rows.dates)
    positions = np.concatenate([[0], np.cumsum(counts)])
    length, have = int(positions[-1]) + 1, int((~np.isnan(rows.values)).sum())
    if have < length * (1 - MOST_FILLED):
        what = f"series {rows.name!r} has {have:,} of {length:,} {calendar.name} values"
        raise sheet.error(f"{what}, and at least half are needed: fill in the others, or remove it")
    if fits.mean() < LEAST_COVERED:
        raise sheet.error(
            f"the dates of series {rows.name!r} are irregular: make all of them {calendar.name}, as most are"
        )
    if fits.all() and have == length:
        return Series(rows.name, rows.dates, np.ascontiguousarray(rows.values))
    dates, values = calendar.regular(rows.dates[0], length), np.full(length, np.nan)
    values[positions] = rows.values
    missing, known = np.flatnonzero(np.isnan(values)), np.flatnonzero(~np.isnan(values))
    values[missing] = np.interp(missing, known, values[known])
    late = missing[missing >= calendar.season] if calendar.season > 1 else missing[:0]
    for place in late.tolist():  # in order, so that a filled value serves the next season
        values[place] = values[place - calendar.season]
    return Series(rows.name, dates, values, len(missing), len(late), int((dates[positions] != rows.dates).sum()))


def _changes(series: Sequence[Series], calendar: Calendar) -> Iterator[str]:
    """Yield what was changed to make the series regular, a line each."""
    missing, repeated, moved = (sum(getattr(one, name) for one in series) for name in ("filled", "repeated", "moved"))
    if missing:
        total, gaps = sum(len(one.values) for one in series), sum(one.filled > 0 for one in series)
        ways = [("from the season before", repeated), ("between their neighbours", missing - repeated)]
        are = f"{missing:,} of {total:,} values {'is' if missing == 1 else 'are'} missing"
        how = " or ".join(way for way, count in ways if count)
        yield f"{are} in {gaps:,} of {len(series):,} series: filled {how}"
    if moved:
        dates = "1 date is" if moved == 1 else f"{moved:,} dates are"
        yield f"{dates} not {calendar.name}: moved to the nearest that {'is' if moved == 1 else 'are'}"
