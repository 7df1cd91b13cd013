"""What follows one context after another, as writing asks it: the numbers of `Ngram.probabilities`, bit for bit.

What follows a context is what follows the next shorter one, scaled, with something added for each token that was seen
here. All of them are kept, since text returns to the same contexts again and again: one that returns costs a look into
a dictionary, and a new one costs a search for each of its ends that is new too. Of a context only the end that the
model knows goes on: what is longer hardly ever returns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from afterword.model.arrays import Array
from afterword.model.ngram import Ngram

EMPTY = 1  # the context without tokens
KEPT = 64 * 2**20  # bytes; what comes after they are full is worked out each time
OVERHEAD = 320  # bytes of an array and its entry in the dictionary, beside its numbers
FEW = 3  # so many numbers are added faster one by one


class Lookup:
    """P(next row | context) for one context at a time.

    A context is one number: its rows side by side as in the model's tables, with a 1 in front of the oldest. It has
    no more rows than the model's longest one. Many threads may ask one `Lookup`.
    """

    def __init__(self, ngram: Ngram) -> None:
        self._ngram, self._bits = ngram, ngram.bits
        self._ones = [1 << self._bits * n for n in range(ngram.order)]  # the 1 in front of n rows
        # Python searches these views and takes numbers from them faster than NumPy does from its arrays
        self._views: Any = [[memoryview(part) for part in level[:4]] for level in ngram.levels]  # type: ignore[arg-type]
        self._kept = {EMPTY: (ngram.unconditional, EMPTY)}
        self._room = KEPT // (ngram.unconditional.nbytes + OVERHEAD)

    def extended(self, context: int, rows: Sequence[int]) -> int:
        """`context` and then `rows`."""
        bits, longest = self._bits, self._ones[-1]
        boundary, start = self._ngram.boundary, self._ngram.start
        for row in rows[-len(self._ones) :]:
            context = context << bits | (start if row == boundary else row)
            if context >> bits >= longest:
                context = context & (longest - 1) | longest
        return context

    def rows(self, context: int) -> list[int]:
        """The rows of `context`, the oldest first."""
        highest = context.bit_length() - 1 - self._bits
        return [context >> at & (1 << self._bits) - 1 for at in range(highest, -1, -self._bits)]

    def length(self, context: int) -> int:
        """How many rows `context` has."""
        return (context.bit_length() - 1) // self._bits

    def following(self, context: int) -> tuple[Array, int]:
        """P [R] of what follows `context`, and the end of it that the model knows: nothing before that counts, now or
        once there are more rows. P is kept, and must not be changed."""
        kept, ones = self._kept, self._ones
        entry = kept.get(context)
        if entry is not None:
            return entry
        length = shorter = self.length(context)
        while entry is None:
            shorter -= 1
            end = context & (ones[shorter] - 1) | ones[shorter]
            entry = kept.get(end)
        if entry[1] == end:
            for n in range(shorter + 1, length + 1):
                key = context & (ones[n] - 1)
                contexts, firsts, tokens, shares = self._views[n]
                at = bisect_left(contexts, key)
                if at == len(contexts) or contexts[at] != key:
                    break  # where a context is not known, no longer one is
                level, first, last = self._ngram.levels[n], firsts[at], firsts[at + 1]
                found = entry[0] * level.rest[at, ...]
                if last - first <= FEW:
                    for k in range(first, last):
                        found[tokens[k]] += shares[k]
                else:
                    found[level.tokens[first:last].astype(np.intp)] += level.shares[first:last]
                entry = found, key | ones[n]
                self._keep(entry[1], entry)
        self._keep(context, entry)
        return entry

    def _keep(self, context: int, entry: tuple[Array, int]) -> None:
        if len(self._kept) < self._room:
            self._kept[context] = entry
