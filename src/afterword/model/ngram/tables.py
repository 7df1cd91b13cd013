"""A Kneser-Ney model of the tokens: smoothed counts of each token after the last few.

It is learned in a second, in one pass, and memorizes at once what an LSTM must learn slowly; the LSTM remembers what
lies further back. `mixture` combines the two.

The probability of a token after a context is that of its n-gram, discounted. The probability freed by the discounts
goes to the next shorter context, down to the empty one, and then in equal parts to all tokens (interpolated modified
Kneser-Ney: Chen and Goodman 1998, with their three discounts per order). The count of an n-gram shorter than the
longest is the number of different tokens before it, not the number of its occurrences. N-grams at the start of a line,
which nothing precedes, are the exception.

An n-gram is one 64-bit number: its tokens side by side, the oldest in the highest bits. So learning consists of sorting
and searching.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.model.arrays import Array, Ids, Tensors, check_threads_fit
from afterword.text.tokenizer import Tokenizer

HIGHEST_ORDER = 8  # tokens per n-gram, if they fit into 64 bits
MOST_COUNTED = 2**22  # tokens
LEAST_REST = 1e-9  # far below a discount among that many tokens
TABLES = 16 * 2**20  # bytes of probabilities that a lookup computes beforehand
STRETCHES = 64  # of a longer text, from which the counted tokens are taken


class Level(NamedTuple):
    """The n-grams of one order, by their contexts: all tokens but the last."""

    contexts: Annotated[NDArray[np.uint64], "C"]  # sorted
    firsts: Annotated[NDArray[np.int64], "_"]  # [C + 1], where each context's part of the next two begins
    tokens: Annotated[Ids, "M"]  # the tokens after it
    shares: Annotated[Array, "M"]  # the probability that each has from being seen here
    rest: Annotated[Array, "C"]  # the probability that goes to the next shorter context

    def place(self, context: int) -> int | None:
        """Return the index of a context; None if it is unknown."""
        at = int(self.contexts.searchsorted(np.uint64(context)))
        return at if at < len(self.contexts) and self.contexts[at] == context else None

    def after(self, place: int) -> slice:
        """Return the part of `tokens` and `shares` that belongs to a context."""
        return slice(*self.firsts[place : place + 2].tolist())


class Ngram:
    """P(next row | the last rows), over the R rows of a network.

    Every fresh start reads the boundary token first. `start` is the row that counts for it: the boundary itself in
    lines, and a line's end in running text, because lines begin after one there.
    """

    def __init__(self, rows: int, boundary: int, start: int, levels: list[Level]) -> None:
        """Take the `levels` of n = 1, 2, …"""
        self.rows, self.boundary, self.start, self.levels = rows, boundary, start, levels
        self.bits, self.order = bits_of(rows), len(levels)
        """The order is the number of tokens in the longest n-grams."""

    @staticmethod
    def learn(ids: Annotated[Ids, "N"], rows: int, boundary: int, start: int, order: int = HIGHEST_ORDER) -> Ngram:
        """Count the n-grams of up to `order` tokens in `ids`, which are rows of a network with `rows` rows.

        In a long text, `MOST_COUNTED` tokens are counted, in stretches spread evenly over it.
        """
        bits = bits_of(rows)
        tokens = np.concatenate([[start], _spread(ids)]).astype(np.uint64)
        reach = _reach(tokens, boundary) if start == boundary else np.arange(len(tokens))
        longest = min(order, 64 // bits, len(tokens), int(reach.max()) + 1) if reach.any() else 0

        def counted(n: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
            keys = tokens.copy()  # the n-gram that ends at each place
            for older in range(1, n):
                keys[older:] |= tokens[:-older] << np.uint64(bits * older)
            return np.unique(keys[reach >= max(n - 1, 1)], return_counts=True)  # the start is read, never predicted

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # they sort nearly all of the time, and each has copies
            check_threads_fit(longest or 1)
            seen = list(pool.map(counted, range(1, longest + 1)))
            longer = [grams & np.uint64((1 << bits * n) - 1) for n, (grams, _) in enumerate(seen[1:], 1)]
            levels = list(pool.map(lambda n: _level(*seen[n], longer[n : n + 1], bits, rows), range(len(seen))))
        return Ngram(rows, boundary, start, levels)

    @cached_property
    def unconditional(self) -> Annotated[Array, "R"]:
        """P of a row if those before it are unknown."""
        level = self.levels[0]
        probabilities = np.full(self.rows, 1 / self.rows, np.float32)
        probabilities *= level.rest[0]
        probabilities[level.tokens] += level.shares
        return probabilities

    def probabilities(self, ids: Annotated[Ids, "B T"], before: int) -> Annotated[Array, "B _ R"]:
        """Return P of the row that follows each of `ids` from `before` on.

        The rows before `before` are only context. A context ends where ids begin.
        """
        B, T = ids.shape
        read = np.where(ids == self.boundary, self.start, ids).astype(np.uint64)
        contexts = np.zeros((B, T), np.uint64)
        for n in range(min(self.order - 1, T)):
            contexts[:, n:] |= read[:, : T - n] << np.uint64(self.bits * n)
        lengths = np.broadcast_to(np.minimum(np.arange(1, T + 1), self.order - 1), (B, T))
        found, _ = self.following(contexts[:, before:].ravel(), lengths[:, before:].ravel())
        return found.reshape(B, T - before, self.rows)

    def following(
        self, contexts: Annotated[NDArray[np.uint64], "N"], lengths: Annotated[Ids, "N"], tables: Sequence[Array] = ()
    ) -> tuple[Annotated[Array, "N R"], Annotated[Ids, "N"]]:
        """Return P of the row that follows each of `contexts`, and the number of its last rows that are known.

        A context has its last row in the lowest bits; bits above its length are ignored. `tables` may have P [C, R]
        after each of the C contexts of no rows, of one, and so on, computed before.
        """
        tables = tables or [self.unconditional[None]]
        known, places = np.zeros((2, len(contexts)), np.intp)
        left = np.arange(len(contexts))
        probabilities = np.empty((len(contexts), self.rows), np.float32)
        for n, level in enumerate(self.levels):
            if n == len(tables):
                _look_up(probabilities, tables, known, places)
            if n:
                left = left[lengths[left] >= n]
                keys = contexts[left] & np.uint64((1 << self.bits * n) - 1)
                at = np.minimum(np.searchsorted(level.contexts, keys), len(level.contexts) - 1)
                there = level.contexts[at] == keys  # if a context is unknown, so are all longer ones
                left, at = left[there], at[there]
                known[left], places[left] = n, at
            if n >= len(tables):
                probabilities[left] *= level.rest[at, None]
                first, count = level.firsts[at], level.firsts[at + 1] - level.firsts[at]
                which = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
                probabilities[np.repeat(left, count), level.tokens[which]] += level.shares[which]
        if len(tables) == len(self.levels):
            _look_up(probabilities, tables, known, places)
        return probabilities, known

    def seen(self, rows: Sequence[int]) -> Ids:
        """Return the rows that the text has after `rows`, or after the last of them that fit into a context."""
        rows = rows[max(0, len(rows) - self.order + 1) :]
        key = sum(row << self.bits * n for n, row in enumerate(reversed(rows)))
        level = self.levels[len(rows)]
        at = level.place(key)
        return level.tokens[:0] if at is None else level.tokens[level.after(at)]

    def tensors(self) -> Tensors:
        """Return all of it as arrays, for a file."""
        named: Tensors = {"facts": np.array([self.rows, self.boundary, self.start], np.int64)}
        for n, level in enumerate(self.levels, 1):
            parts = level._asdict() | {"firsts": np.diff(level.firsts).astype(np.uint32)}
            named |= {f"{n}.{name}": part for name, part in parts.items()}
        return named

    @staticmethod
    def from_tensors(tensors: Mapping[str, NDArray[Any]]) -> Ngram:
        """Return the model that `tensors` describe. Raises ModelError for anything else."""
        try:
            if tensors["facts"].dtype.kind != "i":
                raise ValueError("its sizes are not whole numbers")
            rows, boundary, start = (int(value) for value in tensors["facts"])
            order, left = divmod(len(tensors) - 1, len(Level._fields))
            parts = [{name: tensors[f"{n}.{name}"] for name in Level._fields} for n in range(1, order + 1)]
            levels = [_checked(level, rows, (n - 1) * bits_of(rows)) for n, level in enumerate(parts, 1)]
            for n, level in tabled(levels, rows):
                shorter = level.contexts & np.uint64((1 << (n - 1) * bits_of(rows)) - 1)
                if not np.isin(shorter, levels[n - 1].contexts).all():
                    raise ValueError("a context's end is not a context")
            if not (
                levels and left == 0 and 0 <= boundary < rows and 0 <= start < rows and order * bits_of(rows) <= 64
            ):
                raise ValueError("its sizes do not fit together")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"the n-gram is damaged: {error}") from None
        return Ngram(rows, boundary, start, levels)

    @cached_property
    def checksum(self) -> int:
        """The CRC-32 of all arrays."""
        crc = 0
        for name, tensor in self.tensors().items():
            crc = zlib.crc32(np.ascontiguousarray(tensor).data, zlib.crc32(name.encode(), crc))
        return crc


def _look_up(probabilities: Array, tables: Sequence[Array], known: Ids, places: Ids) -> None:
    """Write into `probabilities` [N, R] the row at each of `places` [N] in the table of its `known` length [N]."""
    for length, table in enumerate(tables):
        these = np.flatnonzero(known == length)
        probabilities[these] = table[places[these]]


def tabled(levels: Sequence[Level], rows: int) -> Iterator[tuple[int, Level]]:
    """Yield the levels from 1 on, with their numbers, whose probabilities [C, rows] fit into `TABLES` bytes."""
    room = TABLES - 4 * rows
    for n, level in enumerate(levels[1:], 1):
        room -= len(level.contexts) * 4 * rows
        if room < 0:
            return
        yield n, level


def start_row(tokenizer: Tokenizer, lines: bool) -> int:
    """Return `Ngram.start` for a tokenizer, which must have a boundary token."""
    return tokenizer.boundary if lines else int(tokenizer.to_rows(tokenizer.encode("\n"))[0])


def bits_of(rows: int) -> int:
    """Return the number of bits that hold one of `rows` rows."""
    return max(1, (rows - 1).bit_length())


def _spread(ids: Ids) -> Ids:
    """Return all of ids [N], or stretches of them."""
    if len(ids) <= MOST_COUNTED:
        return ids
    length = MOST_COUNTED // STRETCHES
    return np.concatenate([ids[at : at + length] for at in np.arange(STRETCHES) * len(ids) // STRETCHES])


def _checked(parts: dict[str, NDArray[Any]], rows: int, bits: int) -> Level:
    """Return the level that a file holds, in which `firsts` is the number of tokens per context.

    A context has `bits` bits. Raises ValueError.
    """
    contexts, counts, tokens, shares, rest = (parts[name] for name in Level._fields)
    types = [part.dtype.name for part in (contexts, counts, shares, rest)]
    if types != ["uint64", "uint32", "float32", "float32"] or tokens.dtype.kind != "u":
        raise ValueError("its tables have other types")
    firsts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    whole = (
        contexts.ndim == tokens.ndim == 1
        and contexts.shape == counts.shape == rest.shape != (0,)
        and tokens.shape == shares.shape == (firsts[-1],)
        and int(tokens.max()) < rows
        and bool((contexts[1:] > contexts[:-1]).all())
        and int(contexts[-1]) < 1 << bits
        and all(float(part.min()) >= 0 and float(part.max()) <= 1 for part in (shares, rest))
        and float(rest.min()) >= LEAST_REST  # so that nothing is impossible
    )
    if not whole:
        raise ValueError("its tables do not fit together")
    return Level(contexts, firsts, tokens, shares, rest)


def _reach(tokens: NDArray[np.uint64], boundary: int) -> NDArray[np.int64]:
    """Return the number of tokens before each of tokens [N] in its own line, including the boundary that begins it.

    The first token is a boundary; its reach is 0.
    """
    places = np.arange(len(tokens))
    begins = np.where(tokens == boundary, places, 0)
    begins[1:] = np.maximum.accumulate(begins)[:-1]  # a boundary ends its line, and is a token of it
    return places - begins


def _level(
    grams: NDArray[np.uint64], counts: NDArray[np.int64], ends: list[NDArray[np.uint64]], bits: int, rows: int
) -> Level:
    """Return the discounted probabilities of sorted grams [M] that occurred `counts` [M] times.

    `ends` has the ends of the next order's n-grams, if there is one: then the count of a gram is how many end in it.
    """
    for longer in ends:
        inner, different = np.unique(longer, return_counts=True)
        counts = counts.copy()
        counts[np.searchsorted(grams, inner)] = different
    contexts, firsts = np.unique(grams >> np.uint64(bits), return_index=True)
    firsts = np.append(firsts, len(grams))
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    totals = np.add.reduceat(counts, firsts[:-1]).astype(np.float64)
    rest = np.add.reduceat(discounts, firsts[:-1]) / totals
    shares = (counts - discounts) / np.repeat(totals, np.diff(firsts))
    tokens = (grams & np.uint64((1 << bits) - 1)).astype(np.min_scalar_type(rows - 1))
    return Level(contexts, firsts, tokens, shares.astype(np.float32), rest.astype(np.float32))


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the discounts of a count of 0, 1, 2, and 3 or more: Chen and Goodman's estimates.

    They are limited to between 0.1 and the count less 0.1, so that every seen token keeps some probability and unseen
    ones always get some.
    """
    once = [float(np.count_nonzero(counts == n)) for n in range(1, 5)]
    ratio = once[0] / max(once[0] + 2 * once[1], 1.0)
    found = [n - (n + 1) * ratio * once[n] / max(once[n - 1], 1.0) for n in (1, 2, 3)]
    return np.array([0.0, *(min(max(value, 0.1), n - 0.1) for n, value in enumerate(found, 1))])
