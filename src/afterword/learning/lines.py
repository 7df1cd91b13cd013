"""Lines that each start afresh: names, molecules, log lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.learning.batch import NOT_A_TARGET, Batch, Ids


class Lines:
    """Batches of whole lines: each from an empty state and the boundary token, up to and with its own end.

    ids [N] are network rows, each line followed by the boundary token. Every pass takes each line once, in an order
    drawn from the seed; lines of about the same length go together, so that little is padded. A batch whose lines are
    longer than `seq_length` is read in pieces of that length with the state carried between them.
    """

    def __init__(
        self, ids: Ids, batch_size: int, seq_length: int, *, boundary: int, seed: int, shuffle: bool = True
    ) -> None:
        self._ids, self._boundary = ids, boundary
        ends = line_ends(ids, boundary)
        self._starts = np.concatenate([[0], ends[:-1] + 1])
        self._lengths = ends - self._starts + 1  # in targets: the end counts
        self._batch_size, self._seq_length = min(batch_size, len(ends)), seq_length
        self._seed, self._shuffle = seed, shuffle
        self._weight = float(self._lengths.mean() * self._batch_size)
        self._epoch, self._batch, self._piece = 0, 0, 0
        self._order = self._draw_order()

    @property
    def batches_in_epoch(self) -> int:
        return len(self._order)

    @property
    def steps_in_epoch(self) -> int:
        """How many steps this pass takes: a batch of long lines takes several."""
        return sum(-(-int(self._lengths[lines].max()) // self._seq_length) for lines in self._order)

    def _draw_order(self) -> list[NDArray[np.int64]]:
        """The batches of this pass, each an array of line numbers."""
        B = self._batch_size
        generator = np.random.default_rng([self._seed, 2, self._epoch])
        lines = generator.permutation(len(self._lengths)) if self._shuffle else np.arange(len(self._lengths))
        sort_within = 64 * B if self._shuffle else len(lines)
        batches: list[NDArray[np.int64]] = []
        for first in range(0, len(lines), sort_within):
            pool = lines[first : first + sort_within]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            batches += [pool[i : i + B] for i in range(0, len(pool), B)]
        return [batches[i] for i in generator.permutation(len(batches))] if self._shuffle else batches

    def next(self) -> Batch:
        if self._batch == len(self._order):
            self._epoch, self._batch = self._epoch + 1, 0
            self._order = self._draw_order()
        lines = self._order[self._batch]
        longest = int(self._lengths[lines].max())
        first = self._piece * self._seq_length
        T = min(self._seq_length, longest - first)
        inputs = np.full((T, len(lines)), self._boundary, np.int64)
        targets = np.full((T, len(lines)), NOT_A_TARGET, np.int64)
        for column, line in enumerate(lines):
            start, length = int(self._starts[line]), int(self._lengths[line])
            here = max(0, min(T, length - first))
            if here == 0:
                continue
            targets[:here, column] = self._ids[start + first : start + first + here]
            before = 1 if first == 0 else 0  # the boundary stands before the first token
            inputs[before:here, column] = self._ids[start + first - 1 + before : start + first - 1 + here]
        fresh = np.full(len(lines), first == 0)
        if first + T < longest:
            self._piece += 1
        else:
            self._batch, self._piece = self._batch + 1, 0
        return Batch(inputs, targets, fresh, weight=self._weight, tokens=int((targets != NOT_A_TARGET).sum()))

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "batch": self._batch, "piece": self._piece}

    @position.setter
    def position(self, value: dict[str, Any]) -> None:
        self._epoch, self._batch, self._piece = value["epoch"], value["batch"], value["piece"]
        self._order = self._draw_order()


def validation_lines(
    ids: Ids, tokens: int, *, boundary: int, parallel: int = 64, seq_length: int = 256
) -> Sequence[Batch]:
    """At most `tokens` tokens of validation text, always the same: whole lines, evenly spread, as batches in order."""
    every = max(1, -(-len(ids) // max(tokens, 1)))
    ends = line_ends(ids, boundary)
    starts = np.concatenate([[0], ends[:-1] + 1])
    chosen = np.concatenate([ids[s : e + 1] for s, e in zip(starts[::every], ends[::every], strict=True)] or [ids[:0]])
    source = Lines(chosen, parallel, seq_length, boundary=boundary, seed=0, shuffle=False)
    batches = []
    while source.position["epoch"] == 0 and source.position["batch"] < source.batches_in_epoch:
        batches.append(source.next())
    return batches


def line_ends(ids: Ids, boundary: int, block: int = 1 << 20) -> NDArray[np.int64]:
    """Where the lines of ids [N] end: a block at a time, so that no array as long as the text is made."""
    found = [at + np.flatnonzero(ids[at : at + block] == boundary) for at in range(0, len(ids), block)]
    return np.concatenate(found) if found else np.empty(0, np.int64)
