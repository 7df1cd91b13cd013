"""Printing text, notes, JSON and tables.

On a terminal, control characters are spelled out, so that no text can steer it or reverse our words. Pipes and files
get text unchanged.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from afterword.learning.ranks import rank
from afterword.operations.operation import Record, Request, Show
from afterword.operations.work import Work
from afterword.wording import aligned, escaped, printable, readable


def say(line: str) -> None:
    """Print `line` on standard error, on the first of several ranks. If nobody reads it, work continues."""
    if rank() == 0:
        with contextlib.suppress(OSError):
            print(printable(line, sys.stderr), file=sys.stderr, flush=True)


def strict_json(value: Any) -> str:
    """Return `value` as JSON, on one line. Numbers that are not finite are null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # rare; a check beforehand would take longer than writing a large trace
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    return escaped(text)  # JSON allows some control characters, and a terminal would obey them


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


TITLES = {  # of columns whose names in JSON are not plain words
    "best": "likeliest",
    "free_bits_per_character": "with nothing held",
    "p_value": "p-value",
    "ratio_bits": "ratio, bits",
}
FIRST, LAST = ("model", "unique_id"), ("text", "best", "file")  # columns; the last can be long
TABLE, JSON, CSV = "table", "json", "csv"


def printed(answer: Any, form: str, request: Request, show: Show | None, work: Work) -> Iterator[Record]:
    """Print the records of `answer` as they come, in the `form` of a table, lines of JSON, or CSV; yield each one.

    A table or CSV has the names of its columns above the first row. These names, and the keys of JSON, come from the
    kind of rows that the operation announced to its `work`. In the form of a table, an answer with a `show` of its own
    is printed by it, and a record with a text as that text. If there may be rows, the record of the whole
    is left out. An answer of another kind, such as a model, prints nothing.
    """
    records = answer if isinstance(answer, Iterator) else iter([answer] if isinstance(answer, Record) else [])
    if form == TABLE and show is not None:
        yield from show(records, request, work)
        return
    table: _Table | None = None
    has_rows = False
    for record in map(work.filled, records):
        yield record
        has_rows |= record.rows is not None or work.row_kind is not None
        if has_rows and record.rows is None:
            continue
        row = record.to_dict()
        if form == JSON:
            print(strict_json(row), flush=True)
        elif form == TABLE and record.has_text():
            print(printable(str(record)), flush=True)
        else:
            table = table or _Table(type(record), form, work.blank or row, row)
            table.add(row)
    if table is None and work.row_kind and form != JSON and not (form == TABLE and work.row_kind.has_text()):
        table = _Table(work.row_kind, form, work.blank, work.blank)
    if table and table.waiting:
        print(aligned(table.waiting, ">" * len(table.columns)))


class _Table:
    """A table or CSV of one kind of record. Its header is printed first."""

    def __init__(self, kind: type[Record], form: str, like: Mapping[str, Any], first: Mapping[str, Any]) -> None:
        self._kind, self._form, self._like = kind, form, like
        self.waiting: list[Sequence[str]] = []
        """The few lines of a small table, printed when all are complete, in columns as wide as their content."""
        names = [name for name in self._flat(like) if form == CSV or name not in kind.in_json]
        self.columns = names if form == CSV else sorted(names, key=_place)
        wide = self._flat(first)
        self._line(self.columns if form == CSV else [_head(name, wide[name]) for name in self.columns])

    def add(self, row: Mapping[str, Any]) -> None:
        """Print a row."""
        flat = self._flat(row)
        values = [flat.get(name) for name in self.columns]
        self._line(values if self._form == CSV else [*map(_cell, self.columns, values)])

    def _line(self, cells: Sequence[Any]) -> None:
        if self._kind.few and self._form == TABLE:
            self.waiting.append(cells)
        else:
            print(_csv(cells) if self._form == CSV else "  ".join(cells), flush=True)

    def _flat(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row without objects in it. An object becomes a column per key. A list of objects becomes numbered
        columns, as many as the kind's `widths` says."""
        found: dict[str, Any] = {}
        for name, value in row.items():
            if name in self._kind.widths:
                keys, each = get_args(get_type_hints(self._kind)[name])[0].__struct_fields__, value or []
                for number in range(self._kind.widths[name]):
                    one = each[number] if number < len(each) else {}
                    found |= {f"{key}_{number + 1}": one.get(key) for key in keys}
            elif isinstance(self._like.get(name), dict):
                found |= {f"{name} {key}": (value or {}).get(key) for key in self._like[name]}
            else:
                found[name] = value
        return found


def _place(name: str) -> int:
    """Return the place of a column in a table, compared with others."""
    return LAST.index(name) + 1 if name in LAST else -(name in FIRST)


def _csv(values: Sequence[Any]) -> str:
    line = io.StringIO()
    cells = [strict_json(value) if isinstance(value, list | tuple | dict) else value for value in values]
    csv.writer(line, lineterminator="\n").writerow(cells)
    return printable(line.getvalue().removesuffix("\n"))


def _cell(name: str, value: Any) -> str:
    if name in LAST:
        return printable(str(value))
    if isinstance(value, float):
        text = f"{value:.4f}"
    else:
        text = readable(value) if value is None or isinstance(value, bool) else printable(str(value))
    return text.rjust(max(len(_title(name)), 8))


def _head(name: str, value: Any) -> str:
    """Return the name of a column, aligned with its first value."""
    title = _cell(name, _title(name))
    return title if name in LAST else title.rjust(len(_cell(name, value)))


def _title(name: str) -> str:
    return TITLES.get(name) or (name if " " in name else name.replace("_", " "))
