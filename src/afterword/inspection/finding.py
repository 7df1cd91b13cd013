"""What an inspection finds: a table, wherever it is shown, and a record for JSON."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

WIDEST = 10_000  # columns of text; a table is as wide as it is, and who shows it may cut it


class Finding(ABC):
    """A table with a caption. It prints itself, and draws itself in a notebook."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """What the table is of, in a line or a few."""

    @property
    @abstractmethod
    def head(self) -> Sequence[str]:
        """The titles of the columns."""

    @abstractmethod
    def rows(self) -> Sequence[Sequence[str]]:
        """The table: one cell per column."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""

    def __str__(self) -> str:
        from rich.console import Console  # here, because this file is loaded with every model
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for k, title in enumerate(self.head):
            table.add_column(title, justify="left" if k == len(self.head) - 1 else "right", no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        console = Console(width=WIDEST, color_system=None, markup=False, emoji=False, highlight=False)
        with console.capture() as captured:
            console.print(table)
        return "\n".join((self.caption, *(line.rstrip() for line in captured.get().splitlines())))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f'<pre style="line-height: 1.2">{html.escape(str(self))}</pre>'
