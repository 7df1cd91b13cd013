"""One step's data, and what any source of it can do.

Arrays are time-major, [T, B], as the LSTM kernels like them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer[Any]]

NOT_A_TARGET = -100  # what torch's cross-entropy passes over: padding behind the end of a line


@dataclass(frozen=True)
class Batch:
    """One step's data.

    inputs, targets: int64 [T, B]; a target of `NOT_A_TARGET` costs nothing.
    fresh: bool [B], the columns whose carried state must be emptied first.
    weight: what the summed cost is divided by. It never depends on what else is in the batch, so a line's gradient
        does not depend on its neighbours.
    tokens: how many targets count.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    weight: float
    tokens: int

    def of_lanes(self, lanes: slice) -> Batch:
        """The columns `lanes`, with the weight and the tokens of the whole."""
        return Batch(self.inputs[:, lanes], self.targets[:, lanes], self.fresh[lanes], self.weight, self.tokens)


class Batches(Protocol):
    """An endless source of batches that can say where it is."""

    def next(self) -> Batch: ...

    @property
    def position(self) -> dict[str, Any]: ...

    @position.setter
    def position(self, value: dict[str, Any]) -> None: ...
