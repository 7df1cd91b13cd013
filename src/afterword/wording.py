"""Text for people: facts and names as they are read, columns that are aligned, text that steers no terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # no tab, no newline
NAMED = 3  # names that a list of them has, if there are many


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


def escaped(text: str) -> str:
    """Return `text` with its control characters spelled out: ESC is \\u001b, as JSON reads it back.

    Those that change the direction of text are among them, since they would reverse what follows on a terminal's line.
    Letters that are written from right to left stay.
    """
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable(text: str, stream: IO[Any] | None = None) -> str:
    """Return `text` as it is printed on `stream`, by default standard output."""
    return escaped(text) if (stream or sys.stdout).isatty() else text


def has_colours() -> bool:
    """Return whether standard output shows colours."""
    from rich.console import Console

    console = Console()
    return console.color_system is not None and not console.no_color


def aligned(rows: Sequence[Sequence[str]], sides: str) -> str:
    """Return `rows` as lines of columns; `sides` has < or > for each column."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]

    def padded(cell: str, width: int, side: str) -> str:
        space = " " * (width - _width(cell))
        return space + cell if side == ">" else cell + space

    return "\n".join("  ".join(map(padded, row, widths, sides)).rstrip() for row in rows)


def _width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # here, because it takes time to load

    return cell_len(text)


def listed_names(names: Iterable[str]) -> str:
    """Return the names in order. If there are many, only the first few and the number of others."""
    first, *more = sorted(names)
    if len(more) < NAMED:
        return " and ".join(filter(None, [", ".join([first, *more[:-1]]), *more[-1:]]))
    return f"{', '.join([first, *more[: NAMED - 1]])} and {len(more) - NAMED + 1} more"


def with_article(kind: str) -> str:
    """Return the name of a kind of file with its article: "a Word document", "an EPUB book"."""
    return f"{'an' if kind.startswith((*'AEIOU', 'HTML')) else 'a'} {kind}"


def count_of(number: int, one: str) -> str:
    """Return `number` with its noun: "1 character", "2,000 characters"."""
    return f"{number:,} {one}" + "s" * (number != 1)
