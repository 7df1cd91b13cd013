"""A Kneser-Ney model of the same tokens: how often what came after the last few tokens, smoothed.

It is learned in a second, in one pass, and knows by heart what an LSTM must learn slowly; the LSTM knows what lies
further back. `model.mixture` joins the two.

The probability of a token after a context is that of its n-gram, discounted, and what the discounts free is given to
the next shorter context, down to the empty one and to equal parts for all (interpolated modified Kneser-Ney: Chen and
Goodman 1998, with their three discounts an order). An n-gram shorter than the longest counts, in place of how often it
occurred, after how many different tokens it did; unless it begins a line, before which there is nothing.

An n-gram is one 64-bit number, its tokens side by side, the oldest in the highest bits: so all that is asked of a
text is sorting and searching.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.model.arrays import Array, Ids
from afterword.text.tokenizer import Tokenizer

Tensors = dict[str, NDArray[Any]]

HIGHEST_ORDER = 8  # tokens per n-gram, where 64 bits hold so many
MOST_COUNTED = 2**22  # that are counted
STRETCHES = 64  # in which they are taken from a longer text


class Level(NamedTuple):
    """The n-grams of one order, by their contexts: all tokens but the last."""

    contexts: NDArray[np.uint64]  # [C], sorted
    firsts: NDArray[np.int64]  # [C + 1], where in the next two what belongs to each context begins
    tokens: Ids  # [M], what came after it
    shares: Array  # [M], the probability that is theirs by being seen here
    rest: Array  # [C], the probability that goes to the next shorter context


class Ngram:
    """P(next row | the last rows), over the R rows of a network.

    `start` is the row that stands for the boundary token, which every fresh start reads first: the boundary itself in
    lines, and a line's end in running text, where lines begin after one.
    """

    def __init__(self, rows: int, boundary: int, start: int, levels: list[Level]) -> None:
        """`levels` are those of n = 1, 2, …"""
        self.rows, self.boundary, self.start, self.levels = rows, boundary, start, levels
        self.bits = bits_of(rows)

    @property
    def order(self) -> int:
        """How many tokens the longest n-grams have."""
        return len(self.levels)

    @staticmethod
    def learn(ids: Ids, rows: int, boundary: int, start: int, order: int = HIGHEST_ORDER) -> Ngram:
        """Count the n-grams of up to `order` tokens of ids [N], rows of a network that has `rows` of them.

        Of a long text, `MOST_COUNTED` are counted, in stretches spread evenly over it.
        """
        bits = bits_of(rows)
        tokens = np.concatenate([[start], _spread(ids)]).astype(np.uint64)
        reach = _reach(tokens, boundary) if start == boundary else np.arange(len(tokens))
        keys, places = tokens.copy(), []  # of each order, the n-gram that ends at each place
        for n in range(1, min(order, 64 // bits, len(tokens)) + 1):
            if n > 1:  # one older token in front of the last order's
                keys[n - 1 :] |= tokens[: len(tokens) - n + 1] << np.uint64(bits * (n - 1))
            whole = reach >= max(n - 1, 1)  # the start is read, never predicted
            if not whole.any():  # no line is as long
                break
            places.append(keys[whole])
        with ThreadPoolExecutor() as pool:  # nearly all of it is sorting, which lets other threads run
            seen = list(pool.map(lambda grams: np.unique(grams, return_counts=True), places))
            longer = [grams & np.uint64((1 << bits * n) - 1) for n, (grams, _) in enumerate(seen[1:], 1)]
            levels = list(pool.map(lambda n: _level(*seen[n], longer[n : n + 1], bits, rows), range(len(seen))))
        return Ngram(rows, boundary, start, levels)

    @cached_property
    def unconditional(self) -> Array:
        """P [R] of a row where nothing is known of those before it."""
        level = self.levels[0]
        probabilities = np.full(self.rows, 1 / self.rows, np.float32)
        probabilities *= level.rest[0]
        probabilities[level.tokens] += level.shares
        return probabilities

    def probabilities(self, ids: Ids, before: int) -> Array:
        """ids [B, T] → P [B, T - before, R] of what follows each of the rows from `before` on.

        The rows before it are context only. A context that would reach back beyond ids is as much shorter.
        """
        B, T = ids.shape
        read = np.where(ids == self.boundary, self.start, ids).astype(np.uint64)
        contexts = np.zeros((B, T), np.uint64)
        for n in range(min(self.order - 1, T)):
            contexts[:, n:] |= read[:, : T - n] << np.uint64(self.bits * n)
        lengths = np.broadcast_to(np.minimum(np.arange(1, T + 1), self.order - 1), (B, T))
        found, _ = self.following(contexts[:, before:].ravel(), lengths[:, before:].ravel())
        return found.reshape(B, T - before, self.rows)

    def following(self, contexts: NDArray[np.uint64], lengths: Ids) -> tuple[Array, Ids]:
        """P [N, R] of what follows each of N contexts, and how many of the last rows the model knows of each.

        A context has its last row in the lowest bits; what stands above the rows of its length does not count.
        """
        probabilities = np.tile(self.unconditional, (len(contexts), 1))
        known = np.zeros(len(contexts), np.intp)
        left = np.arange(len(contexts))
        for n, level in enumerate(self.levels[1:], 1):
            left = left[lengths[left] >= n]
            keys = contexts[left] & np.uint64((1 << self.bits * n) - 1)
            at = np.minimum(np.searchsorted(level.contexts, keys), len(level.contexts) - 1)
            there = level.contexts[at] == keys  # where a context is not known, no longer one is
            left, at = left[there], at[there]
            known[left] = n
            probabilities[left] *= level.rest[at, None]
            first, count = level.firsts[at], level.firsts[at + 1] - level.firsts[at]
            which = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
            probabilities[np.repeat(left, count), level.tokens[which]] += level.shares[which]
        return probabilities, known

    def tensors(self) -> Tensors:
        """All of it as arrays, for a file."""
        named: Tensors = {"facts": np.array([self.rows, self.boundary, self.start], np.int64)}
        for n, level in enumerate(self.levels, 1):
            parts = level._asdict() | {"firsts": np.diff(level.firsts).astype(np.uint32)}
            named |= {f"{n}.{name}": part for name, part in parts.items()}
        return named

    @staticmethod
    def from_tensors(tensors: Mapping[str, NDArray[Any]]) -> Ngram:
        """What `tensors` were made of. Raises ModelError for anything else."""
        try:
            rows, boundary, start = (int(value) for value in tensors["facts"])
            order, left = divmod(len(tensors) - 1, len(Level._fields))
            parts = [{name: tensors[f"{n}.{name}"] for name in Level._fields} for n in range(1, order + 1)]
            levels = [_checked(level, rows, (n - 1) * bits_of(rows)) for n, level in enumerate(parts, 1)]
            whole = tensors["facts"].dtype.kind == "i" and len(levels) > 0 and left == 0
            if not (whole and 0 <= boundary < rows and 0 <= start < rows and order * bits_of(rows) <= 64):
                raise ValueError("its sizes do not fit together")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"the n-gram is damaged: {error}") from None
        return Ngram(rows, boundary, start, levels)

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of all of it."""
        crc = 0
        for name, tensor in self.tensors().items():
            crc = zlib.crc32(np.ascontiguousarray(tensor).data, zlib.crc32(name.encode(), crc))
        return crc


