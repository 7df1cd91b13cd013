"""What follows one context after another, as writing asks it: the numbers of `Ngram.following`, bit for bit.

What follows a context is what follows the next shorter one, scaled, with something added for each token that was seen
here. Short contexts return all the time and have many such tokens: so all that follows them stands in tables, made
when the first one is asked for, and a longer one goes on from there. What was found is kept, since text returns to its
contexts. Of a context only the end that the model knows goes on: what is longer hardly ever returns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from afterword.model.arrays import Array
from afterword.model.ngram import Level, Ngram

EMPTY = 1  # the context without tokens
TABLES = 16 * 2**20  # bytes
KEPT = 4 * 2**20  # bytes; what comes after they are full is worked out each time
OVERHEAD = 320  # bytes of an array and its entry in the dictionary, beside its numbers
FEW = 8  # so many numbers are added faster one by one
MANY = 12  # so many contexts are faster worked out together
BEGINNING = 14  # bits of a context, by which it is sought


class Lookup:
    """P(next row | context) for one context at a time.

    A context is one number: its rows side by side as in the model's tables, with a 1 in front of the oldest. It has
    no more rows than the model's longest one. Many threads may ask one `Lookup`.
    """

    def __init__(self, ngram: Ngram) -> None:
        self._ngram, self._bits = ngram, ngram.bits
        self._boundary, self._start = ngram.boundary, ngram.start
        self._ones = [1 << self._bits * n for n in range(ngram.order)]  # the 1 in front of n rows
        self._kept: dict[int, tuple[Array, int]] = {}
        self._room = KEPT // (ngram.unconditional.nbytes + OVERHEAD)

    def pushed(self, context: int, row: int) -> int:
        """`context` and then `row`."""
        longest = self._ones[-1]
        context = context << self._bits | (self._start if row == self._boundary else row)
        return context & (longest - 1) | longest if context >> self._bits >= longest else context

    def extended(self, context: int, rows: Sequence[int]) -> int:
        """`context` and then `rows`."""
        for row in rows[-len(self._ones) :]:
            context = self.pushed(context, row)
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
        entry = self._kept.get(context)
        if entry is None:
            entry = self._found(context)
            if len(self._kept) < self._room:
                self._kept[context] = entry
        return entry

    def following_each(self, contexts: Sequence[int]) -> list[tuple[Array, int]]:
        """`following` of each; many that are new are worked out together."""
        new = [*{context for context in contexts if context not in self._kept}]
        if len(new) < MANY:
            return [self.following(context) for context in contexts]
        probabilities, known = self._ngram.following(np.array(new, np.uint64), np.array([*map(self.length, new)]))
        ends = [self._end(context, n) for context, n in zip(new, known.tolist(), strict=True)]
        found = dict(zip(new, zip(probabilities, ends, strict=True), strict=True))
        if len(self._kept) + len(new) <= self._room:
            self._kept |= found
        return [found[context] if context in found else self._kept[context] for context in contexts]

    def _found(self, context: int) -> tuple[Array, int]:
        ones, sought, tables = self._ones, self._sought, self._tables
        length = self.length(context)
        known = min(length, len(tables) - 1)
        while (at := sought[known].place(context & (ones[known] - 1))) < 0:
            known -= 1
        found = tables[known][at]
        if known == len(tables) - 1:
            while known < length and (at := sought[known + 1].place(context & (ones[known + 1] - 1))) >= 0:
                known += 1  # where a context is not known, no longer one is
                found = sought[known].after(found, at)
        return found, self._end(context, known)

    def _end(self, context: int, length: int) -> int:
        """The last rows of `context`, so many of them."""
        return context & (self._ones[length] - 1) | self._ones[length]

    @cached_property
    def _sought(self) -> list[_Sought]:
        """The levels, by how many rows a context has."""
        return [_Sought(level, n * self._bits) for n, level in enumerate(self._ngram.levels)]

    @cached_property
    def _tables(self) -> list[Array]:
        """P [C, R] of what follows each of the C contexts of no rows, of one, and so on, as far as there is room."""
        tables, levels = [self._ngram.unconditional[None]], self._ngram.levels
        room = TABLES - tables[0].nbytes
        for n, level in enumerate(levels[1:], 1):
            room -= len(level.contexts) * tables[0].nbytes
            if room < 0:
                break
            shorter = level.contexts & np.uint64(self._ones[n - 1] - 1)
            table = tables[-1][np.searchsorted(levels[n - 1].contexts, shorter)] * level.rest[:, None]
            table[np.repeat(np.arange(len(table)), np.diff(level.firsts)), level.tokens] += level.shares
            tables.append(table)
        return tables


class _Sought:
    """A level whose contexts are sought one at a time."""

    def __init__(self, level: Level, bits: int) -> None:
        """A context has so many `bits`."""
        self._level = level
        # Python searches these views and takes numbers from them faster than NumPy does from its arrays
        views: Any = [memoryview(part) for part in level]  # type: ignore[arg-type]
        self._contexts, self._firsts, self._tokens, self._shares, _ = views
        self._shift = max(0, bits - BEGINNING)
        beginnings = np.arange(2 ** min(bits, BEGINNING) + 1, dtype=np.uint64) << np.uint64(self._shift)
        begins: Any = np.searchsorted(level.contexts, beginnings)
        self._begins = memoryview(begins)

    def place(self, key: int) -> int:
        """Of a context among those of the level; -1 where it is not known."""
        begins, beginning = self._begins, key >> self._shift
        end = begins[beginning + 1]
        at = bisect_left(self._contexts, key, begins[beginning], end)
        return at if at < end and self._contexts[at] == key else -1

    def after(self, shorter: Array, at: int) -> Array:
        """P [R] of what follows the context at that place; `shorter` is that of the next shorter one."""
        level, first, last = self._level, self._firsts[at], self._firsts[at + 1]
        found = shorter * level.rest[at, ...]
        if last - first <= FEW:
            numbers = memoryview(found)  # type: ignore[arg-type]
            tokens, shares = self._tokens, self._shares
            for k in range(first, last):
                numbers[tokens[k]] += shares[k]
        else:
            found[level.tokens[first:last].astype(np.intp)] += level.shares[first:last]
        return found
