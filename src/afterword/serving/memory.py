"""States of texts that were read or written lately, so that one that begins with such a text goes on from there.

An LSTM's state is a few kilobytes, whatever it has read: every point of a text can keep its own.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from afterword.generation.reading import Reading
from afterword.model.arrays import Ids
from afterword.model.network import Network

OVERHEAD = 1000  # bytes of a reading's records, about


class _Kept(NamedTuple):
    reading: Reading
    size: int


class Memory:
    """The last readings, up to so many bytes. It belongs to one thread."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    def longest(self, network: Network, ids: Ids) -> tuple[int, Reading | None]:
        """How many of ids [T] are the longest beginning that is known, and what was known after it."""
        path = Path(network)
        found: tuple[int, Reading | None] = 0, None
        for number, id in enumerate(ids.tolist(), 1):
            path.push(id)
            if (key := path.key) in self._kept:
                self._kept.move_to_end(key)
                found = number, self._kept[key].reading
        return found

    def keep(self, path: Path, reading: Reading) -> None:
        """What is known after the tokens of `path`."""
        key = path.key
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        arrays = (reading.logits, reading.state.hidden, reading.state.cell)
        # copies, since a view would keep all that it is a part of
        logits, hidden, cell = (np.array(array) for array in arrays)
        size = sum(array.nbytes for array in arrays) + OVERHEAD
        self._kept[key] = _Kept(
            Reading("", logits, reading.state._replace(hidden=hidden, cell=cell), reading.network), size
        )
        self._size += size
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.size


class Path:
    """The tokens that one network has read since a start, as a key."""

    def __init__(self, network: Network) -> None:
        self._hash = blake2b(id(network).to_bytes(8, "little"), digest_size=16)

    def push(self, id: int) -> None:
        self._hash.update(id.to_bytes(4, "little"))

    def extend(self, ids: Ids) -> None:
        for id in ids.tolist():
            self.push(id)

    @property
    def key(self) -> bytes:
        return self._hash.digest()

    def copy(self) -> Path:
        other = Path.__new__(Path)
        other._hash = self._hash.copy()
        return other
