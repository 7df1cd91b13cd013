"""Running text in lanes, whose state is carried from batch to batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from afterword.errors import OptionError
from afterword.learning.batch import Batch, Ids

LEAST_STRETCH = 512  # tokens of validation text, since each stretch begins without a context


class Lanes:
    """B lanes that walk through the running text, T tokens per step, each from its own place, again and again.

    ids [N] are network rows. At each step a lane starts afresh with `reset_probability` (and always where it comes
    to the end of the text): its state is emptied and its first input is the boundary token, as it is for everyone who
    begins to write or to score. Half of these fresh starts move on to the next start of a line, where prompts begin.
    """

    def __init__(
        self,
        ids: Ids,
        batch_size: int,
        seq_length: int,
        *,
        boundary: int,
        newline: int,
        reset_probability: float,
        seed: int,
    ) -> None:
        if len(ids) < seq_length + 1:
            raise OptionError(
                f"seq-length {seq_length} is more than the {len(ids)} tokens of training text: give a smaller one"
            )
        self._ids, self._boundary, self._newline = ids, boundary, newline
        self._seq_length, self._reset_probability = seq_length, reset_probability
        self._generator = np.random.default_rng([seed, 1])
        last_start = len(ids) - seq_length - 1
        self._at = (np.arange(batch_size) * len(ids)) // batch_size
        self._at = np.minimum(self._at, last_start)
        self._started = False

    def next(self) -> Batch:
        T, B = self._seq_length, len(self._at)
        fresh = self._generator.random(B) < self._reset_probability
        if not self._started:
            fresh[:] = True
            self._started = True
        window = np.empty((T + 1, B), np.int64)
        for lane in range(B):
            at = int(self._at[lane])
            if fresh[lane] and self._generator.random() < 0.5:
                at = self._next_line(at)
            if at + T + 1 > len(self._ids):
                at, fresh[lane] = 0, True
            window[:, lane] = self._ids[at : at + T + 1]
            self._at[lane] = at + T
        inputs = window[:-1].copy()
        inputs[0, fresh] = self._boundary
        return Batch(inputs, window[1:], fresh, weight=T * B, tokens=T * B)

    def _next_line(self, at: int) -> int:
        """Where the next line's newline stands (which the boundary token replaces), if it is near; else `at`."""
        ahead = np.flatnonzero(self._ids[at : at + 256] == self._newline)
        return at + int(ahead[0]) if len(ahead) else at

    @property
    def position(self) -> dict[str, Any]:
        return {"at": self._at.tolist(), "generator": self._generator.bit_generator.state, "started": self._started}

    @position.setter
    def position(self, value: dict[str, Any]) -> None:
        self._at = np.array(value["at"])
        self._generator.bit_generator.state = value["generator"]
        self._started = value["started"]


def validation_stretches(
    ids: Ids, tokens: int, *, boundary: int, parallel: int = 64, seq_length: int = 256
) -> Sequence[Batch]:
    """At most `tokens` tokens of validation text, always the same, as batches in order.

    They are `parallel` stretches spread evenly over the text, each read from an empty state that is carried to its end.
    """
    stretch = min(tokens, len(ids)) // parallel
    if stretch < LEAST_STRETCH:  # a short text: fewer and longer stretches
        parallel = max(1, min(tokens, len(ids)) // LEAST_STRETCH)
        stretch = min(tokens, len(ids)) // parallel
    starts = (np.arange(parallel) * len(ids)) // parallel
    text = np.stack([ids[s : s + stretch] for s in starts], axis=1).astype(np.int64)
    inputs = np.concatenate([np.full((1, parallel), boundary), text[:-1]])
    return [
        Batch(
            inputs[t : t + seq_length],
            text[t : t + seq_length],
            np.full(parallel, t == 0),
            weight=1.0,
            tokens=text[t : t + seq_length].size,
        )
        for t in range(0, stretch, seq_length)
    ]
