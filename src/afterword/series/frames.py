"""Return forecasts as the kind of table that the series came from."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from afterword.series.dates import DateForm
from afterword.series.table import ID, TIME, Form
from afterword.storage import output

Rows = Mapping[str, ArrayLike]
"""Columns of equal length: "unique_id" (texts), "ds" (datetime64 or whole numbers), then any others, in order."""


def stacked(
    names: Sequence[str],
    dates: Sequence[NDArray[Any]],
    values: Mapping[str, Sequence[NDArray[Any]]],
) -> dict[str, NDArray[Any]]:
    """Return the rows of many series, one after another.

    `names` has an entry per series, `dates` and each of `values` ("mean", "lo-80", …) an array [h] per series.
    """
    lengths = [len(one) for one in dates]
    columns: dict[str, NDArray[Any]] = {ID: np.repeat(np.array(names, dtype=object), lengths)}
    columns[TIME] = np.concatenate(dates)
    return columns | {name: np.concatenate(arrays) for name, arrays in values.items()}


def as_frame(form: Form, rows: Rows) -> Any:
    """Return `rows` as the kind of table that `form` describes: a frame of pandas or polars, or the text of a CSV file.

    The columns of the series and of the dates keep their names, and dates keep their form.
    """
    if form.kind not in ("pandas", "polars"):
        return csv_text(form, rows)
    library, dates = import_module(form.kind), np.asarray(rows[TIME])
    if dates.dtype.kind == "M" and form.dates.unit is not None:
        dates = (_pandas_dates if form.kind == "pandas" else _polars_dates)(library, form.dates, dates)
    elif dates.dtype.kind == "M":  # they came as texts, or as whole numbers such as years
        texts = form.dates.write(dates)
        dates = np.array([int(text) for text in texts] if form.dates.whole else texts, dtype=object)
    columns = _renamed(form, rows, dates)
    return library.DataFrame(
        {name: cells.tolist() if _holds_objects(cells) else cells for name, cells in columns.items()}
    )


def csv_text(form: Form, rows: Rows) -> str:
    """Return `rows` as the text of a CSV file, whatever kind of table they came from."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = _renamed(form, rows, np.array(form.dates.write(np.asarray(rows[TIME]))))
    writer.writerow(columns)
    writer.writerows(zip(*(cells.tolist() for cells in columns.values()), strict=True))
    return text.getvalue()


def write_rows(path: Path, form: Form, rows: Rows) -> None:
    """Write `rows` atomically, as Parquet if `path` ends in .parquet, otherwise as CSV. Raises StorageError."""
    with output(path) as file:
        if path.suffix.lower() == ".parquet":
            as_frame(replace(form, kind="pandas"), rows).to_parquet(file, index=False)
        else:
            file.write(csv_text(form, rows).encode())


def _renamed(form: Form, rows: Rows, dates: Any) -> dict[str, Any]:
    """Return the columns with the names of `form`, and `dates` in the place of theirs."""
    names = np.asarray(rows[ID])
    others = {name: np.asarray(cells) for name, cells in rows.items() if name not in (ID, TIME)}
    return {form.id: names.astype(np.int64) if form.whole_ids else names, form.time: dates, **others}


def _holds_objects(cells: Any) -> bool:
    return isinstance(cells, np.ndarray) and cells.dtype.kind in "OU"


def _pandas_dates(pandas: Any, how: DateForm, dates: NDArray[Any]) -> Any:
    stamps = pandas.DatetimeIndex(dates).as_unit("s" if how.unit == "D" else how.unit)
    if how.zone is None:
        return stamps
    if how.wall:  # a midnight that a clock change skips or repeats
        return stamps.tz_localize(how.zone, nonexistent="shift_forward", ambiguous=np.ones(len(dates), bool))
    return stamps.tz_localize("UTC").tz_convert(how.zone)


def _polars_dates(polars: Any, how: DateForm, dates: NDArray[Any]) -> Any:
    stamps = polars.Series(dates.astype(f"datetime64[{how.unit}]"))
    if how.zone is None:
        return stamps
    if how.wall:
        return stamps.dt.replace_time_zone(how.zone, ambiguous="earliest", non_existent="null")
    return stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(how.zone)
