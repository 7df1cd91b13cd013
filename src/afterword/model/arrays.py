"""The types of the arrays that packages exchange, and the rounding of weights to one byte each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Weights, states, logits and probabilities of a network or an n-gram model."""

Ids = NDArray[np.integer[Any]]
"""Numbers of tokens: ids of the tokenizer, or rows of the network."""

Weights = Mapping[str, Array]
"""The weights of a network, by name."""


def in_bytes(weight: Array, axis: int = -1, largest: float = 127) -> tuple[NDArray[np.int8], Array]:
    """Round `weight` to whole multiples of a scale for each vector along `axis`; return the multiples and the scales.

    A vector's largest magnitude becomes `largest`. If multiples · scales are rounded again, both come back bit for bit.
    """
    scale = np.abs(weight).max(axis=axis) / np.float32(largest)
    scale[scale < np.finfo(np.float32).tiny] = 1  # a vector of zeros, or nearly
    return np.rint(weight / np.expand_dims(scale, axis)).astype(np.int8), scale
