"""Network rows into batches: lanes whose state is carried, lines that each start afresh, or windows.

All kinds yield the same `Batch`, so that one loop trains on any. Arrays are time-major, [T, B], as the LSTM
kernels like them. What is drawn depends on the seed and the step alone, and `position` is all that is needed to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.learning.recipe import Recipe
from afterword.text.encoded import EncodedCorpus

Ids = NDArray[np.integer[Any]]

LEAST_STRETCH = 512  # tokens of validation text, since each stretch begins without a context
NOT_A_TARGET = -100  # what torch's cross-entropy passes over: padding behind the end of a line


@dataclass(frozen=True)
class Batch:
    """One step's data.

    inputs, targets: int64 [T, B]; a target of `NOT_A_TARGET` costs nothing.
    fresh: bool [B], the columns whose carried state must be emptied first.
    weight: what the summed cost is divided by. It never depends on what else is in the batch, so a line's gradient
        does not depend on its neighbours.
    tokens: how many targets count.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    weight: float
    tokens: int

    def of_lanes(self, lanes: slice) -> Batch:
        """The columns `lanes`, with the weight and the tokens of the whole."""
        return Batch(self.inputs[:, lanes], self.targets[:, lanes], self.fresh[lanes], self.weight, self.tokens)


class Batches(Protocol):
    """An endless source of batches that can say where it is."""

    def next(self) -> Batch: ...

    @property
    def position(self) -> dict[str, Any]: ...

    @position.setter
    def position(self, value: dict[str, Any]) -> None: ...


class Lanes:
    """B lanes that walk through the running text, T tokens a step, each from its own place, round and round.

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


class Windows:
    """Batches of windows, as the classic recipe has them: W tokens from an empty state predict the next one.

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


def line_ends(ids: Ids, boundary: int, block: int = 1 << 20) -> NDArray[np.int64]:
    """Where the lines of ids [N] end: a block at a time, so that no array as long as the text is made."""
    found = [at + np.flatnonzero(ids[at : at + block] == boundary) for at in range(0, len(ids), block)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def validation_batches(
    ids: Ids, tokens: int, *, boundary: int, lines: bool, parallel: int = 64, seq_length: int = 256
) -> Sequence[Batch]:
    """The same at most `tokens` tokens of validation text at every call, from empty states, as batches in order.

    Running text is read as `parallel` stretches spread evenly over it, each with its state carried to its end.
    """
    if lines:
        every = max(1, -(-len(ids) // max(tokens, 1)))  # whole lines, evenly spread
        ends = line_ends(ids, boundary)
        starts = np.concatenate([[0], ends[:-1] + 1])
        chosen = np.concatenate(
            [ids[s : e + 1] for s, e in zip(starts[::every], ends[::every], strict=True)] or [ids[:0]]
        )
        source = Lines(chosen, parallel, seq_length, boundary=boundary, seed=0, shuffle=False)
        batches = []
        while source.position["epoch"] == 0 and source.position["batch"] < source.batches_in_epoch:
            batches.append(source.next())
        return batches
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


def training_batches(encoded: EncodedCorpus, recipe: Recipe) -> Lanes | Lines | Windows:
    """The training part as this recipe reads it."""
    ids, boundary, seed = encoded.training, encoded.tokenizer.end, recipe.seed
    if recipe.windows:
        return Windows(ids, recipe.batch_size, recipe.seq_length, seed=seed)
    assert boundary is not None
    if encoded.lines:
        return Lines(ids, recipe.batch_size, recipe.seq_length, boundary=boundary, seed=seed)
    return Lanes(
        ids,
        recipe.batch_size,
        recipe.seq_length,
        boundary=boundary,
        newline=int(encoded.tokenizer.encode("\n")[0]),
        reset_probability=recipe.reset_probability,
        seed=seed,
    )


def held_out_batches(encoded: EncodedCorpus, recipe: Recipe) -> Sequence[Batch]:
    """What keep-best reads of the validation part."""
    if recipe.validation_tokens == 0:
        return []
    if recipe.windows:
        return validation_windows(encoded.validation, recipe.validation_tokens, recipe.seq_length)
    assert encoded.tokenizer.end is not None
    return validation_batches(
        encoded.validation,
        recipe.validation_tokens,
        boundary=encoded.tokenizer.end,
        lines=encoded.lines,
    )
