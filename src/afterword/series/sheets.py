"""Read files and frames as columns: a CSV or Parquet file, standard input, or a frame of pandas or polars.

pandas, polars and pyarrow are imported only if such a frame or file is given.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TableError
from afterword.series.dates import DAY

Kind = Literal["csv", "parquet", "pandas", "polars"]
Column = Sequence[str] | NDArray[Any]
"""The texts of a column, "" where one is missing; or numbers (NaN where missing), whole numbers or datetime64 (NaT)."""

LARGEST = 2**31  # bytes of a file, unpacked; for Parquet, of its cells, where equal texts count once
PART = 2**20  # characters of a CSV file
CELLS = 2**22  # in a part of a Parquet file
FIRST = 100  # cells that show what a column holds
CHECKED = (1, 16, 256)  # parts after which all of them are checked before more are read
LARGEST_VALUE = 1e100  # far below the largest float, so that differences and sums of values stay finite
MISSING = frozenset(("", "NA", "N/A", "#N/A", "NAN", "NULL", "NONE"))
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
DELIMITERS = ",;\t"
GIVE = "give a CSV or Parquet file"


class WholeError(TableError):
    """An error about the whole table, not about one row: later rows may correct it."""


@dataclass
class Sheet:
    """The columns of a table, as they came."""

    name: str  # of the file, or "the frame"
    kind: Kind
    columns: dict[str, Column]
    locate: Callable[[int], str] = lambda row: f"row {row + 1}"
    decimal: str = "."
    zones: dict[str, tuple[str, bool]] = field(default_factory=dict)  # column: its zone, and whether dates are local

    def error(self, message: str, row: int | None = None) -> TableError:
        """Return an error that names the table, and the place of the `row` if one is given."""
        if row is None:
            return WholeError(f"{self.name}: {message}")
        return TableError(f"{self.name}, {self.locate(row)}: {message}")


Check = Callable[[Sheet], object]


def read_sheet(source: Any, check: Check) -> Sheet:
    """Return the columns of `source`: a path, "-" for standard input, or a frame of pandas or polars.

    `check` takes longer and longer beginnings of a long file. If it raises an error about a row, the rest is not read.
    Raises TableError if `source` is not such a table, and OptionError for a Parquet file without pyarrow.
    """
    library = type(source).__module__.partition(".")[0]
    if library == "pandas":
        return _from_pandas(source)
    if library == "polars":
        return _from_polars(source)
    if not isinstance(source, str | os.PathLike):
        raise TableError(f"give a path, or a frame of pandas or polars, not {type(source).__name__}")
    name = "standard input" if source == "-" else str(source)
    content = _bytes(source, name)
    if content.startswith(b"PAR1"):
        return _from_parquet(name, content, check)
    if name.lower().endswith(".parquet"):
        raise TableError(f"{name} is not a Parquet file: make it again, or give a CSV file a name that ends in .csv")
    text = _decoded(name, content)
    for size in (PART * count for count in CHECKED if PART * count < len(text)):
        with suppress(WholeError):  # the last line may end inside quotes
            check(_from_csv(name, text[:size], whole=False))
    return _from_csv(name, text)


def numbers(sheet: Sheet, column: str) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN where one is missing. Raises TableError at a cell that is not a number."""
    cells = sheet.columns[column]
    if isinstance(cells, np.ndarray):
        if cells.dtype.kind not in "iuf":
            raise sheet.error(f"{column or 'the first column'} holds dates, not numbers: choose another column")
        values = cells.astype(np.float64)
    else:
        try:
            known = {cell: np.nan if cell in MISSING else float(cell) for cell in set(cells)}
            values = np.array([known[cell] for cell in cells])
            plain = sheet.decimal == "." and "_" not in "".join(known)
        except ValueError:
            plain = False
        if not plain:
            values = np.array([_number(sheet, column, row, cell) for row, cell in enumerate(cells)])
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise sheet.error(f"{column} is infinite: correct that value, or leave it empty", row)
    if (large := np.abs(values) > LARGEST_VALUE).any():
        row = int(np.argmax(large))
        what = f"{column} is {values[row]:g}, and at most {LARGEST_VALUE:g} is allowed"
        raise sheet.error(f"{what}: correct that value, or leave it empty", row)
    return values


