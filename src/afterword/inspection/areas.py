"""How well a value tells a truth: the area under the curve.

It is the probability that the value is higher at a random place where the truth holds than at a random place where it
does not, ties counting half: 0.5 tells nothing, 1 (or 0, for a value that is low there) everything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def midranks(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """The rank of each of values [T, C] in its column, from 1; equal ones have the mean of theirs."""
    ranks = np.empty(values.shape, np.float32)
    for column in range(values.shape[1]):
        order = values[:, column].argsort(kind="stable")
        ordered = values[order, column]
        new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        first = np.flatnonzero(new)
        count = np.diff(np.append(first, len(order)))
        ranks[order, column] = (first + (count + 1) / 2)[new.cumsum() - 1]
    return ranks


def areas(ranks: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The area under the curve of each column of `ranks` [T, C] for the truth `mask` [T] (Mann and Whitney's U)."""
    inside = int(mask.sum())
    sums = np.add.reduce(ranks[mask], axis=0, dtype=np.float64)
    value: NDArray[np.float64] = (sums - inside * (inside + 1) / 2) / (inside * (len(mask) - inside))
    return value
