"""States of recent texts, so that a text with the same beginning continues from there.

An LSTM's state is a few kilobytes, whatever it has read, so every point of a text can have one. A point is found by a
hash of the tokens before it, which NumPy computes for every prefix of a text at once. Different texts can have
the same hash, so a digest is compared too.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from copy import copy
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from afterword.generation.prefill import Reading
from afterword.model.arrays import Ids
from afterword.model.network.network import Network
from afterword.model.rolling_hash import RollingHash, prefix_hashes

NETWORKS = 4  # whose states are stored; each also keeps its weights in memory
OVERHEAD = 1000  # bytes of a reading's records, approximately
FACTOR = secrets.randbits(64) | 1  # secret, so that no client can make two texts with the same hash


class _Kept(NamedTuple):
    reading: Reading
    digest: bytes
    size: int


Shelf = OrderedDict[int, _Kept]  # the readings of one network, the most recently used last


class Memory:
    """The most recent readings, up to `most` bytes. It belongs to one thread."""

    def __init__(self, most: int) -> None:
        self._most, self.size = most, 0
        """The size is in bytes."""
        self._shelves: OrderedDict[int, Shelf] = OrderedDict()

    def longest(self, network: Network, ids: Ids) -> tuple[TokensRead, Reading | None]:
        """Return the longest known prefix of ids [T], and the reading after it."""
        shelf = self._shelves.get(id(network), OrderedDict())
        numbers = prefix_hashes(ids, FACTOR).tolist() if shelf else []
        for length in range(len(numbers), 0, -1):
            kept = shelf.get(numbers[length - 1])
            if kept is not None:
                tokens_read = TokensRead()
                tokens_read.extend(ids[:length])
                if tokens_read.digest == kept.digest:
                    self._shelf(network).move_to_end(tokens_read.number)
                    return tokens_read, kept.reading
        return TokensRead(), None

    def keep(self, tokens_read: TokensRead, reading: Reading) -> None:
        """Store the `reading` after the tokens of `tokens_read`."""
        shelf = self._shelf(reading.network)
        if tokens_read.number in shelf:
            shelf.move_to_end(tokens_read.number)
            return
        # copies, since a view would keep its whole array in memory
        logits, hidden, cell = map(np.array, (reading.logits, reading.state.hidden, reading.state.cell))
        size = logits.nbytes + hidden.nbytes + cell.nbytes + OVERHEAD
        state = reading.state._replace(hidden=hidden, cell=cell)
        shelf[tokens_read.number] = _Kept(Reading("", logits, state, reading.network), tokens_read.digest, size)
        self.size += size
        while self.size > self._most or len(self._shelves) > NETWORKS:
            self._forget()

    def _shelf(self, network: Network) -> Shelf:
        # a shelf's readings keep its network alive, so that no other network has the same id
        shelf = self._shelves.setdefault(id(network), OrderedDict())
        self._shelves.move_to_end(id(network))
        return shelf

    def _forget(self) -> None:
        """Drop the oldest reading of the least recently used network."""
        oldest = next(iter(self._shelves))
        shelf = self._shelves[oldest]
        if shelf:
            self.size -= shelf.popitem(last=False)[1].size
        if not shelf:
            del self._shelves[oldest]


class TokensRead:
    """The tokens that a network has read since its start."""

    def __init__(self) -> None:
        self.length = 0
        self._number, self._digest = RollingHash(FACTOR), blake2b(digest_size=16)

    def push(self, id: int) -> None:
        self.length += 1
        self._digest.update(id.to_bytes(4, "little"))
        self._number.push(id)

    def extend(self, ids: Ids) -> None:
        self.length += len(ids)
        self._digest.update(ids.astype("<i4").tobytes())
        self._number.extend(ids)

    @property
    def number(self) -> int:
        return self._number.value

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    def copy(self) -> TokensRead:
        other = copy(self)
        other._number, other._digest = copy(self._number), self._digest.copy()
        return other
