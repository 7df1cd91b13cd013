"""Read files and frames as columns: a CSV or Parquet file, standard input, or a frame of pandas or polars.

pandas, polars and pyarrow are imported only when a table is read.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TableError, check_installed
from afterword.text.documents import Document
from afterword.text.formats import unpacked_bytes

if TYPE_CHECKING:
    import pandas

Kind = Literal["csv", "parquet", "pandas", "polars"]

LARGEST = 2**31  # bytes of a file, unpacked; for Parquet, of its cells, where equal texts count once
PART = 2**20  # characters of a CSV file
CELLS = 2**22  # in a part of a Parquet file
FIRST = 100  # texts that show what a column holds
CHECKED = (1, 16, 256)  # parts after which all of them are checked before more are read
LARGEST_VALUE = 1e100  # far below the largest float, so that differences and sums of values stay finite
MISSING = frozenset(("", "NA", "N/A", "#N/A", "NAN", "NULL", "NONE"))
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
DELIMITERS = ",;\t"
GIVE = "give a CSV or Parquet file"


class WholeError(TableError):
    """An error about the whole table, not about one row: later rows may correct it."""


class Texts(NamedTuple):
    """A column of n texts, many of which are equal; "" where one is missing."""

    which: NDArray[np.int64]  # [n], places in `distinct`
    distinct: list[str]  # in the order in which they first occur

    def row(self, *which: int) -> int:
        """Return the first row with one of these texts."""
        return int(np.isin(self.which, which).argmax())

    @property
    def first_filled(self) -> list[str]:
        """The first texts that are not missing, at most `FIRST`."""
        return list(islice((text for text in self.distinct if text.strip().upper() not in MISSING), FIRST))


Column = Any
"""`Texts`, an array of numbers (NaN where one is missing) or of whole numbers, or a DatetimeIndex of pandas."""


@dataclass
class Sheet:
    """The columns of a table, as they came."""

    name: str  # of the file, or "the frame"
    kind: Kind
    columns: dict[str, Column]
    locate: Callable[[int], str] = lambda row: f"row {row + 1}"
    decimal: str = "."
    frame: Any = None  # the frame that was given

    def error(self, message: str, row: int | None = None) -> TableError:
        """Return an error that names the table, and the place of the `row` if one is given."""
        if row is None:
            return WholeError(f"{self.name}: {message}")
        return TableError(f"{self.name}, {self.locate(row)}: {message}")

    def take(self, columns: Iterable[tuple[str, Column]]) -> Sheet:
        """Add columns, except for those that have neither a name nor content. Raises TableError."""
        for name, cells in columns:
            if not name and self.columns and not (isinstance(cells, Texts) and any(cells.distinct)):
                continue
            if name in self.columns:
                raise self.error(f"two columns are named {name!r}: rename one")
            self.columns[name] = cells
        return self


Check = Callable[[Sheet], object]


def read_sheet(source: Any, check: Check) -> Sheet:
    """Return the columns of `source`: a path, "-" for standard input, or a frame of pandas or polars.

    `check` takes longer and longer beginnings of a long file. If it raises an error about a row, the rest is not read.
    Raises TableError if `source` is not such a table, and OptionError if pandas or pyarrow is needed and missing.
    """
    check_installed("tables need pandas: pip install 'afterword[series]'", "pandas")
    library = type(source).__module__.partition(".")[0]
    if library in ("pandas", "polars"):
        return _from_library(library, source)
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
    if isinstance(cells, Texts):
        found = [_number(text, sheet.decimal) for text in cells.distinct]
        if None in found:
            row = cells.row(*(k for k, number in enumerate(found) if number is None))
            cell, hint = cells.distinct[cells.which[row]].strip(), "correct it, or leave it empty"
            if re.fullmatch(r"[-+]?\d{1,3}([.,' ]?\d{3})*([.,]\d*)?", cell):
                hint = f"write numbers with a decimal {'point' if sheet.decimal == '.' else 'comma'} and no other marks"
            raise sheet.error(f"{column} is {cell[:40]!r}, not a number: {hint}", row)
        values = np.array(found, np.float64)[cells.which]
    elif isinstance(cells, np.ndarray):
        values = cells.astype(np.float64)
    else:
        raise sheet.error(f"{column or 'the first column'} holds dates, not numbers: choose another column")
    if (wrong := np.abs(values) > LARGEST_VALUE).any():
        infinite = np.isinf(values)
        row = int(np.argmax(infinite if infinite.any() else wrong))
        what = "infinite" if infinite[row] else f"{values[row]:g}, and at most {LARGEST_VALUE:g} is allowed"
        raise sheet.error(f"{column} is {what}: correct that value, or leave it empty", row)
    return values


def looks_numeric(sheet: Sheet, column: str) -> bool | None:
    """Return whether most of the first texts of a column are numbers; None if all cells are missing."""
    cells = sheet.columns[column]
    if isinstance(cells, Texts):
        filled = cells.first_filled
        return sum(_float(text, sheet.decimal) is not None for text in filled) * 2 > len(filled) if filled else None
    return isinstance(cells, np.ndarray) and (not np.isnan(cells).all() or None)


def _float(cell: str, decimal: str) -> float | None:
    try:
        return None if "_" in cell else float(cell.replace(decimal, "."))
    except ValueError:
        return None


def _number(cell: str, decimal: str) -> float | None:
    """Return the number that a cell holds, NaN if it is missing; None if it is anything else."""
    if (cell := cell.strip()).upper() in MISSING:
        return np.nan
    return None if decimal == "," and "." in cell else _float(cell, decimal)


# ---- files


def _bytes(source: str | os.PathLike[str], name: str) -> bytes:
    """Return the whole content of a file or of standard input, unpacked."""
    opened: Callable[[], Any] = partial(nullcontext, sys.stdin.buffer) if source == "-" else partial(open, source, "rb")
    try:
        if source != "-" and os.path.isdir(source):
            raise TableError(f"{name} is a folder: {GIVE}")
        with unpacked_bytes(Document(name, opened)) as file:
            content = _read(name, file)
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


def _read(name: str, file: BufferedIOBase) -> bytes:
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
    """Return the columns of a CSV file, by the standard library: pandas neither finds a short line nor counts lines."""
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
    dated = re.fullmatch(r"\d{4}.?\d\d?.?\d\d?.*|\d\d?\D\d\d?\D\d{4}.*", header[0])
    if dated and any(_float(cell, ".") is not None for cell in header[1:]):
        raise TableError(f"{name}, line 1 looks like data: add a line of column names, such as unique_id,ds,y")
    if not rows:
        raise sheet.error("it has only column names: add a row per date")
    ragged = is_numbered(header)  # the published form of M4: a row per series, as long as that series
    if set(map(len, rows)) != {len(header)}:
        for place, row in enumerate(rows):
            if len(row) > len(header) or (len(row) < len(header) and not ragged):
                has = f"this line has {len(row):,} cells, and the first has {len(header):,}"
                raise sheet.error(f"{has}: correct it, or check the separator", place)
            row.extend([""] * (len(header) - len(row)))
    return sheet.take(zip(header, map(_texts, zip(*rows, strict=True)), strict=True))


def is_numbered(header: Sequence[str]) -> bool:
    """Return whether the names of the columns are those of M4's published form: any name, then V2, V3, …"""
    return len(header) > 2 and all(name == f"V{k}" for k, name in enumerate(header[1:], 2))


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