def looks_numeric(sheet: Sheet, column: str) -> bool | None:
    """Return whether most of the first cells of a column are numbers; None if all cells are missing."""
    cells = sheet.columns[column]
    if isinstance(cells, np.ndarray):
        return cells.dtype.kind in "iuf" and (True if len(cells) and not np.isnan(cells.astype(float)).all() else None)
    filled = first_filled(cells)
    return sum(_is_number(cell, sheet.decimal) for cell in filled) * 2 > len(filled) if filled else None


def first_filled(cells: Sequence[str]) -> list[str]:
    """Return the first cells that are not missing, at most `FIRST`."""
    filled = (cell for cell in cells if cell not in MISSING and cell.strip().upper() not in MISSING)
    return list(islice(filled, FIRST))


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return "_" not in cell


def _number(sheet: Sheet, column: str, row: int, cell: str) -> float:
    cell = cell.strip()
    if cell.upper() in MISSING:
        return np.nan
    if (sheet.decimal == "." or "." not in cell) and _is_number(cell, sheet.decimal):
        return float(cell.replace(sheet.decimal, "."))
    hint = "correct it, or leave it empty"
    if re.fullmatch(r"[-+]?\d{1,3}([.,' ]?\d{3})*([.,]\d*)?", cell):
        hint = f"write numbers with a decimal {'point' if sheet.decimal == '.' else 'comma'} and no other marks"
    raise sheet.error(f"{column} is {cell[:40]!r}, not a number: {hint}", row)


# ---- files