def start_row(tokenizer: Tokenizer, lines: bool) -> int:
    """The row that stands for the boundary token, as `Ngram` takes it. The tokenizer must have one."""
    assert tokenizer.end is not None  # only the classic recipe's has none
    return tokenizer.end if lines else min(int(tokenizer.encode("\n")[0]), tokenizer.rows - 1)


def bits_of(rows: int) -> int:
    """How many bits hold one of so many rows."""
    return max(1, (rows - 1).bit_length())


def _spread(ids: Ids) -> Ids:
    """All of ids [N], or stretches of them."""
    if len(ids) <= MOST_COUNTED:
        return ids
    length = MOST_COUNTED // STRETCHES
    return np.concatenate([ids[at : at + length] for at in np.arange(STRETCHES) * len(ids) // STRETCHES])


def _checked(parts: dict[str, NDArray[Any]], rows: int, bits: int) -> Level:
    """A level as a file has it: with how many tokens each context has, in place of where they begin. `bits` hold a
    context."""
    contexts, counts, tokens, shares, rest = (parts[name] for name in Level._fields)
    firsts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    whole = (
        [part.dtype.name for part in (contexts, counts, shares, rest)] == ["uint64", "uint32", "float32", "float32"]
        and tokens.dtype.kind == "u"
        and contexts.ndim == tokens.ndim == 1
        and contexts.shape == counts.shape == rest.shape != (0,)
        and tokens.shape == shares.shape == (firsts[-1],)
        and int(tokens.max()) < rows
        and bool((contexts[1:] > contexts[:-1]).all())
        and int(contexts[-1]) < 1 << bits
        and all(float(part.min()) >= 0 and float(part.max()) <= 1 for part in (shares, rest))
        and float(rest.min()) > 0  # so that nothing is impossible
    )
    if not whole:
        raise ValueError("its tables do not fit together")
    return Level(contexts, firsts, tokens, shares, rest)


def _reach(tokens: NDArray[np.uint64], boundary: int) -> NDArray[np.int64]:
    """How many tokens stand before each one in its own line, the boundary that begins it among them. tokens [N]
    begin with a boundary, whose own reach is 0."""
    places = np.arange(len(tokens))
    begins = np.where(tokens == boundary, places, 0)
    begins[1:] = np.maximum.accumulate(begins)[:-1]  # a boundary ends its line, and is a token of it
    return places - begins


def _level(
    grams: NDArray[np.uint64], counts: NDArray[np.int64], ends: list[NDArray[np.uint64]], bits: int, rows: int
) -> Level:
    """Discounted probabilities of grams [M] (sorted) that occurred `counts` [M] times.

    `ends` holds what the n-grams of the next order end in, if there is one: how many of them do is what counts then.
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
    """What is taken from a count of 0, 1, 2, and 3 or more: Chen and Goodman's estimates, kept from 0.1 to the count
    less 0.1, so that nothing that was seen is lost and something is always left for what was not."""
    once = [float(np.count_nonzero(counts == n)) for n in range(1, 5)]
    ratio = once[0] / max(once[0] + 2 * once[1], 1.0)
    found = [n - (n + 1) * ratio * once[n] / max(once[n - 1], 1.0) for n in (1, 2, 3)]
    return np.array([0.0, *(min(max(value, 0.1), n - 0.1) for n, value in enumerate(found, 1))])
