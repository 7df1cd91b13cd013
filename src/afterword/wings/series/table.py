"""Read a table as regular series, noting what was filled, and return forecasts as the kind of table that it was.

source ──read_sheet──► columns ──long | wide──► (name, dates, values) ──regular──► Series
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.settings import Settings, setting, settings_class
from afterword.storage import output
from afterword.wings.series.dates import (
    LEAST_COVERED,
    Calendar,
    DateForm,
    Dates,
    Ints,
    TableError,
    parse_dates,
    whole_seconds,
)
from afterword.wings.series.sheets import Kind, Sheet, kind_of, numbers, read_sheet
from afterword.wording import count_of

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float64]
ID, TIME, VALUE, CUTOFF = "unique_id", "ds", "y", "cutoff"  # Nixtla's names
USUAL_TIMES = {"date", "datetime", "timestamp", "time", "month", "quarter", "year", "week", "day", "period", "index"}
CLOSED = 4  # seasons, at least, in which a phase never has a value if it is closed, such as Sundays
MOST_FILLED, MOST_NAMED = 0.5, 8  # fraction of a series that may be missing; columns that an error lists


@settings_class(kw_only=True)
class Columns(Settings):
    """Settings for the names of a table's columns."""

    id_column: str | None = setting("column of series names (default: unique_id)", default=None, metavar="NAME")
    time_column: str | None = setting("column of dates (default: ds, or the only one)", default=None, metavar="NAME")
    value_column: str | None = setting("column of values (default: y, or all numeric)", default=None, metavar="NAME")


BY_NAME = Columns()


@dataclass(frozen=True, eq=False)
class Series:
    """A series: at first as its rows came, sorted by date, and then regular, without gaps."""

    name: str
    dates: Dates  # [n], datetime64[s] or int64
    values: Floats  # [n], finite once it is regular
    places: Ints  # its rows in the sheet
    filled: int = 0  # values that were missing
    moved: int = 0  # dates that differ from the table's


@dataclass(frozen=True)
class Form:
    """The kind of table that series came from, so that forecasts can be returned as the same kind."""

    kind: Kind
    dates: DateForm
    marks: tuple[str, str] = (",", ".")  # those of the sheet
    id: str = ID
    time: str = TIME
    value: str | None = None  # of a long table
    whole_ids: bool = False  # the names of a frame's series are whole numbers


@dataclass(frozen=True, eq=False)
class Table:
    """Series with the same frequency."""

    series: tuple[Series, ...]
    calendar: Calendar
    notes: tuple[str, ...]  # what was changed, a line each
    form: Form
    columns: Mapping[str, Sequence[Any]]  # further numbers of each series, by date, also after its end


def read_table(source: Any, columns: Columns = BY_NAME, season: int | None = None) -> Table:
    """Return the series of `source`: a path, "-" for standard input, or a frame of pandas or polars.

    A table is long (unique_id, ds, y) or wide (dates and a column per series). Missing values and dates are filled.
    `season` replaces the one that the dates suggest. Raises TableError, and OptionError without pandas.
    """
    notes, sheet = list[str](), read_sheet(source)
    import pandas  # which is there

    whole, form, further = _rows(sheet, columns, notes)
    rows = [_trimmed(sheet, one) for one in whole]
    dates = np.concatenate([one.dates for one in rows])
    calendar = Calendar.infer(dates, np.repeat(np.arange(len(rows)), [len(one.dates) for one in rows]), sheet.error)
    counts = [calendar.steps(one.dates) for one in rows]
    longest = max(int(steps.sum()) + 1 for steps, _ in counts)
    calendar = replace(calendar, season=season or calendar.season_for(longest))
    series = tuple(_regular(sheet, calendar, one, *steps) for one, steps in zip(rows, counts, strict=True))
    last = max(one.dates[-1] for one in series)
    notes += _changes(series, calendar)
    if last.dtype.kind == "M" and (early := sum(one.dates[-1] < last for one in series)):
        hint = "" if form.value else "; if the others are known in advance, give `value_column`"
        ends = f"{early:,} of {len(series):,} series end before {_shown(last)}"
        notes.append(f"{ends}: forecasts begin where series end{hint}")
    more = {name: [pandas.Series(cells[one.places], one.dates) for one in whole] for name, cells in further.items()}
    return Table(series, calendar, tuple(notes), form, more)


