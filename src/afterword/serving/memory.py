"""States of texts that were read or written lately, so that one that begins with such a text goes on from there.

An LSTM's state is a few kilobytes, whatever it has read: every point of a text can keep its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from afterword.generation.reading import Reading
from afterword.model.arrays import Ids
from afterword.model.network import Network

OVERHEAD = 1000  # bytes of a reading's records, about


class _Kept(NamedTuple):
    reading: Reading
    length: int
    size: int


class Memory:
    """The last readings, up to so many bytes. It belongs to one thread."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._lengths: Counter[int] = Counter()  # how many readings there are of so many tokens

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    def longest(self, network: Network, ids: Ids) -> tuple[Path, Reading | None]:
        """The longest beginning of ids [T] that is known, and what was known after it."""
        path = Path(network)
        found: tuple[Path, Reading | None] = path.copy(), None
        for length in sorted(length for length in self._lengths if length <= len(ids)):
            path.extend(ids[path.length : length])
            if (kept := self._kept.get(path.key)) is not None:
                self._kept.move_to_end(path.key)
                found = path.copy(), kept.reading
        return found

    def keep(self, path: Path, reading: Reading) -> None:
        """What is known after the tokens of `path`."""
        key = path.key
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        # copies, since a view would keep all that it is a part of
        logits, hidden, cell = map(np.array, (reading.logits, reading.state.hidden, reading.state.cell))
        size = logits.nbytes + hidden.nbytes + cell.nbytes + OVERHEAD
        state = reading.state._replace(hidden=hidden, cell=cell)
        self._kept[key] = _Kept(Reading("", logits, state, reading.network), path.length, size)
        self._lengths[path.length] += 1
        self._size += size
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.size
            self._lengths[oldest.length] -= 1
            if not self._lengths[oldest.length]:
                del self._lengths[oldest.length]


class Path:
    """The tokens that one network has read since a start, as a key."""

    def __init__(self, network: Network) -> None:
        self.length = 0
        self._hash = blake2b(id(network).to_bytes(8, "little"), digest_size=16)

    def push(self, id: int) -> None:
        self._hash.update(id.to_bytes(4, "little"))
        self.length += 1

    def extend(self, ids: Ids) -> None:
        self._hash.update(ids.astype("<i4").tobytes())
        self.length += len(ids)

    @property
    def key(self) -> bytes:
        return self._hash.digest()

    def copy(self) -> Path:
        other = Path.__new__(Path)
        other.length, other._hash = self.length, self._hash.copy()
        return other