# ---- frames


def without_pyarrow(name: str) -> OptionError:
    return OptionError(f"{name} is Parquet, which needs pyarrow: pip install 'afterword[series]'")


def _from_parquet(name: str, content: bytes, check: Check) -> Sheet:
    """Return the columns of plain cells, without lists, records and long byte strings, which grow when unpacked."""
    try:
        import pyarrow as arrow
        from pyarrow import compute, parquet
    except ImportError:
        raise without_pyarrow(name) from None

    def used(texts: Any) -> Any:  # each part comes with the dictionary of the whole file
        places = compute.unique(texts.indices).drop_null()
        return arrow.DictionaryArray.from_arrays(compute.index_in(texts.indices, places), texts.dictionary.take(places))

    def sheet() -> Sheet:
        table = arrow.Table.from_batches(parts) if parts else arrow.table({})
        return _from_frame(Sheet(name, "parquet", {}), table.unify_dictionaries().to_pandas(date_as_object=False))

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
                    check(sheet())
        return sheet()
    except (arrow.ArrowException, OSError) as error:
        raise TableError(
            f"{name} is a damaged Parquet file ({str(error).splitlines()[0][:80]}): make it again"
        ) from None


def _from_library(library: str, frame: Any) -> Sheet:
    if library == "pandas" and type(frame).__name__ == "Series":
        frame = frame.to_frame("y" if frame.name is None else str(frame.name))
    if library == "polars" and type(frame).__name__ == "LazyFrame":
        frame = frame.collect()
    if type(frame).__name__ != "DataFrame":
        raise TableError(f"give a DataFrame of {library}, not {type(frame).__name__}")
    sheet = Sheet("the frame", cast("Kind", library), {}, frame=frame)
    if library == "polars":
        return _from_frame(sheet, frame.to_pandas())
    index, kind = frame.index, frame.index.dtype
    if kind.kind == "M" or kind.name.startswith("period") or any(name is not None for name in index.names):
        frame = frame.reset_index(names=[("ds" if name is None else str(name)) for name in index.names])
    return _from_frame(sheet, frame)


def _from_frame(sheet: Sheet, frame: pandas.DataFrame) -> Sheet:
    columns = (frame.iloc[:, place] for place in range(frame.shape[1]))
    sheet.take(zip(map(str, frame.columns), map(_column, columns), strict=True))
    if not sheet.columns or not len(frame):
        raise sheet.error("it has no rows: add one per date")
    return sheet


def _column(cells: pandas.Series) -> Column:
    import pandas

    if cells.dtype.name.startswith("period"):
        cells = cells.dt.to_timestamp()
    if cells.dtype.kind == "M":
        return pandas.DatetimeIndex(cells)
    if cells.dtype.kind in "iuf":
        whole = cells.dtype.kind != "f" and not cells.isna().any()
        return cells.to_numpy(np.int64) if whole else cells.to_numpy(np.float64, na_value=np.nan)
    return _texts(cells.map(str, na_action="ignore").astype(object))


def _texts(cells: Any) -> Texts:
    """Return a column of texts, in which equal ones are one object."""
    import pandas

    which, distinct = pandas.factorize(np.asarray(cells, dtype=object))
    if not (missing := which < 0).any():
        return Texts(which, list(distinct))
    return Texts(np.where(missing, len(distinct), which), [*distinct, ""])
