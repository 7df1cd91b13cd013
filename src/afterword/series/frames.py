"""Return forecasts as the kind of table that the series came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.series.table import ID, TIME, Form
from afterword.storage import output

if TYPE_CHECKING:
    import pandas


def stacked(
    names: Sequence[str], dates: Sequence[NDArray[Any]], values: Mapping[str, Sequence[NDArray[Any]]]
) -> pandas.DataFrame:
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
    dates = form.dates.restored(rows[TIME]) if is_frame else form.dates.write(rows[TIME].to_numpy())
    frame = rows.assign(**{ID: rows[ID].astype("int64") if form.whole_ids else rows[ID], TIME: dates})
    frame.columns = [{ID: form.id, TIME: form.time}.get(name, name) for name in frame]
    if not is_frame:
        return frame.to_csv(index=False, lineterminator="\n")
    if form.kind == "pandas":
        return frame
    import polars

    found, kind = polars.from_pandas(frame), form.dates.polars
    return found if kind is None else found.cast({form.time: kind})


def as_records(form: Form, rows: pandas.DataFrame) -> list[dict[str, Any]]:
    """Return `rows`, as of `stacked`, for JSON. Dates get the form that they came with."""
    found: list[dict[str, Any]] = rows.assign(**{TIME: form.dates.write(rows[TIME].to_numpy())}).to_dict("records")
    return found


def write_rows(path: Path, form: Form, rows: pandas.DataFrame) -> None:
    """Write `rows` atomically, as Parquet if `path` ends in .parquet, otherwise as CSV. Raises StorageError."""
    with output(path) as file:
        if path.suffix.lower() == ".parquet":
            as_frame(replace(form, kind="pandas"), rows).to_parquet(file, index=False)
        else:
            file.write(as_frame(replace(form, kind="csv"), rows).encode())
