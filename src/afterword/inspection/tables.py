"""Tables of results: one list of rows, for a terminal, a plain stream and a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence


def as_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns; the last column is on the left of its place, numbers and all others on the right."""
    from rich.cells import cell_len  # here, because this file is loaded with every model

    widths = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [" " * (width - cell_len(cell)) + cell for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join((*cells, row[-1])).rstrip())
    return "\n".join(lines)


def as_html(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table for a notebook."""
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    )
