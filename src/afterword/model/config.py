"""What a network is: its sizes, and the names and shapes of the weights that follow from them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from afterword.errors import ModelError

CELLS = ("lstm", "rnn")
INPUTS = ("embedding", "number")
LARGEST_WINDOW = 2**16

# Far above anything that trains here, and small enough that no product of them overflows or asks for absurd memory.
LARGEST = {
    "vocabulary_size": 2**21,  # Unicode has 1,114,112 code points
    "byte_tokens": 256,
    "embedding_size": 2**16,
    "hidden_size": 2**16,
    "num_layers": 2**6,
}


@dataclasses.dataclass(frozen=True)
class Config:
    """The shape of a network. Raises ModelError for a value that no network can have."""

    vocabulary_size: int
    """R, the rows of the embedding and of the softmax."""
    byte_tokens: int
    """How many of the tokenizer's last ids share the last row: 256 byte tokens, or 1 where none are shared."""
    embedding_size: int
    hidden_size: int
    num_layers: int
    cell: str = "lstm"
    """What a layer is made of: LSTM cells, or the plain tanh units that they are compared with."""
    residual: bool = False
    """Whether a layer above the first gives x + lstm(x)."""
    input: str = "embedding"
    """What stands for a token: its row of the embedding, or the one number row ÷ R (the classic recipe)."""
    window: int = 0
    """How many tokens each prediction reads from an empty state (the classic recipe's 50); 0: the state is carried."""

    def __post_init__(self) -> None:
        for name, largest in LARGEST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= largest:  # bool is an int to isinstance
                raise ModelError(f"{name} must be a whole number from 1 to {largest}, not {str(value)[:40]}")
        if self.cell not in CELLS:
            raise ModelError(f"cell must be one of {', '.join(CELLS)}, not {str(self.cell)[:40]}")
        if self.input not in INPUTS:
            raise ModelError(f"input must be one of {', '.join(INPUTS)}, not {str(self.input)[:40]}")
        if self.input == "number" and self.embedding_size != 1:
            raise ModelError(f"embedding_size must be 1 where a number stands for a token, not {self.embedding_size}")
        if type(self.window) is not int or not 0 <= self.window <= LARGEST_WINDOW:
            raise ModelError(f"window must be a whole number from 0 to {LARGEST_WINDOW}, not {str(self.window)[:40]}")
        if type(self.residual) is not bool:
            raise ModelError(f"residual must be true or false, not {str(self.residual)[:40]}")

    @property
    def network(self) -> str:
        """The network in a few characters, as people call it: 2 × 256 LSTM."""
        return f"{self.num_layers} × {self.hidden_size} {self.cell.upper()}"

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold that are learned. The classic recipe leaves the second biases at zero."""
        fixed = "lstm.bias_hh" if self.input == "number" else "-"
        return sum(math.prod(shape) for name, shape in weight_shapes(self).items() if not name.startswith(fixed))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """The configuration in a file's `values`, other keys passed over. Raises ModelError where one is missing."""
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise ModelError(f"{missing[0]} is missing")
        return cls(**{name: values[name] for name in names})


def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight, named as in torch; 4H is the four gates, as `cell.GATES` (a plain RNN: H)."""
    rows, embedding, hidden = config.vocabulary_size, config.embedding_size, config.hidden_size
    name, sums = config.cell, 4 * hidden if config.cell == "lstm" else hidden
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (rows, embedding)} if config.input == "embedding" else {}
    for layer in range(config.num_layers):
        shapes[f"{name}.weight_ih_l{layer}"] = (sums, hidden if layer else embedding)
        shapes[f"{name}.weight_hh_l{layer}"] = (sums, hidden)
        shapes[f"{name}.bias_ih_l{layer}"] = (sums,)
        shapes[f"{name}.bias_hh_l{layer}"] = (sums,)
    return shapes | {"output.weight": (rows, hidden), "output.bias": (rows,)}


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
        if not np.isfinite(weight).all():
            raise ModelError(f"{name} holds numbers that are not finite")