# ---- roles of columns


def _rows(sheet: Sheet, chosen: Columns, notes: list[str]) -> tuple[list[Series], Form, dict[str, Floats]]:
    """Return the rows of each series, whatever the table's layout, and further columns. Raises TableError."""
    names = list(sheet.frame.columns)
    given = [name for name in (chosen.id_column, chosen.time_column, chosen.value_column) if name is not None]
    for name in given:
        if name not in names:
            raise sheet.error(f"no column is named {name!r}: choose one of {_listed(names)}")
        if given.count(name) > 1:
            raise sheet.error(f"column {name!r} is given twice: names, dates and values need different columns")
    kinds = {name: kind_of(sheet, name) for name in names}
    time, identity = _time_column(sheet, kinds, chosen), chosen.id_column or _found(ID, names)
    dates, how = _dates(sheet, time)
    value = chosen.value_column or (_found(VALUE, names) if identity or _found(TIME, names) == time else None)
    others = [name for name in names if name not in (time, identity)]
    if others[:1] in ([""], ["Unnamed: 0"]) and others[0] != value:
        del others[0]  # the row numbers of a frame of pandas, written without a name and read again
    if identity and value is None:
        numeric = [name for name in others if kinds[name] == "numbers"]
        if len(numeric) != 1:
            which = f"several columns hold numbers, {_listed(numeric)}" if numeric else "no column holds numbers"
            raise sheet.error(f"besides {identity!r}, {which}: name the column of values with `value_column`")
        value = numeric[0]
    further, left = dict[str, Floats](), [name for name in others if value not in (None, name)]
    for name in left:
        with suppress(TableError):
            further[name] = numbers(sheet, name)
    if texts := [name for name in left if name not in further]:
        notes.append(f"not used: {_listed(texts)}: not all cells are numbers")
    whole = bool(identity) and sheet.frame[identity].dtype.kind == "i"
    form = Form(sheet.kind, how, sheet.marks, identity or ID, time or TIME, value, whole)
    wide = others if value is None else [value]
    if not wide:
        raise sheet.error("no column holds numbers: add one with the values to forecast")
    if texts := [name for name in wide if kinds[name] != "numbers" and len(wide) > 1]:
        raise sheet.error(f"{texts[0]!r} holds no numbers: if it names series, give `id_column`, else a `value_column`")
    ids = sheet.frame[identity] if identity else np.repeat(np.array(wide, object), len(dates))
    values = np.concatenate([numbers(sheet, name) for name in wide])
    rows = _split(sheet, ids, np.tile(dates, len(wide)), values, np.tile(np.arange(len(dates)), len(wide)))
    return rows, form, further


def _found(wanted: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if name.lower() == wanted), None)


def _listed(names: Sequence[str]) -> str:
    shown, more = [name or "(unnamed)" for name in names], len(names) - MOST_NAMED
    return ", ".join(shown if more <= 0 else [*shown[:MOST_NAMED], f"and {more:,} more"])


def _time_column(sheet: Sheet, kinds: dict[str, str], chosen: Columns) -> str:
    names = [name for name in kinds if name not in (chosen.id_column, chosen.value_column)]
    if (given := chosen.time_column if chosen.time_column is not None else _found(TIME, names)) is not None:
        return given
    dated = [name for name in names if kinds[name] == "dates"]
    usual = [name for name in names if name.lower() in USUAL_TIMES]
    found = [name for name in dated if name in usual] or dated or usual[:1]
    if len(found) > 1:
        raise sheet.error(f"several columns hold dates, {_listed(found)}: choose one with `time_column`")
    if not found:
        has = f"no column holds dates among {_listed(list(kinds))}"
        raise sheet.error(f"{has}: name one with `time_column`, or add one named ds (1, 2, 3 … will do)")
    return found[0]


