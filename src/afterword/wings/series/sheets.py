"""Read files and frames as columns: a CSV or Parquet file, standard input, or a frame of pandas or polars.

pandas, polars and pyarrow are imported only when a table is read.
"""

from __future__ import annotations

import csv
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from afterword.errors import check_installed
from afterword.text.documents import Document, reason
from afterword.text.formats import MARKS, unpacked_bytes
from afterword.wings.series.dates import TableError, is_date

if TYPE_CHECKING:
    import pandas

Kind = Literal["csv", "parquet", "pandas", "polars"]

LARGEST = 2**31  # bytes of a file, unpacked
CELL = 64  # approximate bytes of memory per cell while a Parquet file is read; equal texts count once
FIRST = 100  # texts that show what a column holds
LARGEST_VALUE = 1e100  # far below the largest float, so that differences and sums of values stay finite
MISSING = frozenset(("", "NA", "N/A", "#N/A", "NAN", "NULL", "NONE"))
FLAGS = {"TRUE": "1", "FALSE": "0"}
NEEDS_PYARROW = "{} is Parquet, which needs pyarrow: pip install 'afterword[series]'"
GIVE = "give a CSV or Parquet file"


@dataclass(frozen=True)
class Sheet:
    """The columns of a table, as they came: each has texts ("" where one is missing), numbers or dates."""

    name: str  # of the file, or "the frame"
    kind: Kind
    frame: pandas.DataFrame
    locate: Callable[[int], str] = lambda row: f"row {row + 1}"
    marks: tuple[str, str] = (",", ".")  # between the cells of CSV, and before decimals
    types: Mapping[str, Any] = field(default_factory=dict)  # of a frame of polars

    def error(self, message: str, row: int | None = None) -> TableError:
        """Return an error that names the table, and the place of the `row` if one is given."""
        return TableError(f"{self.name}: {message}" if row is None else f"{self.name}, {self.locate(row)}: {message}")


def read_sheet(source: Any) -> Sheet:
    """Return the columns of `source`: a path, "-" for standard input, or a frame of pandas or polars.

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
        return _checked(Sheet(name, "parquet", _from_parquet(name, content)))
    return _from_csv(name, content)


def numbers(sheet: Sheet, column: str) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN where one is missing. Raises TableError at a cell that is not a number."""
    cells = sheet.frame[column]
    if cells.dtype.kind == "M":
        raise sheet.error(f"{column or 'the first column'} holds dates, not numbers: choose another column")
    if cells.dtype == object:
        found = [_number(text, sheet.marks[1]) for text in cells]
        if None in found:
            what = f"{cells[row := found.index(None)].strip()[:40]!r}, not a number"
            raise sheet.error(f"{column} is {what}: correct it, or leave it empty", row)
        values = np.array(found, np.float64)
    else:
        values = cells.to_numpy(np.float64)
    if (wrong := np.abs(values) > LARGEST_VALUE).any():
        row = int(np.argmax(wrong))
        raise sheet.error(f"{column} is {values[row]:g}, beyond ±{LARGEST_VALUE:g}: correct it, or leave it empty", row)
    return values


def kind_of(sheet: Sheet, column: str) -> str:
    """Return "dates", "numbers" or "texts": what most of a column's first texts are; "numbers" if it is empty."""
    cells = sheet.frame[column]
    if cells.dtype != object:
        return "dates" if cells.dtype.kind == "M" else "numbers"
    filled = [text for text in cells.unique() if text.strip().upper() not in MISSING][:FIRST]
    numeric = sum(_number(text, sheet.marks[1]) is not None for text in filled)
    if numeric * 2 > len(filled) or not filled:
        return "numbers"
    return "dates" if sum(map(is_date, filled)) * 2 > len(filled) else "texts"


def _number(cell: str, decimal: str) -> float | None:
    """Return the number that a cell holds, NaN if it is missing; None if it is anything else."""
    if (cell := cell.strip()).upper() in MISSING:
        return np.nan
    cell = FLAGS.get(cell.upper(), cell)
    if decimal == "," and re.fullmatch(r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d+)?", cell):
        cell = cell.replace(".", "")  # between thousands
    try:
        return None if "_" in cell or ("." in cell and decimal == ",") else float(cell.replace(decimal, "."))
    except ValueError:
        return None


# ---- files


def _bytes(source: str | os.PathLike[str], name: str) -> bytes:
    """Return the whole content of a file or of standard input, unpacked. Raises TableError."""
    opened: Callable[[], Any] = partial(nullcontext, sys.stdin.buffer) if source == "-" else partial(open, source, "rb")
    try:
        with unpacked_bytes(Document(name, opened)) as file:
            head = file.read(2**16)
            if head.startswith(b"PK\x03\x04"):
                raise TableError(f"{name} is an Excel workbook or a ZIP archive: save its table as CSV")
            if b"\0" in head and not head.startswith((b"PAR1", *MARKS)):
                raise TableError(f"{name} is binary, not a table: {GIVE}")
            content = head + file.read(LARGEST + 1 - len(head))
    except FileNotFoundError:
        raise TableError(f"{name} does not exist: {GIVE}") from None
    except (OSError, EOFError, zlib.error) as error:  # the last two are of gzip
        raise TableError(f"cannot read {name}: {reason(error)}") from None
    _check_size(name, len(content))
    return content


