"""What an inspection is given: a model, as far as inspections look into it. `LanguageModel` is one.

An inspection is a function whose first two arguments are an `Inspected` and a text. One line in `LanguageModel` makes
it a method. One that returns a `Finding`, and takes `on_progress` beside, is then an option of `afterword inspect` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array
from afterword.model.network import Network
from afterword.text.tokenizer import Tokenizer

OnProgress = Callable[[float], object]
"""Is called now and then with the fraction of the work that is done."""


def unheard(fraction: float) -> None:
    """The `OnProgress` of those who do not ask."""


class Inspected(Protocol):
    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def lines(self) -> bool:
        """Whether it knows lines alone, each from a fresh state."""

    @property
    def is_held(self) -> bool:
        """Whether any part of its network is held at a value."""

    def network(self, held: Array | None = None) -> Network:
        """Its network without the n-gram; `held` [L, 6, H] as in `model.holding`, beside what is held anyway."""

    def network_bits(self, text: str, held: Array | None = None) -> float:
        """What `text` costs that network, in bits per character."""

    def input_gradients(self, ids: NDArray[np.integer[Any]], steps: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """See `learning.gradients.input_gradients`; this takes the tokenizer's ids [N, T]. Needs PyTorch."""
