"""What an inspection returns: a table. An inspection is a function of a model and a text."""

from __future__ import annotations

import dataclasses
import html
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from afterword.wording import aligned


@dataclass(frozen=True, repr=False)
class Finding(ABC):
    """A table with a caption. `print` shows it as text, and a notebook draws it."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """The subject of the table, in one or a few lines."""

    @property
    def foot(self) -> str:
        """A line below the table, if there is one."""
        return ""

    @property
    @abstractmethod
    def head(self) -> Sequence[str]:
        """The titles of the columns."""

    @abstractmethod
    def rows(self) -> Sequence[Sequence[str]]:
        """Return the table, one cell per column."""

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        table = aligned([self.head, *self.rows()], ">" * (len(self.head) - 1) + "<")
        return "\n".join((self.caption, table, *filter(None, [self.foot])))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<pre style="line-height: 1.2">{html.escape(str(self))}</pre>'
