"""An n-gram model in a few bytes, for a page: a tree of contexts, without the rarest n-grams.

The tree has the contexts of a level in the order of their parents, which lack the oldest row. So a context is one row,
and its parent has the number of its children. Probabilities are codes of one byte, 2^(-code / 16), or of two bytes,
2^(-code / 4096). The `rest` of a context is such a code, and the rows seen after it divide what is left in proportion
to coded shares: all sum to one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.ngram.growing import TRAINED_DISCOUNT
from afterword.model.ngram.tables import HIGHEST_ORDER, Level, Ngram

OCTAVES = 16  # factors of two between the highest and the lowest code
FINENESS, SCORES = 256, 2**15  # scores for a factor of two in counts, and the number of scores


class Tree(NamedTuple):
    """An n-gram model as a page holds it."""

    data: bytes
    levels: list[tuple[int, int]]
    """The number of contexts and of n-grams in each level."""
    share: float
    """The share of the n-grams that was kept."""


def tree_of(ngram: Ngram, most: float, parts: int = 1) -> Tree:
    """Return `ngram` as a tree of at most `most` bytes, or of single tokens alone, which always stay.

    A probability has `parts` bytes, 1 or 2.
    """
    kept = _prune(ngram, most, parts)
    kind = _kind(ngram)
    data, place = list[bytes](), np.zeros(1, np.intp)  # of each context of the level above, in the order of the tree
    for n, level in enumerate(kept):
        parent = place[_parents(kept, n, ngram.bits)] if n else np.zeros(1, np.intp)
        older = level.contexts >> np.uint64(ngram.bits * max(n - 1, 0))
        order = np.lexsort((older, parent))
        counts = np.diff(level.firsts)
        context = np.repeat(np.arange(len(counts)), counts)
        largest = np.full(len(counts), np.finfo(np.float32).tiny)
        np.maximum.at(largest, context, level.shares)
        rest, shares = _codes(level.rest, parts), _codes(level.shares / largest[context], parts)
        children = np.bincount(parent, minlength=len(place)) if n else np.zeros(0, np.intp)
        place = np.argsort(order)
        which = np.argsort(place[context], kind="stable")
        numbers = [part.astype(kind) for part in (children, older[order], counts[order], level.tokens[which])]
        data += [part.tobytes() for part in (*numbers, rest[order], shares[which])]
    sizes = [(len(level.contexts), len(level.tokens)) for level in kept]
    share = sum(tokens for _, tokens in sizes) / sum(len(level.tokens) for level in ngram.levels)
    return Tree(b"".join(data), sizes, share)


def _kind(ngram: Ngram) -> np.dtype[Any]:
    return np.dtype("<u1" if ngram.rows < 256 else "<u2")


def _prune(ngram: Ngram, most: float, parts: int) -> list[Level]:
    """Return the levels without the rarest n-grams, the longest first, so that the tree has at most `most` bytes."""
    scores, lines = [], []  # of each n-gram and each context
    for n, level in enumerate(ngram.levels):
        counts = np.diff(level.firsts)
        # a saved model has no counts, so they are estimated from the discounts
        totals = TRAINED_DISCOUNT * counts / level.rest
        about = np.log2(np.repeat(totals, counts) * level.shares + TRAINED_DISCOUNT) * FINENESS * HIGHEST_ORDER
        score = np.clip(about.astype(np.int64) // HIGHEST_ORDER * HIGHEST_ORDER + HIGHEST_ORDER - 1 - n, 0, SCORES - 1)
        scores.append(np.full_like(score, SCORES - 1) if n == 0 else score)
        lines.append(np.maximum.reduceat(scores[-1], level.firsts[:-1]))
    for n in range(len(lines) - 1, 0, -1):  # a context needs its parent
        np.maximum.at(lines[n - 1], _parents(ngram.levels, n, ngram.bits), lines[n])
    size = _kind(ngram).itemsize
    bytes_by_score = np.zeros(SCORES, np.int64)
    for score, line in zip(scores, lines, strict=True):
        bytes_by_score += (size + parts) * np.bincount(score, minlength=SCORES)
        bytes_by_score += (3 * size + parts) * np.bincount(line, minlength=SCORES)
    least = int(np.count_nonzero(bytes_by_score[::-1].cumsum()[::-1] > most))
    levels = []
    for level, score, line in zip(ngram.levels, scores, lines, strict=True):
        stays, grams = line >= min(least, SCORES - 1), score >= min(least, SCORES - 1)
        if not stays.any():
            break
        context = np.repeat(np.arange(len(line)), np.diff(level.firsts))
        lost = np.bincount(context[~grams], level.shares[~grams], len(line))
        counts = np.bincount(context[grams], minlength=len(line))[stays]
        rest = (level.rest + lost).astype(np.float32)[stays]
        firsts = np.concatenate([[0], counts.cumsum()])
        levels.append(Level(level.contexts[stays], firsts, level.tokens[grams], level.shares[grams], rest))
    return levels


def _parents(levels: list[Level], n: int, bits: int) -> NDArray[np.intp]:
    """Return for each context of level `n` ≥ 1 the place of its parent in the level above."""
    above = levels[n - 1].contexts
    return np.minimum(np.searchsorted(above, levels[n].contexts & np.uint64((1 << bits * (n - 1)) - 1)), len(above) - 1)


def _codes(values: NDArray[np.floating[Any]], parts: int) -> NDArray[np.integer[Any]]:
    codes = 256**parts
    with np.errstate(divide="ignore"):
        found = np.clip(np.rint(-codes / OCTAVES * np.log2(values)), 0, codes - 1)
    return np.asarray(found.astype(f"<u{parts}"))