def _dates(sheet: Sheet, column: str) -> tuple[Dates, DateForm]:
    """Return the dates of a column, and the form in which they are written."""
    import pandas

    cells, shown = sheet.frame[column], column or "the first column"
    if cells.dtype.kind != "M":
        which, distinct = pandas.factorize(cells, use_na_sentinel=False)
        texts = list(distinct) if cells.dtype == object else [f"{number:.15g}" for number in distinct]
        dates, form = parse_dates(texts, lambda k, what: sheet.error(f"{shown}: {what}", int(np.argmax(which == k))))
        return dates[which], replace(form, dtype=None if cells.dtype == object else cells.dtype)
    if cells.hasnans:
        raise sheet.error(f"{shown} is missing: give every row a date", int(np.argmax(cells.isna())))
    # local times if all are midnights, which a clock change does not move; else UTC, which has no gaps
    local, zone = cells.dt.tz_localize(None), cells.dt.tz
    midnights = bool((local == local.dt.normalize()).all())
    stamps = local if midnights or zone is None else cells.dt.tz_convert(None)
    dates = whole_seconds(stamps, lambda row, message: sheet.error(f"{shown}: {message}", row))
    pattern = "%Y-%m-%d" if midnights else "%Y-%m-%d %H:%M:%S" + ("+00:00" if zone else "")
    return dates, DateForm(pattern, cells.dtype, sheet.types.get(column), wall=midnights)


def _split(sheet: Sheet, ids: Any, dates: Dates, values: Floats, places: Ints) -> list[Series]:
    """Return the rows of each distinct id, in the order in which they first occur. [n] each

    Raises TableError if an id is missing, or if a series has the same date twice.
    """
    import pandas

    which, names = pandas.factorize(pandas.Series(ids).replace("", None))
    if (which < 0).any():
        raise sheet.error(f"{ids.name} is empty: name the series of every row", int(np.argmax(which < 0)))
    order = np.lexsort((dates, which))
    which, dates, values, places = which[order], dates[order], values[order], places[order]
    same = (which[1:] == which[:-1]) & (dates[1:] == dates[:-1])
    if same.any():
        k = int(np.argmax(same))
        hint = "keep one of the rows, or name the column that tells series apart with `id_column`"
        if re.search("-(10|11)-.*T0[0-3]:", str(dates[k])) and dates[k].item().weekday() == 6:
            hint = "if summer time ended then, write offsets, as in 2024-10-27 02:00+01:00; else keep one of the rows"
        what = f"the date {_shown(dates[k])} of {names[which[k]]!r} is already in {sheet.locate(int(places[k]))}"
        raise sheet.error(f"{what}: {hint}", int(places[k + 1]))
    parts = (np.split(each, np.cumsum(np.bincount(which))[:-1]) for each in (dates, values, places))
    return [Series(*one) for one in zip(map(str, names), *parts, strict=True)]


def _shown(date: Any) -> str:
    return str(date).removesuffix("T00:00:00").replace("T", " ")


# ---- regularity


def _trimmed(sheet: Sheet, rows: Series) -> Series:
    """Return the rows without missing values at the ends."""
    known = np.flatnonzero(~np.isnan(rows.values))
    if len(known) < 2:
        has, row = "one value" if len(known) else "no values", int(rows.places[0])
        raise sheet.error(f"series {rows.name!r} has {has}: at least two are needed; add some or remove it", row)
    kept = slice(known[0], known[-1] + 1)
    return replace(rows, dates=rows.dates[kept], values=rows.values[kept], places=rows.places[kept])


def _regular(sheet: Sheet, calendar: Calendar, rows: Series, counts: Ints, fits: NDArray[np.bool_]) -> Series:
    """Return the regular series of `rows`. `counts` has the steps between neighbouring dates; `fits`, which suit.

    A missing value repeats the value a season before. In the first season, and without a season, it is interpolated
    between its neighbours. A phase of the season that never has a value, such as Sundays, is closed: its values are 0.
    Raises TableError if more than half of the values are missing, or the dates are irregular.
    """
    name, dates, length, have = rows.name, rows.dates, int(counts.sum()) + 1, int((~np.isnan(rows.values)).sum())
    if have < length * (1 - MOST_FILLED):
        what = f"series {name!r} has {have:,} of {length:,} {calendar.name} values"
        raise sheet.error(f"{what}, and at least half are needed: fill in the others, or remove it")
    if fits.mean() < LEAST_COVERED or (counts < 1).any():
        at = int(np.argmin(fits & (counts > 0))) + 1
        what = f"{_shown(dates[at - 1])} and {_shown(dates[at])} of {name!r} do not suit {calendar.name} data"
        raise sheet.error(f"{what}: make the dates of all series {calendar.name}, as most are", int(rows.places[at]))
    positions = np.concatenate([[0], np.cumsum(counts)])
    regular, values = calendar.regular(dates[0], length), np.full(length, np.nan)
    values[positions] = rows.values
    missing, known = np.flatnonzero(np.isnan(values)), np.flatnonzero(~np.isnan(values))
    values[missing], season = np.interp(missing, known, values[known]), calendar.season
    closed = missing[~np.isin(missing % season, known % season)] if length >= CLOSED * season else missing[:0]
    for place in missing.tolist():  # in order, so that a filled value serves the next season
        values[place] = values[place - season] if place >= season > 1 else values[place]
    values[closed] = 0.0
    return Series(name, regular, values, rows.places, len(missing), int((regular[positions] != dates).sum()))