def _check_size(name: str, size: int) -> None:
    if size > LARGEST:
        raise TableError(f"{name} has more than {LARGEST:,} bytes: give fewer series or shorter ones")


def _from_csv(name: str, content: bytes) -> Sheet:
    """Return the columns of a CSV file. The module csv reads it: pandas reports no short lines and no line numbers."""
    import pandas

    encoding = next((found for mark, found in MARKS.items() if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line, what = content.count(b"\n", 0, error.start) + 1, encoding.removesuffix("-sig").upper()
        raise TableError(f"{name}, line {line:,}: this is not {what}: save the file as UTF-8") from None
    if not text.strip():
        raise TableError(f"{name} is empty: give a table with a line of column names, such as unique_id,ds,y")
    # names in quotes may hold any separator, and the first name may be empty
    header_line = re.sub('"[^"]*"', "", text.lstrip("\r\n ").partition("\n")[0])
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        found = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise TableError(f"{name}, line {reader.line_num:,}: this is not CSV ({error}): check the quotes") from None
    header = [cell.strip() for cell in found[0][1]] if found else []
    if len(header) < 2:
        raise TableError(f"{name}: it has only one column: separate a date and a value on each line by a comma")
    if is_date(header[0]):
        raise TableError(f"{name}, line 1 looks like data: add a line of column names, such as unique_id,ds,y")
    for line, row in found[1:]:
        if len(row) != len(header):
            has = f"this line has {len(row):,} cells, and the first has {len(header):,}"
            raise TableError(f"{name}, line {line:,}: {has}: correct it, or check the separator")
    comma = delimiter != "," and re.search(r'(?m)(?:^|[;\t"]) *[-+]?[\d.]*,\d+ *(?=["\t;\r\n]|$)', text)
    frame = pandas.DataFrame([row for _, row in found[1:]], columns=header, dtype=object)
    marks = delimiter, "," if comma else "."
    return _checked(Sheet(name, "csv", frame, lambda row: f"line {found[row + 1][0]:,}", marks))


# ---- frames


def _from_parquet(name: str, content: bytes) -> pandas.DataFrame:
    """Return the columns of plain cells. Lists, records and fixed-length byte strings grow when unpacked: omit them."""
    check_installed(NEEDS_PYARROW.format(name), "pyarrow")
    import pyarrow as arrow
    from pyarrow import parquet

    large = (arrow.types.is_nested, arrow.types.is_fixed_size_binary)
    try:
        schema, facts = parquet.read_schema(io.BytesIO(content)), parquet.read_metadata(io.BytesIO(content))
        plain = [one.name for one in schema if not any(is_large(one.type) for is_large in large)]
        groups = [facts.row_group(k) for k in range(facts.num_row_groups)]
        _check_size(name, max(CELL * len(plain) * facts.num_rows, sum(one.total_byte_size for one in groups)))
        table = parquet.read_table(io.BytesIO(content), columns=plain, read_dictionary=plain)
        return table.to_pandas(date_as_object=False, ignore_metadata=True)
    except (arrow.ArrowException, OSError) as error:
        what = str(error).splitlines()[0][:80]
        raise TableError(f"{name} is a damaged Parquet file ({what}): make it again") from None


def _from_library(library: Any, frame: Any) -> Sheet:
    frame = frame.to_frame(frame.name or "y") if type(frame).__name__ == "Series" else frame
    frame = frame.collect() if type(frame).__name__ == "LazyFrame" else frame
    if type(frame).__name__ != "DataFrame":
        raise TableError(f"give a DataFrame of {library}, not {type(frame).__name__}")
    if library == "polars":
        return _checked(Sheet("the frame", library, frame.to_pandas(), types=frame.schema))
    index = frame.index
    if index.dtype.kind not in "iu" or any(name is not None for name in index.names):  # more than row numbers
        frame = frame.reset_index(names=[("ds" if name is None else str(name)) for name in index.names])
    return _checked(Sheet("the frame", library, frame.reset_index(drop=True)))


def _checked(sheet: Sheet) -> Sheet:
    """Return the sheet with texts, numbers or dates in each column, and without columns that have neither a name nor
    content. Raises TableError."""
    frame = sheet.frame.set_axis([str(name) for name in sheet.frame], axis="columns")
    frame = frame.iloc[:, [k for k, name in enumerate(frame) if k == 0 or name or any(frame.iloc[:, k])]]
    if (twice := frame.columns.duplicated()).any():
        raise sheet.error(f"two columns are named {frame.columns[twice.argmax()]!r}: rename one")
    if not frame.size:
        raise sheet.error("it has no rows: add one per date")
    return replace(sheet, frame=frame if sheet.kind == "csv" else frame.apply(_column))  # csv reads texts alone


def _column(cells: pandas.Series) -> pandas.Series:
    cells = cells.dt.to_timestamp() if cells.dtype.name.startswith("period") else cells
    if cells.dtype.kind == "M":
        return cells
    if cells.dtype.kind in "iufb":
        whole = cells.dtype.kind != "f" and not cells.isna().any()
        return cells.astype(np.int64) if whole else cells.astype(np.float64)
    texts = cells.map(str, na_action="ignore").astype(object)
    return texts.where(texts.notna(), "")