def _bytes(source: str | os.PathLike[str], name: str) -> bytes:
    """Return the whole content of a file or of standard input, unpacked."""
    try:
        if source == "-":
            content = _read(name, sys.stdin.buffer)
        else:
            if stat.S_ISDIR(os.stat(source).st_mode):
                raise TableError(f"{name} is a folder: {GIVE}")
            with open(source, "rb") as file:
                content = _read(name, file)
        if content.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = _read(name, packed)
    except FileNotFoundError:
        raise TableError(f"{name} does not exist: {GIVE}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise TableError(f"{name} is a damaged gzip file: make or fetch it again") from None
    except OSError as error:
        raise TableError(f"cannot read {name}: {error.strerror or error}") from None
    _check_size(name, len(content))
    return content


def _check_size(name: str, size: int) -> None:
    if size > LARGEST:
        raise TableError(f"{name} has more than {LARGEST:,} bytes: give fewer series or shorter ones")


def _read(name: str, file: IO[bytes] | gzip.GzipFile) -> bytes:
    """Return the content of `file`. Raises TableError, before the rest is read, if it is neither text nor a table."""
    head = file.read(2**16)
    if head.startswith(b"PK\x03\x04"):
        raise TableError(f"{name} is an Excel workbook or a ZIP archive: save its table as CSV")
    known = head.startswith((b"PAR1", b"\x1f\x8b", *list(MARKS)[1:]))
    if b"\0" in head and not known:
        raise TableError(f"{name} is binary, not a table: {GIVE}")
    return head + file.read(LARGEST + 1 - len(head))


def _decoded(name: str, content: bytes) -> str:
    encoding = next((found for mark, found in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{name}, line {line:,}: this is not {encoding[:6].upper()}: save the file as UTF-8") from None


def _from_csv(name: str, text: str, whole: bool = True) -> Sheet:
    if not text.strip():
        raise WholeError(f"{name} is empty: give a table with a line of column names, such as unique_id,ds,y")
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [row for row in reader if any(row)][: None if whole else -1]
    except csv.Error as error:
        raise TableError(f"{name}, line {reader.line_num:,}: this is not CSV ({error}): check the quotes") from None
    header = [cell.strip() for cell in rows.pop(0)] if rows else []

    def locate(row: int) -> str:  # a cell in quotes may have several lines, so they are counted by reading again
        again = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        lines = (again.line_num for cells in again if any(cells))
        return f"line {next(islice(lines, row + 1, None)):,}"

    sheet = Sheet(name, "csv", {}, locate, _decimal(text, delimiter))
    if len(header) < 2:
        raise sheet.error("it has only one column: separate a date and a value on each line by a comma")
    if _is_data(header):
        raise TableError(f"{name}, line 1 looks like data: add a line of column names, such as unique_id,ds,y")
    if not rows:
        raise sheet.error("it has only column names: add a row per date")
    ragged = is_numbered(header)  # the published form of M4: a row per series, as long as that series
    if set(map(len, rows)) != {len(header)}:
        for place, row in enumerate(rows):
            if len(row) == len(header):
                continue
            if not (ragged and len(row) < len(header)):
                has = f"this line has {len(row):,} cells, and the first has {len(header):,}"
                raise sheet.error(f"{has}: correct it, or check the separator", place)
            row.extend([""] * (len(header) - len(row)))
    sheet.columns = _named(sheet, zip(header, zip(*rows, strict=True), strict=True))
    return sheet


def is_numbered(header: Sequence[str]) -> bool:
    """Return whether the names of the columns are those of M4's published form: any name, then V2, V3, …"""
    return len(header) > 2 and all(name == f"V{k}" for k, name in enumerate(header[1:], 2))


def _named(sheet: Sheet, columns: Iterable[tuple[str, Column]]) -> dict[str, Column]:
    """Return the columns by name, without those that have neither a name nor content."""
    named: dict[str, Column] = {}
    for name, cells in columns:
        if not name and named and (isinstance(cells, np.ndarray) or not any(cells)):
            continue
        if name in named:
            raise sheet.error(f"two columns are named {name!r}: rename one")
        named[name] = cells
    return named


def _delimiter(text: str) -> str:
    """Return the separator that cuts the first two lines into the same number of cells, and into the most."""
    lines = [line for line in text[: 2**20].split("\n", 20) if line.strip()][:2]

    def quality(delimiter: str) -> tuple[bool, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        return widths[0] > 1 and len(set(widths)) == 1, widths[0]

    try:
        return max(DELIMITERS, key=quality)
    except csv.Error:
        return ","


def _decimal(text: str, delimiter: str) -> str:
    """Return "," if numbers with a decimal comma occur between other separators, else "."."""
    if delimiter == ",":
        return "."
    return "," if re.search(r'(?m)(?:^|[;\t"])[ ]*[-+]?\d*,\d+[ ]*(?=["\t;\r\n]|$)', text) else "."


def _is_data(header: list[str]) -> bool:
    """Return whether the first line is a date with a number, instead of names."""
    dated = re.fullmatch(r"\d{4}.?\d\d?.?\d\d?.*|\d\d?\D\d\d?\D\d{4}.*", header[0])
    return bool(dated) and any(_is_number(cell, ".") for cell in header[1:])


# ---- frames


def without_pyarrow(name: str) -> OptionError:
    return OptionError(f"{name} is Parquet, which needs pyarrow: pip install 'afterword[series]'")


def _from_parquet(name: str, content: bytes, check: Check) -> Sheet:
    """Return the columns of plain cells, without lists, records and long byte strings, which grow when unpacked."""
    try:
        arrow, parquet, compute = map(import_module, ("pyarrow", "pyarrow.parquet", "pyarrow.compute"))
    except ImportError:
        raise without_pyarrow(name) from None

    def used(texts: Any) -> Any:  # each part comes with the dictionary of the whole file
        places = compute.unique(texts.indices).drop_null()
        return arrow.DictionaryArray.from_arrays(compute.index_in(texts.indices, places), texts.dictionary.take(places))

    parts, size = list[Any](), 0
    try:
        schema = parquet.read_metadata(io.BytesIO(content)).schema
        leaves = [schema.column(k) for k in range(len(schema))]
        large = [one.path for one in leaves if one.path != one.name or one.max_repetition_level or one.length > 16]
        left_out = {path.partition(".")[0] for path in large}
        plain = [one.path for one in leaves if one.path.partition(".")[0] not in left_out]
        file = parquet.ParquetFile(io.BytesIO(content), read_dictionary=plain)
        for part in file.iter_batches(1 + CELLS // (1 + len(plain)), columns=plain):
            cells = [used(each) if arrow.types.is_dictionary(each.type) else each for each in part.columns]
            parts.append(arrow.RecordBatch.from_arrays(cells, plain))
            size += parts[-1].nbytes
            _check_size(name, size)
            if len(parts) in CHECKED:
                with suppress(WholeError):
                    check(_from_arrow(name, parts, arrow, compute))
    except (arrow.ArrowException, OSError) as error:
        raise TableError(
            f"{name} is a damaged Parquet file ({str(error).splitlines()[0][:80]}): make it again"
        ) from None
    return _from_arrow(name, parts, arrow, compute)


def _from_arrow(name: str, parts: list[Any], arrow: Any, compute: Any) -> Sheet:
    sheet, columns = Sheet(name, "parquet", {}), list[tuple[str, Column]]()
    table = arrow.Table.from_batches(parts) if parts else arrow.table({})
    for title, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if arrow.types.is_timestamp(kind) and kind.tz:
            local = compute.local_timestamp(column).to_numpy()
            columns.append((title, _zoned(sheet, title, kind.tz, local, column.to_numpy())))
        elif arrow.types.is_temporal(kind) or arrow.types.is_integer(kind) or arrow.types.is_floating(kind):
            columns.append((title, _array(column.to_numpy())))
        elif arrow.types.is_dictionary(kind):  # equal texts become one object
            cells = column.unify_dictionaries().combine_chunks()
            texts = [*_texts(cells.dictionary.to_pylist()), ""]
            columns.append((title, [texts[k] for k in cells.indices.fill_null(-1).to_pylist()]))
        else:
            columns.append((title, _texts(column.to_pylist())))
    return _filled(sheet, columns)


def _from_pandas(frame: Any) -> Sheet:
    sheet = Sheet("the frame", "pandas", {})
    if type(frame).__name__ == "Series":
        frame = frame.to_frame("y" if frame.name is None else str(frame.name))
    if type(frame).__name__ != "DataFrame":
        raise TableError(f"give a DataFrame of pandas, not {type(frame).__name__}")
    index = frame.index
    dated = index.dtype.kind == "M" or index.dtype.name.startswith("period")
    if dated or any(name is not None for name in index.names):
        frame = frame.reset_index(names=[("ds" if name is None else str(name)) for name in index.names])
    columns: list[tuple[str, Column]] = []
    for place, title in enumerate(map(str, frame.columns)):
        series = frame.iloc[:, place]
        if series.dtype.name.startswith("period"):
            series = series.dt.to_timestamp()
        kind, zone = series.dtype.kind, getattr(series.dtype, "tz", None)
        if kind == "M" and zone is not None:
            local, utc = series.dt.tz_localize(None).to_numpy(), series.dt.tz_convert(None).to_numpy()
            columns.append((title, _zoned(sheet, title, str(zone), local, utc)))
        elif kind in "iuf" and series.isna().any():
            columns.append((title, series.to_numpy(dtype=np.float64, na_value=np.nan)))
        elif kind in "iufM":
            columns.append((title, _array(series.to_numpy())))
        else:
            missing = series.isna().to_numpy()
            columns.append((title, ["" if gone else str(cell) for gone, cell in zip(missing, series, strict=True)]))
    return _filled(sheet, columns)


def _from_polars(frame: Any) -> Sheet:
    polars = import_module("polars")
    sheet = Sheet("the frame", "polars", {})
    if isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, polars.DataFrame):
        raise TableError(f"give a DataFrame of polars, not {type(frame).__name__}")
    columns: list[tuple[str, Column]] = []
    for series in frame.get_columns():
        kind, zone = series.dtype, getattr(series.dtype, "time_zone", None)
        if zone:
            utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
            local = series.dt.replace_time_zone(None).to_numpy()
            columns.append((series.name, _zoned(sheet, series.name, zone, local, utc)))
        elif kind in (polars.Date, polars.Datetime):
            columns.append((series.name, series.to_numpy()))
        elif kind.is_numeric():
            plain = series.cast(polars.Float64) if kind.is_decimal() or series.null_count() else series
            columns.append((series.name, _array(plain.to_numpy())))
        else:
            columns.append((series.name, _texts(series.cast(polars.String).to_list())))
    return _filled(sheet, columns)


def _array(cells: NDArray[Any]) -> Column:
    if cells.dtype.kind in "iu":
        return cells.astype(np.int64)
    if cells.dtype.kind == "f":
        return cells.astype(np.float64)
    return cells if cells.dtype.kind == "M" else _texts(cells.tolist())


def _texts(cells: Iterable[object]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in cells]


def _zoned(sheet: Sheet, column: str, zone: str, local: NDArray[Any], utc: NDArray[Any]) -> NDArray[Any]:
    """Return local times if all are midnights, which a clock change does not move; else UTC, which has no gaps."""
    seconds = local.astype("datetime64[s]").astype(np.int64)
    midnights = bool((seconds[~np.isnat(local)] % DAY == 0).all())
    sheet.zones[column] = (zone, midnights)
    return local if midnights else utc


def _filled(sheet: Sheet, columns: list[tuple[str, Column]]) -> Sheet:
    sheet.columns = _named(sheet, columns)
    if not sheet.columns or not len(next(iter(sheet.columns.values()))):
        raise sheet.error("it has no rows: add one per date")
    return sheet
