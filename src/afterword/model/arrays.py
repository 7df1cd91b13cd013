"""The types of the arrays that packages exchange, the memory for them, and the rounding of weights to one byte each."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Weights, states, logits and probabilities of a network or an n-gram model."""

Floats = NDArray[np.float64]
"""Costs, and what is computed from probabilities."""

Ids = NDArray[np.integer[Any]]
"""Numbers of tokens: ids of the tokenizer, or rows of the network."""

Weights = Mapping[str, Array]
"""The weights of a network, by name."""

Tensors = dict[str, NDArray[Any]]
"""The arrays of a file, by name."""

THREAD = 16 << 20  # bytes that a new thread needs: its stack, and room for its first objects


def check_fits(size: int) -> None:
    """Raise MemoryError unless `size` more bytes fit in memory."""
    try:
        mmap.mmap(-1, size).close()
    except OSError:
        raise MemoryError from None


def check_threads_fit(number: int) -> None:
    """Raise MemoryError unless `number` new threads fit in memory.

    Python waits forever for the start of a thread that finds no memory for its first objects.
    """
    check_fits(number * THREAD)


def in_bytes(weight: Array, axis: int = -1, largest: float = 127) -> tuple[NDArray[np.int8], Array]:
    """Round `weight` to whole multiples of a scale for each vector along `axis`; return the multiples and the scales.

    A vector's largest magnitude becomes `largest`. If multiples · scales are rounded again, both come back bit for bit.
    """
    scale = np.abs(weight).max(axis=axis) / np.float32(largest)
    scale[scale < np.finfo(np.float32).tiny] = 1  # a vector of zeros, or nearly
    return np.rint(weight / np.expand_dims(scale, axis)).astype(np.int8), scale
