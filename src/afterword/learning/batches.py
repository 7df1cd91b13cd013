"""A run's data, step by step: how a recipe reads a text, in lanes, line by line, or window by window.

What is drawn depends on the seed and the step alone, and a source's `position` is all that is needed to continue.
Arrays are time-major, [T, B], as the LSTM kernels like them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.learning.recipe import Recipe
from afterword.model.arrays import Ids
from afterword.text.encoded import EncodedCorpus

NOT_A_TARGET = -100  # torch's cross-entropy skips it: padding after the end of a line


@dataclass(frozen=True)
class Batch:
    """One step's data.

    targets: one of `NOT_A_TARGET` costs nothing.
    fresh: the columns whose carried state must be cleared first.
    weight: the divisor of the summed cost. It never depends on the rest of the batch, so a line's gradient does not
        depend on its neighbours.
    tokens: the number of targets that count.
    """

    inputs: Annotated[NDArray[np.int64], "T B"]
    targets: Annotated[NDArray[np.int64], "T B"]
    fresh: Annotated[NDArray[np.bool_], "B"]
    weight: float
    tokens: int

    def of_lanes(self, lanes: slice) -> Batch:
        """Return the columns `lanes`, with the weight and the tokens of the whole batch."""
        return Batch(self.inputs[:, lanes], self.targets[:, lanes], self.fresh[lanes], self.weight, self.tokens)


MOST_EXAMINED = 2**22  # tokens of a text, to plan a run: for the steps of a pass over lines, and for remarks
PARALLEL, PIECE = 64, 256  # stretches or lines of validation text, and tokens of each (or windows), read at once
LEAST_STRETCH = 512  # tokens of validation text, since each stretch begins without context


class Lanes:
    """B lanes that walk through the running text, T tokens per step, each from its own place, again and again.

    Ids are network rows. At each step a lane starts afresh with the recipe's `reset_probability`, and always at the
    end of the text: its state is cleared and its first input is the boundary token, as at the start of writing and
    scoring. Half of these fresh starts move on to the next start of a line, where prompts begin.
    """

    def __init__(self, ids: Annotated[Ids, "N"], recipe: Recipe, *, boundary: int, newline: int) -> None:
        batch_size, seq_length = recipe.batch_size, recipe.seq_length
        if len(ids) < seq_length + 1:
            raise OptionError(f"`seq_length` {seq_length} is too large for {len(ids)} tokens of training text")
        self._ids, self._boundary, self._newline = ids, boundary, newline
        self._seq_length, self._reset_probability = seq_length, recipe.reset_probability
        self._generator = np.random.default_rng([recipe.seed, 1])
        self._at = np.minimum(np.arange(batch_size) * len(ids) // batch_size, len(ids) - seq_length - 1)
        self._started = False

    def next(self) -> Batch:
        T, B = self._seq_length, len(self._at)
        fresh = (self._generator.random(B) < self._reset_probability) | (not self._started)
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

    def shift(self) -> None:
        """Move each lane on by half the distance between two lanes, and let it start afresh."""
        self._at = (self._at + len(self._ids) // (2 * len(self._at))) % (len(self._ids) - self._seq_length)
        self._started = False

    def _next_line(self, at: int) -> int:
        """Return the place of the next newline, which the boundary token replaces, if it is near; else `at`."""
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


def validation_stretches(ids: Ids, tokens: int, *, boundary: int) -> Sequence[Batch]:
    """Return at most `tokens` tokens of validation text, always the same, as batches in order.

    They are `PARALLEL` stretches, spread evenly over the text. The state is empty at the start of each.
    """
    tokens = min(tokens, len(ids))
    parallel = max(1, min(PARALLEL, tokens // LEAST_STRETCH))  # for a short text, fewer and longer stretches
    stretch = tokens // parallel
    starts = (np.arange(parallel) * len(ids)) // parallel
    text = np.stack([ids[s : s + stretch] for s in starts], axis=1).astype(np.int64)
    inputs = np.concatenate([np.full((1, parallel), boundary), text[:-1]])
    return [
        Batch(inputs[t : t + PIECE], targets, np.full(parallel, t == 0), weight=1.0, tokens=targets.size)
        for t in range(0, stretch, PIECE)
        for targets in [text[t : t + PIECE]]
    ]


class Lines:
    """Batches of whole lines. Each is read from an empty state and the boundary token, and includes its own end.

    Ids are network rows, each line followed by the boundary token. Every pass takes each line once, in an order
    drawn from the seed; lines of about the same length go together, so there is little padding. A batch whose lines are
    longer than `seq_length` is read in pieces of that length, with the state carried between them.
    """

    def __init__(
        self, ids: Ids, batch_size: int, seq_length: int, *, boundary: int, seed: int, every: int | None = None
    ) -> None:
        """`every`: take only every n-th line, in the order of the text."""
        self._ids, self._boundary = ids, boundary
        ends = line_ends(ids, boundary)
        starts = np.concatenate([[0], ends[:-1] + 1])
        self._starts, self._lengths = starts[::every], (ends - starts + 1)[::every]  # in targets, with the end
        self._batch_size, self._seq_length = min(batch_size, len(self._starts)), seq_length
        self._seed, self._shuffle = seed, every is None
        self._weight = float(self._lengths.mean() * self._batch_size)
        self.position = {"epoch": 0, "batch": 0, "piece": 0}

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "batch": self._batch, "piece": self._piece}

    @position.setter
    def position(self, value: dict[str, Any]) -> None:
        self._epoch, self._batch, self._piece = value["epoch"], value["batch"], value["piece"]
        self._order = self._draw_order()

    @property
    def steps_in_epoch(self) -> int:
        """The number of steps in this pass: a batch of long lines takes several."""
        return sum(-(-int(self._lengths[lines].max()) // self._seq_length) for lines in self._order)

    def _draw_order(self) -> list[NDArray[np.int64]]:
        """Return the batches of this pass, each an array of line numbers."""
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
            self.position = {"epoch": self._epoch + 1, "batch": 0, "piece": 0}
        lines = self._order[self._batch]
        longest = int(self._lengths[lines].max())
        first = self._piece * self._seq_length
        T = min(self._seq_length, longest - first)
        at = first + np.arange(T)[:, None]  # places within the lines, [T, 1]
        inside = at < self._lengths[lines]  # [T, B]
        places = np.where(inside, self._starts[lines] + at, 0)
        targets = np.where(inside, self._ids[places].astype(np.int64), NOT_A_TARGET)
        # the boundary comes before the first token
        inputs = np.where(inside & (at > 0), self._ids[places - 1].astype(np.int64), self._boundary)
        fresh = np.full(len(lines), first == 0)
        if first + T < longest:
            self._piece += 1
        else:
            self._batch, self._piece = self._batch + 1, 0
        return Batch(inputs, targets, fresh, weight=self._weight, tokens=int((targets != NOT_A_TARGET).sum()))


def validation_lines(ids: Ids, tokens: int, *, boundary: int) -> Sequence[Batch]:
    """Return at most `tokens` tokens of validation text, always the same: whole lines, evenly spread, in order."""
    every = max(1, -(-len(ids) // max(tokens, 1)))
    source = Lines(ids, PARALLEL, PIECE, boundary=boundary, seed=0, every=every)
    return [source.next() for _ in range(source.steps_in_epoch)]


def line_ends(ids: Annotated[Ids, "N"], boundary: int, block: int = 1 << 20) -> Annotated[NDArray[np.int64], "lines"]:
    """Return the ends of the lines in `ids`, found by the block, so that no array is as long as the text."""
    found = [at + np.flatnonzero(ids[at : at + block] == boundary) for at in range(0, len(ids), block)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


class Windows:
    """Batches of windows: W tokens from an empty state predict the next one.

    Every pass takes every window of N ids once (N - W of them, stride 1), in an order drawn from the seed. The last
    batch of a pass may be smaller.
    """

    def __init__(self, ids: Annotated[Ids, "N"], batch_size: int, window: int, *, seed: int) -> None:
        if len(ids) <= window:
            raise OptionError(f"`seq_length` {window} is too large for {len(ids)} tokens of training text")
        self._ids, self._batch_size, self._window, self._seed = ids, batch_size, window, seed
        self.position = {"epoch": 0, "batch": 0}

    def _draw_order(self) -> NDArray[np.unsignedinteger[Any]]:
        """Return the windows of this pass in order: four bytes each, or eight for the largest texts."""
        count = len(self._ids) - self._window
        order = np.arange(count, dtype=np.min_scalar_type(count))
        np.random.default_rng([self._seed, 3, self._epoch]).shuffle(order)
        return order

    def next(self) -> Batch:
        if self._batch * self._batch_size >= len(self._order):
            self.position = {"epoch": self._epoch + 1, "batch": 0}
        first = self._batch * self._batch_size
        self._batch += 1
        return window_batch(self._ids, self._order[first : first + self._batch_size].astype(np.int64), self._window)

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "batch": self._batch}

    @position.setter
    def position(self, value: dict[str, Any]) -> None:
        self._epoch, self._batch = value["epoch"], value["batch"]
        self._order = self._draw_order()


def window_batch(ids: Annotated[Ids, "N"], starts: Annotated[NDArray[np.int64], "B"], window: int) -> Batch:
    """Return the windows of `ids` that begin at `starts`. Their mean cost counts, as in Keras."""
    B = len(starts)
    inputs = np.asarray(ids[starts + np.arange(window)[:, None]], np.int64)
    targets = np.full((window, B), NOT_A_TARGET, np.int64)
    targets[-1] = ids[starts + window]
    return Batch(inputs, targets, np.ones(B, np.bool_), weight=B, tokens=B)


def validation_windows(ids: Ids, tokens: int, window: int) -> Sequence[Batch]:
    """Return at most `tokens` windows of validation text, always the same, evenly spread."""
    count = len(ids) - window
    starts = (np.arange(min(tokens, count)) * count) // max(1, min(tokens, count))
    return [window_batch(ids, starts[at : at + PIECE], window) for at in range(0, len(starts), PIECE)]


Batches = Lanes | Lines | Windows  # endless sources of batches, with a position


def training_batches(encoded: EncodedCorpus, recipe: Recipe) -> Batches:
    """Return the training part as this recipe reads it."""
    ids, tokenizer, seed = encoded.training, encoded.tokenizer, recipe.seed
    if recipe.windows:
        return Windows(ids, recipe.batch_size, recipe.seq_length, seed=seed)
    if encoded.lines:
        return Lines(ids, recipe.batch_size, recipe.seq_length, boundary=tokenizer.boundary, seed=seed)
    return Lanes(ids, recipe, boundary=tokenizer.boundary, newline=int(tokenizer.encode("\n")[0]))


def steps_per_pass(encoded: EncodedCorpus, batch_size: int, seq_length: int, windows: bool = False) -> float:
    """Return the number of steps in a pass over the training part."""
    if windows:
        return math.ceil((len(encoded.training) - seq_length) / batch_size)
    if not encoded.lines:
        return len(encoded.training) / (batch_size * seq_length)
    part = encoded.beginning(MOST_EXAMINED)
    lines = Lines(part.training, batch_size, seq_length, boundary=encoded.tokenizer.boundary, seed=0)
    return lines.steps_in_epoch * len(encoded.training) / len(part.training)


def held_out_batches(encoded: EncodedCorpus, recipe: Recipe) -> Sequence[Batch]:
    """Return the part of the validation text that is evaluated."""
    if recipe.validation_tokens == 0:
        return []
    if recipe.windows:
        return validation_windows(encoded.validation, recipe.validation_tokens, recipe.seq_length)
    batches = validation_lines if encoded.lines else validation_stretches
    return batches(encoded.validation, recipe.validation_tokens, boundary=encoded.tokenizer.boundary)
