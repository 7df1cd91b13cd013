"""Inspections: what they look into (`Inspected`) and what they return (`Finding`).

An inspection is a function whose first two arguments are an `Inspected` and a text. One line in `LanguageModel` makes
it a method.
"""

from __future__ import annotations

import dataclasses
import html
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from afterword.errors import ModelError
from afterword.model.arrays import Array, Floats, Ids
from afterword.model.network.network import Network
from afterword.text.aligned import aligned
from afterword.text.tokenizer import Tokenizer


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


class Inspected(Protocol):
    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def lines(self) -> bool:
        """True if it reads single lines, each from a fresh state."""

    @property
    def is_held(self) -> bool:
        """True if any part of its network is held at a value."""

    def network(self, held: Annotated[Array, "L 6 H"] | None = None) -> Network:
        """Return its network without the n-gram; `held` as in `holding`, in addition to its own."""

    def network_bits(self, text: str, held: Array | None = None) -> float:
        """Return the cost of `text` for that network, in bits per character."""

    def input_gradients(
        self, ids: Annotated[Ids, "N T"], steps: int
    ) -> Iterator[tuple[slice, Annotated[Floats, "lanes steps"]]]:
        """Do as `learning.gradients.input_gradients`, for the tokenizer's `ids`. Needs PyTorch."""


def carried_network(model: Inspected) -> Network:
    """Return the network of `model`. Raises ModelError for a classic model, whose network carries no state."""
    network = model.network()
    if network.config.window:
        raise ModelError(
            f"a classic model reads its last {network.config.window} characters anew for each one: inspect another"
        )
    return network
