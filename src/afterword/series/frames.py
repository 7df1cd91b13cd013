"""Forecasts return as the kind of table that the series came from."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.series.table import ID, TIME, Form
from afterword.storage import output

Rows = Mapping[str, NDArray[Any]]
"""Columns of equal length: "unique_id" (texts), "ds" (datetime64 or whole numbers), then any others, in order."""


def stacked(
    names: Sequence[str],
    dates: Sequence[NDArray[Any]],
    values: Mapping[str, Sequence[NDArray[np.float64]]],
    methods: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Return the rows of many forecasts, a series after another.

    `names` and `methods` have an entry per series, `dates` and each of `values` ("mean", "lo-80", …) an array [h].
    """
    lengths = [len(one) for one in dates]
    columns: dict[str, NDArray[Any]] = {ID: np.repeat(np.array(names, dtype=object), lengths)}
    columns[TIME] = np.concatenate(dates)
    columns |= {name: np.concatenate(list(arrays)) for name, arrays in values.items()}
    return columns | {"method": np.repeat(np.array(methods, dtype=object), lengths)}


def as_frame(form: Form, rows: Rows) -> Any:
    """Return `rows` as the kind of table that `form` describes: a frame of pandas or polars, or the text of a CSV file.

    The columns of the series and of the dates have the names that they came with; dates are written as they came.
    """
    if form.kind == "pandas":
        pandas = import_module("pandas")
        return pandas.DataFrame(_renamed(form, rows, _pandas_dates(pandas, form, rows[TIME])))
    if form.kind == "polars":
        polars = import_module("polars")
        columns = _renamed(form, rows, _polars_dates(polars, form, rows[TIME]))
        listed = {name: cells.tolist() if _is_object(cells) else cells for name, cells in columns.items()}
        return polars.DataFrame(listed)
    return csv_text(form, rows)


def csv_text(form: Form, rows: Rows) -> str:
    """Return `rows` as the text of a CSV file, whatever kind they came from."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = _renamed(form, rows, np.array(form.dates.write(rows[TIME]), dtype=object))
    writer.writerow(columns)
    writer.writerows(zip(*(cells.tolist() for cells in columns.values()), strict=True))
    return text.getvalue()


def write_csv(path: Path, form: Form, rows: Rows) -> None:
    """Write `rows` as a CSV file, atomically. Raises StorageError."""
    with output(path) as file:
        file.write(csv_text(form, rows).encode())


def _renamed(form: Form, rows: Rows, dates: Any) -> dict[str, Any]:
    """Return the columns with the names of `form`, and `dates` in the place of theirs."""
    names = rows[ID].astype(np.int64) if form.whole_ids else rows[ID]
    others = {name: cells for name, cells in rows.items() if name not in (ID, TIME)}
    return {form.id: names, form.time: dates, **others}


def _is_object(cells: Any) -> bool:
    return isinstance(cells, np.ndarray) and cells.dtype == object


def _pandas_dates(pandas: Any, form: Form, dates: NDArray[Any]) -> Any:
    how = form.dates
    if dates.dtype.kind != "M":
        return dates
    if how.unit is None:
        return _as_texts(form, dates)
    stamps = pandas.DatetimeIndex(dates).as_unit("s" if how.unit == "D" else how.unit)
    if how.zone is None:
        return stamps
    if how.wall:  # a midnight that a clock change skips or repeats
        return stamps.tz_localize(how.zone, nonexistent="shift_forward", ambiguous=np.ones(len(dates), bool))
    return stamps.tz_localize("UTC").tz_convert(how.zone)


def _polars_dates(polars: Any, form: Form, dates: NDArray[Any]) -> Any:
    how = form.dates
    if dates.dtype.kind != "M":
        return dates
    if how.unit is None:
        return _as_texts(form, dates)
    stamps = polars.Series(dates.astype(f"datetime64[{how.unit}]"))
    if how.zone is None:
        return stamps
    if how.wall:
        return stamps.dt.replace_time_zone(how.zone, ambiguous="earliest", non_existent="null")
    return stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(how.zone)


def _as_texts(form: Form, dates: NDArray[Any]) -> NDArray[Any]:
    """Return dates as they came in a frame: texts, or whole numbers such as years."""
    texts = form.dates.write(dates)
    return np.array([int(text) for text in texts]) if form.dates.whole else np.array(texts, dtype=object)
