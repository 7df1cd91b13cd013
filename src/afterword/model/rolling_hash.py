"""Polynomial hashes of sequences: Σ (symbol + 1) · factor^place, modulo 2^64.

NumPy computes them for every prefix or every window of a sequence at once; `RollingHash` computes them one symbol at a
time. Different sequences can have the same hash.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

MODULUS = 2**64
FACTOR = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64

Hashes = NDArray[np.uint64]


class RollingHash:
    """The hash of a sequence that grows at its end and shrinks at its start."""

    def __init__(self, factor: int = FACTOR) -> None:
        """`factor` is odd."""
        self.value, self._power = 0, 1
        self._factor, self._inverse = factor, pow(factor, -1, MODULUS)

    def push(self, symbol: int) -> None:
        """Append `symbol`."""
        self.value = self.after(symbol)
        self._power = self._power * self._factor % MODULUS

    def after(self, symbol: int) -> int:
        """Return what the hash would be with `symbol` appended."""
        return (self.value + (symbol + 1) * self._power) % MODULUS

    def extend(self, symbols: Annotated[NDArray[np.integer], "N"]) -> None:
        """Append `symbols`."""
        if len(symbols):
            self.value = (self.value + self._power * int(prefix_hashes(symbols, self._factor)[-1])) % MODULUS
            self._power = self._power * pow(self._factor, len(symbols), MODULUS) % MODULUS

    def drop(self, first: int) -> None:
        """Remove the `first` symbol."""
        self.value = (self.value - first - 1) * self._inverse % MODULUS
        self._power = self._power * self._inverse % MODULUS


def prefix_hashes(symbols: Annotated[NDArray[np.integer], "N"], factor: int = FACTOR) -> Annotated[Hashes, "N"]:
    """Return the hash of each beginning of `symbols`, from one symbol on."""
    hashes: Hashes = symbols.astype(np.uint64) + np.uint64(1)
    hashes *= _powers(factor, len(symbols))
    return hashes.cumsum(dtype=np.uint64)


def window_hashes(symbols: Annotated[NDArray[np.integer], "N"], length: int) -> Annotated[Hashes, "_"]:
    """Return the hash of each window of `length` symbols: N - length + 1, or none if N is less."""
    count = max(0, len(symbols) - length + 1)
    sums = np.concatenate([[np.uint64(0)], prefix_hashes(symbols)])
    hashes: Hashes = (sums[length:] - sums[:count]) * _powers(pow(FACTOR, -1, MODULUS), count)
    return hashes


def _powers(factor: int, count: int) -> Hashes:
    powers = np.full(count, factor, np.uint64)
    powers[:1] = 1
    return powers.cumprod(dtype=np.uint64)
