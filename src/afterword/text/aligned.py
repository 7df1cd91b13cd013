"""Text for people: facts as they are read, and columns that are aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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
