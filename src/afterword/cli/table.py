"""Rows of figures, printed as they come: in columns for people, as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json

Row = dict[str, Any]


class Marked(str):
    """Text that is ready for the terminal, with colours in it."""


def printed(tables: Iterable[list[Row]], as_json: bool, said: Mapping[str, Any]) -> Iterator[list[Row]]:
    """Print each table as it comes, the first one below the columns' names; what is `said` of all rows, in JSON only.

    Yields the tables.
    """
    header = True
    for table in tables:
        if as_json:
            for row in table:
                print(strict_json({**row, **said}))
        else:
            _print_columns(table, header)
            header &= not table
        sys.stdout.flush()
        yield table


def _print_columns(rows: list[Row], header: bool) -> None:
    """Columns under their names; texts and names of files come last, since they can be long."""
    for row in rows:
        columns = sorted(row, key=lambda name: name in ("text", "file"))
        if header:
            print("  ".join(_head(name, row[name]) for name in columns))
            header = False
        print("  ".join(_cell(name, row[name]) for name in columns))


def _cell(name: str, value: Any) -> str:
    if name in ("text", "file"):
        return value if isinstance(value, Marked) else shown(str(value))
    text = f"{value:.4f}" if isinstance(value, float) else "-" if value is None else shown(str(value))
    return text.rjust(max(len(_title(name)), 8))


def _head(name: str, value: Any) -> str:
    """The name of a column above its first value."""
    title = _cell(name, _title(name))
    return title if name in ("text", "file") else title.rjust(len(_cell(name, value)))


def _title(name: str) -> str:
    return name.replace("_per_", "/")
