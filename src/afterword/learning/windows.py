"""Windows of text, each read from an empty state, as the classic recipe has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.learning.batch import NOT_A_TARGET, Batch, Ids


class Windows:
    """Batches of windows: W tokens from an empty state predict the next one.

    Every pass takes every window of ids [N] once (N - W of them, stride 1), in an order drawn from the seed; its last
    batch may be smaller.
    """

    def __init__(self, ids: Ids, batch_size: int, window: int, *, seed: int) -> None:
        if len(ids) <= window:
            raise OptionError(f"seq-length {window} is too large for {len(ids)} tokens of training text")
        self._ids, self._batch_size, self._window, self._seed = ids, batch_size, window, seed
        self._epoch, self._batch = 0, 0
        self._order = self._draw_order()

    def _draw_order(self) -> NDArray[np.unsignedinteger[Any]]:
        """The windows of this pass; four bytes each, of a text of any size that a pass can be taken over."""
        count = len(self._ids) - self._window
        order = np.arange(count, dtype=np.min_scalar_type(count))
        np.random.default_rng([self._seed, 3, self._epoch]).shuffle(order)
        return order

    def next(self) -> Batch:
        first = self._batch * self._batch_size
        if first >= len(self._order):
            self._epoch, self._batch, first = self._epoch + 1, 0, 0
            self._order = self._draw_order()
        self._batch += 1
        starts = self._order[first : first + self._batch_size].astype(np.int64)
        return window_batch(self._ids, starts, self._window)

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "batch": self._batch}

    @position.setter
    def position(self, value: dict[str, Any]) -> None:
        self._epoch, self._batch = value["epoch"], value["batch"]
        self._order = self._draw_order()


def window_batch(ids: Ids, starts: NDArray[np.int64], window: int) -> Batch:
    """The windows of ids [N] that begin at `starts` [B]; their mean cost is what counts, as in Keras."""
    B = len(starts)
    inputs = np.asarray(ids[starts + np.arange(window)[:, None]], np.int64)
    targets = np.full((window, B), NOT_A_TARGET, np.int64)
    targets[-1] = ids[starts + window]
    return Batch(inputs, targets, np.ones(B, np.bool_), weight=B, tokens=B)


def validation_windows(ids: Ids, tokens: int, window: int, parallel: int = 256) -> Sequence[Batch]:
    """At most `tokens` windows of validation text, always the same, evenly spread."""
    count = len(ids) - window
    starts = (np.arange(min(tokens, count)) * count) // max(1, min(tokens, count))
    return [window_batch(ids, starts[at : at + parallel], window) for at in range(0, len(starts), parallel)]