def _changes(series: Sequence[Series], calendar: Calendar) -> Iterator[str]:
    """Yield what was changed to make the series regular, a line each."""
    missing, moved = sum(one.filled for one in series), sum(one.moved for one in series)
    if missing:
        total, gaps = sum(len(one.values) for one in series), sum(one.filled > 0 for one in series)
        yield f"filled {missing:,} of {total:,} values, which were missing in {gaps:,} of {len(series):,} series"
    if moved:
        yield f"moved {count_of(moved, 'date')} to fit the table, which is {calendar.name}"


# ---- forecasts


def stacked(names: Sequence[str], dates: Sequence[Dates], values: Mapping[str, Sequence[Any]]) -> pandas.DataFrame:
    """Return the rows of many series, one after another, with the columns "unique_id" and "ds" and those of `values`.

    `names` has an entry per series, `dates` and each of `values` ("mean", "lo-80", …) an array [h] per series.
    """
    import pandas

    columns = {ID: np.repeat(np.array(names, dtype=object), [len(one) for one in dates]), TIME: np.concatenate(dates)}
    return pandas.DataFrame(columns | {name: np.concatenate(arrays) for name, arrays in values.items()})


def as_frame(form: Form, rows: pandas.DataFrame) -> Any:
    """Return `rows` as the kind of table that `form` describes: a frame of pandas or polars, or the text of a CSV file.

    `rows` is as of `stacked`. The columns of the series and of the dates get the names that they came with, and dates
    their form.
    """
    is_frame = form.kind in ("pandas", "polars")
    for name in {TIME, CUTOFF} & {*rows}:
        cells = rows[name]
        rows = rows.assign(**{name: form.dates.restored(cells) if is_frame else form.dates.write(cells.to_numpy())})
    frame = rows.assign(**{ID: rows[ID].astype("int64") if form.whole_ids else rows[ID]})
    frame.columns = [{ID: form.id, TIME: form.time}.get(name, name) for name in frame]
    if not is_frame:
        return frame.to_csv(index=False, lineterminator="\n", sep=form.marks[0], decimal=form.marks[1])
    if form.kind == "pandas":
        return frame
    import polars

    return polars.from_pandas(frame).cast({form.time: form.dates.polars} if form.dates.polars else {})


def as_records(form: Form, rows: pandas.DataFrame) -> Any:
    """Return `rows`, as of `stacked`, for JSON, an object each. Dates get the form that they came with."""
    return rows.assign(**{TIME: form.dates.write(rows[TIME].to_numpy())}).to_dict("records")


def write_rows(path: Path, form: Form, rows: pandas.DataFrame) -> None:
    """Write `rows` atomically, as Parquet if `path` ends in .parquet, otherwise as CSV. Raises StorageError."""
    with output(path) as file:
        if path.suffix.lower() == ".parquet":
            as_frame(replace(form, kind="pandas"), rows).to_parquet(file, index=False)
        else:
            file.write(as_frame(replace(form, kind="csv"), rows).encode())


def rounded(values: Floats) -> Floats:
    """Return `values` with seven significant digits: more would be the noise of sampling and of adding up."""
    with np.errstate(divide="ignore"):
        places = 10.0 ** np.clip(6 - np.floor(np.log10(np.abs(values))), -300, 300)
    return np.asarray(np.where(values == 0, 0.0, np.round(values * places) / places))
