"""The probabilities after one context after another, for writing: the numbers of `Ngram.following`, bit for bit.

The probabilities after a context are those after the next shorter one, scaled, plus something for each token that was
seen here. Short contexts recur all the time and have many such tokens, so their probabilities are in tables, which the
first query builds; a longer context starts from there. Results are cached, because contexts recur. Only the part of a
context that the model knows is kept: longer ones hardly ever recur.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property, reduce
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array, Ids
from afterword.model.ngram.tables import Level, Ngram, tabled

EMPTY = 1  # the context without tokens
KEPT_BYTES = 4 * 2**20  # bytes; once they are full, every other context is computed each time
OVERHEAD = 320  # bytes of an array and its entry in the dictionary, besides its numbers
MANY = 12  # from this many contexts on, computing them together is faster
BEGINNING = 14  # bits of a context, by which it is sought


class Lookup:
    """P(next row | context) for one context at a time.

    A context is one number: its rows side by side as in the model's tables, with a 1 in front of the oldest. It has no
    more rows than the longest context of the model. Many threads may share one `Lookup`.
    """

    def __init__(self, ngram: Ngram) -> None:
        self._ngram, self._bits = ngram, ngram.bits
        self._boundary, self._start = ngram.boundary, ngram.start
        self._ones = [1 << self._bits * n for n in range(ngram.order)]  # the 1 in front of n rows
        self._kept: dict[int, tuple[Array, int]] = {}
        self._room = KEPT_BYTES // (ngram.unconditional.nbytes + OVERHEAD)

    def __reduce__(self) -> tuple[type[Lookup], tuple[Ngram]]:
        return Lookup, (self._ngram,)  # the memory views of `SoughtLevel` cannot be sent to another process

    def pushed(self, context: int, row: int) -> int:
        """Append `row` to `context`."""
        longest = self._ones[-1]
        context = context << self._bits | (self._start if row == self._boundary else row)
        return context & (longest - 1) | longest if context >> self._bits >= longest else context

    def extended(self, context: int, rows: Sequence[int]) -> int:
        """Append `rows` to `context`."""
        return reduce(self.pushed, rows[-len(self._ones) :], context)

    def rows(self, context: int) -> list[int]:
        """Return the rows of `context`, the oldest first."""
        highest = context.bit_length() - 1 - self._bits
        return [context >> at & (1 << self._bits) - 1 for at in range(highest, -1, -self._bits)]

    def following(self, context: int) -> tuple[Annotated[Array, "R"], int]:
        """Return P of the row after `context`, and the end of it that the model knows.

        The rows before that end do not count, now or later. P is kept, and must not be changed.
        """
        entry = self._kept.get(context)
        if entry is None:
            entry = self._found(context)
            if len(self._kept) < self._room:
                self._kept[context] = entry
        return entry

    def pushed_each(self, contexts: Sequence[int], rows: Annotated[Ids, "N"]) -> Annotated[NDArray[np.uint64], "N"]:
        """Append to each of `contexts` its row of `rows`."""
        longest = np.uint64(self._ones[-1])
        before = np.array(contexts, np.uint64)
        rows = np.where(rows == self._boundary, self._start, rows).astype(np.uint64)
        pushed = before << np.uint64(self._bits) | rows
        return np.where(before >= longest, pushed & (longest - np.uint64(1)) | longest, pushed)

    def following_each(self, contexts: Annotated[NDArray[np.uint64], "N"]) -> tuple[Annotated[Array, "N R"], list[int]]:
        """Return `following` of each of `contexts`: P and the ends. Many are computed together."""
        if len(contexts) < MANY:
            found, known_ends = zip(*map(self.following, contexts.tolist()), strict=True)
            return np.array(found), list(known_ends)
        ones = np.array(self._ones, np.uint64)
        lengths = np.searchsorted(ones, contexts, "right") - 1
        probabilities, known = self._ngram.following(contexts, lengths, self._tables)
        ones = ones[known]
        ends: list[int] = (contexts & (ones - np.uint64(1)) | ones).tolist()
        return probabilities, ends

    def _found(self, context: int) -> tuple[Array, int]:
        # Every call and attribute access counts here: the network's weights have evicted all of this from the cache.
        # So `Level.place` is written out, twice, with `SoughtLevel.begins` to search in a small part.
        levels, tables = self._sought, self._tables
        length, longest_tabled = (context.bit_length() - 1) // self._bits, len(tables) - 1
        known = min(length, longest_tabled)
        # the longest end of the context that is in a table; the end without rows always is
        while True:
            mask, shift, begins, contexts, firsts, tokens, shares, rest = levels[known]
            key = context & mask
            end = begins[(key >> shift) + 1]
            at = bisect_left(contexts, key, begins[key >> shift], end)
            if at < end and contexts[at] == key:
                break
            known -= 1
        found, known_mask = tables[known][at], mask
        # longer ends than the tables have: each scales what the end before it gives, and adds what it has seen
        while longest_tabled <= known < length:
            mask, shift, begins, contexts, firsts, tokens, shares, rest = levels[known + 1]
            key = context & mask
            end = begins[(key >> shift) + 1]
            at = bisect_left(contexts, key, begins[key >> shift], end)
            if at == end or contexts[at] != key:
                break  # if a context is unknown, so are all longer ones
            known += 1
            known_mask = mask
            found = found * rest[at, ...]
            these = slice(firsts[at], firsts[at + 1])
            found[tokens[these].astype(np.intp)] += shares[these]
        return found, context & known_mask | known_mask + 1

    @cached_property
    def _sought(self) -> list[SoughtLevel]:
        return [SoughtLevel.of(level, n * self._bits) for n, level in enumerate(self._ngram.levels)]

    @cached_property
    def _tables(self) -> list[Array]:
        """P [C, R] of the row after each of the C contexts of no rows, of one, and so on, while there is room."""
        tables, levels = [self._ngram.unconditional[None]], self._ngram.levels
        for n, level in tabled(levels, self._ngram.rows):
            shorter = level.contexts & np.uint64(self._ones[n - 1] - 1)
            table = tables[-1][np.searchsorted(levels[n - 1].contexts, shorter)] * level.rest[:, None]
            table[np.repeat(np.arange(len(table)), np.diff(level.firsts)), level.tokens] += level.shares
            tables.append(table)
        return tables


class SoughtLevel(NamedTuple):
    """A level in which one context at a time is looked up.

    Python searches memory views, and reads numbers from them, faster than NumPy does with its arrays.
    """

    mask: int  # the bits of a context
    shift: int
    begins: Sequence[int]  # the first context with the same first bits, by those bits
    contexts: Sequence[int]
    firsts: Sequence[int]
    tokens: Ids
    shares: Array
    rest: Array

    @staticmethod
    def of(level: Level, bits: int) -> SoughtLevel:
        """Return `level`, whose contexts have `bits` bits, ready for lookups."""
        shift = max(0, bits - BEGINNING)
        beginnings = np.arange(2 ** min(bits, BEGINNING) + 1, dtype=np.uint64) << np.uint64(shift)
        parts: Any = np.searchsorted(level.contexts, beginnings), level.contexts, level.firsts
        begins, contexts, firsts = (memoryview(part) for part in parts)
        return SoughtLevel((1 << bits) - 1, shift, begins, contexts, firsts, level.tokens, level.shares, level.rest)
