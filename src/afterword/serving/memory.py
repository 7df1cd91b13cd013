"""States of texts that were read or written lately, so that one that begins with such a text goes on from there.

An LSTM's state is a few kilobytes, whatever it has read: every point of a text can keep its own. A point is found by a
number that stands for all tokens before it, Σ (id + 1) · BASE^place modulo 2^64, which NumPy computes for every
beginning of a text at once. Different texts can have one number, so what is found is compared by a digest.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.generation.reading import Reading
from afterword.model.arrays import Ids
from afterword.model.network import Network

NETWORKS = 4  # whose states are kept: beside them each keeps its weights
OVERHEAD = 1000  # bytes of a reading's records, about
MODULUS = 2**64
BASE = secrets.randbits(64) | 1


class _Kept(NamedTuple):
    reading: Reading
    digest: bytes
    size: int


Shelf = OrderedDict[int, _Kept]  # the readings of one network, those used last at the end


class Memory:
    """The last readings, up to so many bytes. It belongs to one thread."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._shelves: OrderedDict[int, Shelf] = OrderedDict()

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    def longest(self, network: Network, ids: Ids) -> tuple[Trail, Reading | None]:
        """The longest beginning of ids [T] that is known, and what was known after it."""
        shelf = self._shelves.get(id(network), OrderedDict())
        numbers = _numbers(ids).tolist() if shelf else []
        for length in range(len(numbers), 0, -1):
            kept = shelf.get(numbers[length - 1])
            if kept is not None:
                trail = Trail()
                trail.extend(ids[:length])
                if trail.digest == kept.digest:
                    self._shelf(network).move_to_end(trail.number)
                    return trail, kept.reading
        return Trail(), None

    def keep(self, trail: Trail, reading: Reading) -> None:
        """What is known after the tokens of `trail`."""
        shelf = self._shelf(reading.network)
        if trail.number in shelf:
            shelf.move_to_end(trail.number)
            return
        # copies, since a view would keep all that it is a part of
        logits, hidden, cell = map(np.array, (reading.logits, reading.state.hidden, reading.state.cell))
        size = logits.nbytes + hidden.nbytes + cell.nbytes + OVERHEAD
        state = reading.state._replace(hidden=hidden, cell=cell)
        shelf[trail.number] = _Kept(Reading("", logits, state, reading.network), trail.digest, size)
        self._size += size
        while self._size > self._most or len(self._shelves) > NETWORKS:
            self._forget()

    def _shelf(self, network: Network) -> Shelf:
        shelf = self._shelves.setdefault(id(network), OrderedDict())  # what it holds keeps that number from another one
        self._shelves.move_to_end(id(network))
        return shelf

    def _forget(self) -> None:
        """The oldest reading of the network that was used least lately."""
        oldest = next(iter(self._shelves))
        shelf = self._shelves[oldest]
        if shelf:
            self._size -= shelf.popitem(last=False)[1].size
        if not shelf:
            del self._shelves[oldest]


class Trail:
    """The tokens that a network has read since a start."""

    def __init__(self) -> None:
        self.length = self.number = 0
        self._power = 1
        self._hash = blake2b(digest_size=16)

    def push(self, id: int) -> None:
        self.length += 1
        self._hash.update(id.to_bytes(4, "little"))
        self.number = (self.number + (id + 1) * self._power) % MODULUS
        self._power = self._power * BASE % MODULUS

    def extend(self, ids: Ids) -> None:
        if len(ids):
            self.length += len(ids)
            self._hash.update(ids.astype("<i4").tobytes())
            self.number = (self.number + self._power * int(_numbers(ids)[-1])) % MODULUS
            self._power = self._power * pow(BASE, len(ids), MODULUS) % MODULUS

    @property
    def digest(self) -> bytes:
        return self._hash.digest()

    def copy(self) -> Trail:
        other = Trail.__new__(Trail)
        other.length, other.number, other._power = self.length, self.number, self._power
        other._hash = self._hash.copy()
        return other


def _numbers(ids: Ids) -> NDArray[np.uint64]:
    """The number of each beginning of ids [T], [T]."""
    powers = np.full(len(ids), BASE, np.uint64)
    powers[:1] = 1
    numbers: NDArray[np.uint64] = ids.astype(np.uint64) + np.uint64(1)
    numbers *= powers.cumprod(dtype=np.uint64)
    return numbers.cumsum(dtype=np.uint64)
