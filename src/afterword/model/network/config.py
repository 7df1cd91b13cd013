"""The shape of a network: its sizes, and the names and shapes of the weights that follow from them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.model.arrays import Array, Floats, Weights
from afterword.model.network.cells import CELLS, Cell, CellKind

# Far above anything that trains here, and small enough that no product of them overflows or asks for absurd memory.
Rows = Annotated[int, Meta(ge=1, le=2**21)]  # Unicode has 1,114,112 code points
Shared = Annotated[int, Meta(ge=1, le=256)]
Units = Annotated[int, Meta(ge=1, le=2**16)]
Layers = Annotated[int, Meta(ge=1, le=2**6)]
Window = Annotated[int, Meta(ge=0, le=2**16)]
LARGEST_WEIGHT = 1e6  # a trained one is below 100; from smaller ones no step can make a number that is not finite


@dataclasses.dataclass(frozen=True)
class Config:
    """The shape of a network."""

    vocabulary_size: Rows
    """R, the rows of the embedding and of the softmax."""
    byte_tokens: Shared
    """The number of the tokenizer's last ids that share the last row: 256 byte tokens, or 1 if none are shared."""
    embedding_size: Units
    hidden_size: Units
    num_layers: Layers
    cell: Cell = "lstm"
    """The kind of a layer's cells, by its name in `CELLS`."""
    residual: bool = False
    """True if a layer above the first returns x + lstm(x)."""
    input: Literal["embedding", "number"] = "embedding"
    """How a token is read: as its row of the embedding, or as the one number row ÷ R (the classic recipe)."""
    window: Window = 0
    """The number of tokens that each prediction reads from an empty state (50 in the classic recipe); 0: the state is
    carried."""

    def __post_init__(self) -> None:
        if self.input == "number" and self.embedding_size != 1:
            raise ValueError(f"embedding_size must be 1 if a token is read as a number, not {self.embedding_size}")

    @property
    def kind(self) -> CellKind:
        """All that depends on the kind of the cells."""
        return CELLS[self.cell]

    @property
    def network(self) -> str:
        """The network in a few characters, such as 2 × 256 LSTM."""
        return f"{self.num_layers} × {self.hidden_size} {self.kind.name}"

    def shared_row_nats(self, rows: Annotated[NDArray[np.integer[Any]], "..."]) -> Annotated[Floats, "..."]:
        """Return the nats that each token costs beyond its row.

        Tokens that share the last row each have an equal part of its probability, so that P sums to 1 over all V.
        """
        return np.where(rows == self.vocabulary_size - 1, math.log(self.byte_tokens), 0.0)

    @property
    def parameters(self) -> int:
        """The number of learned weights. The classic recipe leaves the second biases at zero."""
        fixed = f"{self.cell}.bias_hh" if self.input == "number" else "-"
        return sum(math.prod(shape) for name, shape in weight_shapes(self).items() if not name.startswith(fixed))


def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its name in torch; a layer's first sizes are those of its cell's `blocks`."""
    rows, embedding, hidden = config.vocabulary_size, config.embedding_size, config.hidden_size
    name, sums = config.cell, len(config.kind.blocks) * hidden
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (rows, embedding)} if config.input == "embedding" else {}
    for layer in range(config.num_layers):
        shapes[f"{name}.weight_ih_l{layer}"] = (sums, hidden if layer else embedding)
        shapes[f"{name}.weight_hh_l{layer}"] = (sums, hidden)
        shapes[f"{name}.bias_ih_l{layer}"] = (sums,)
        shapes[f"{name}.bias_hh_l{layer}"] = (sums,)
    return shapes | {"output.weight": (rows, hidden), "output.bias": (rows,)}


def embedding_of(config: Config, weights: Weights) -> Annotated[Array, "R _"]:
    """Return the first layer's input for each row: its row of the embedding, or the number row ÷ R."""
    R = config.vocabulary_size
    numbers = (np.arange(R)[:, None] / R).astype(np.float32)
    return weights["embedding.weight"] if config.input == "embedding" else numbers


def check_weights(config: Config, weights: Mapping[str, np.ndarray]) -> None:
    """Raise ModelError unless `weights` are exactly those of `config`: names, shapes, float32, finite."""
    shapes = weight_shapes(config)
    for name in sorted(shapes.keys() ^ weights.keys()):
        raise ModelError(f"{name} is missing" if name in shapes else f"{name[:80]!r} is unknown")
    for name, shape in shapes.items():
        weight = weights[name]
        if weight.shape != shape:
            raise ModelError(f"{name} has the shape {list(weight.shape)}, not {list(shape)}")
        if weight.dtype != np.float32:
            raise ModelError(f"{name} holds {weight.dtype}, not float32")
        if not (weight.min() >= -LARGEST_WEIGHT and weight.max() <= LARGEST_WEIGHT):  # nor nan
            raise ModelError(f"{name} holds numbers that are not finite, or beyond {LARGEST_WEIGHT:,.0f}")
