"""Printing text, notes, JSON and tables.

On a terminal, control characters are spelled out, so that no text can steer it; pipes and files get text unchanged.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from afterword.learning.ranks import rank

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def escaped(text: str) -> str:
    """Return `text` with its control characters spelled out: ESC is \\u001b, as JSON reads it back."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(text: str, stream: IO[Any] | None = None) -> str:
    """Return `text` as it is printed on `stream`, by default standard output."""
    return escaped(text) if (stream or sys.stdout).isatty() else text


def say(line: str) -> None:
    """Print `line` on standard error, on the first of several ranks. If nobody reads it, work continues."""
    if rank() == 0:
        with contextlib.suppress(OSError):
            print(shown(line, sys.stderr), file=sys.stderr, flush=True)


def note(*notes: str) -> None:
    """Print each of `notes` on standard error."""
    for one in notes:
        say(f"note: {one}")


def readable(value: Any) -> str:
    """Return a fact as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(readable(part) for part in value)
    return str(value)


def aligned(rows: Sequence[Sequence[str]], sides: str) -> str:
    """Return `rows` as lines of columns; `sides` has < or > for each column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return "\n".join(line.format(*row).rstrip() for row in rows)


def strict_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON, on one line without an `indent`. Numbers that are not finite are null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError:  # rare; a check beforehand would take longer than writing a large trace
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return escaped(text)  # JSON allows some control characters, and a terminal would obey them


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


Row = dict[str, Any]
TITLES = {  # of columns whose names in JSON are not plain words
    "best": "likeliest",
    "free_bits_per_character": "with nothing held",
    "p_value": "p-value",
    "ratio_bits": "ratio, bits",
}


class Marked(str):
    """Text for the terminal that has colours in it and is printed unchanged."""


def has_colours() -> bool:
    """Return whether standard output shows colours."""
    from rich.console import Console

    console = Console()
    return console.color_system is not None and not console.no_color


def printed(tables: Iterable[list[Row]], as_json: bool, facts: Mapping[str, Any]) -> Iterator[list[Row]]:
    """Print each table as it comes, the first one below the columns' names, and yield it. JSON adds `facts` to each
    row."""
    header = True
    for table in tables:
        for row in table:
            if as_json:
                print(strict_json({**row, **facts}))
                continue
            columns = sorted(row, key=lambda name: name in ("text", "file"))  # last, since they can be long
            if header:
                print("  ".join(_head(name, row[name]) for name in columns))
                header = False
            print("  ".join(_cell(name, row[name]) for name in columns))
        sys.stdout.flush()
        yield table


def _cell(name: str, value: Any) -> str:
    if name in ("text", "file"):
        return value if isinstance(value, Marked) else shown(str(value))
    if isinstance(value, float):
        text = f"{value:.4f}"
    else:
        text = readable(value) if value is None or isinstance(value, bool) else shown(str(value))
    return text.rjust(max(len(_title(name)), 8))


def _head(name: str, value: Any) -> str:
    """Return the name of a column, aligned with its first value."""
    title = _cell(name, _title(name))
    return title if name in ("text", "file") else title.rjust(len(_cell(name, value)))


def _title(name: str) -> str:
    return TITLES.get(name) or re.sub(r"^bits_(?=\d)", "bits of model ", name).replace("_", " ")
