"""From the network's logits to one token.

The order, always the same, each step on what the one before left:

    1. tokens never seen in training are masked
    2. temperature: the logits are divided by it; 0 takes the likeliest token and ends here
    3. the filters, in the order of `FILTERS`: top-k, the k likeliest stay; top-p, the fewest likeliest that together
       reach the probability p; min-p, those that are at least p times as likely as the likeliest
    4. one token is drawn from what is left

A token that a filter removes has the logit -inf. Equal logits are ranked by id, the lower first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError
from afterword.model.arrays import Ids
from afterword.model.saved import SavedModel
from afterword.model.writing import WritingDefaults
from afterword.settings import check, setting

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How to write. Raises OptionError for an invalid value. None is the model's own default: see `settled`."""

    max_tokens: int | None = setting(None, "write at most this many tokens (500; classic: 50)", minimum=0)
    temperature: float | None = setting(
        None, "lower is safer, higher is wilder; 0 takes the likeliest token (0.8; classic: 0)", minimum=0, short="t"
    )
    top_k: int = setting(0, "draw from the K likeliest tokens only; 0 is off", minimum=0, metavar="K")
    top_p: float = setting(1.0, "draw from the fewest tokens that reach this probability", above=0, maximum=1)
    min_p: float = setting(0.0, "drop tokens under this fraction of the highest probability", minimum=0, below=1)
    stop: tuple[str, ...] = setting((), "end before this text; may be given several times", metavar="TEXT")

    def __post_init__(self) -> None:
        several = isinstance(self.stop, Iterable) and not isinstance(self.stop, str)
        object.__setattr__(self, "stop", tuple(self.stop) if several else (self.stop,))
        check(self)
        if not all(isinstance(text, str) and text for text in self.stop):
            raise OptionError("stop must be text of at least one character")
        if any("\ud800" <= character <= "\udfff" for text in self.stop for character in text):
            raise OptionError("stop holds a lone surrogate, which is no text: remove it")

    def settled(self, defaults: WritingDefaults) -> WritingDefaults:
        """The model's `defaults`, but for what is given here."""
        given: dict[str, Any] = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        return dataclasses.replace(defaults, **{name: value for name, value in given.items() if value is not None})


def keep_top_k(logits: Logits, k: int) -> Logits:
    """Logits [..., R] with all but the `k` likeliest at -inf."""
    return logits if k >= logits.shape[-1] else _keep(logits, _ranked(logits), k)


def keep_top_p(logits: Logits, p: float) -> Logits:
    """Logits [..., R] with all but the fewest likeliest at -inf that together reach the probability `p`."""
    ranked = _ranked(logits)
    by_rank = np.take_along_axis(logits, ranked, axis=-1)
    reached = np.exp(by_rank - by_rank[..., :1]).cumsum(axis=-1)
    return _keep(logits, ranked, np.count_nonzero(reached < p * reached[..., -1:], axis=-1, keepdims=True) + 1)


def keep_min_p(logits: Logits, p: float) -> Logits:
    """Logits [..., R] with those at -inf that are less than `p` times as likely as the likeliest."""
    return np.where(logits >= logits.max(axis=-1, keepdims=True) + math.log(p), logits, -np.inf)


def _ranked(logits: Logits) -> NDArray[np.intp]:
    return np.argsort(-logits, axis=-1, kind="stable")


def _keep(logits: Logits, ranked: NDArray[np.intp], count: int | NDArray[np.intp]) -> Logits:
    """`logits` with all but the first `count` of the `ranked` at -inf."""
    kept = np.empty(logits.shape, bool)
    np.put_along_axis(kept, ranked, np.broadcast_to(np.arange(logits.shape[-1]) < count, logits.shape), axis=-1)
    return np.where(kept, logits, -np.inf)


FILTERS: dict[str, Callable[[Logits, Any], Logits]] = {
    "top_k": keep_top_k,
    "top_p": keep_top_p,
    "min_p": keep_min_p,
}
"""Each setting that removes tokens, in the order in which they do: logits [..., R] and its value → logits [..., R]."""


class Sampler:
    """Draws tokens by `sampling`, from the stream of random numbers that `seed` (0 to 2^64 - 1) begins.

    `temperature` is the settled one. `rows` is R, the number of logits; `unseen` are those among them that must never
    be drawn. Raises ModelError where nothing is left to draw.
    """

    def __init__(self, sampling: Sampling, temperature: float, rows: int, unseen: Sequence[int], seed: int) -> None:
        self._mask: Logits = np.zeros(rows)
        self._mask[list(unseen)] = -np.inf
        if not np.isfinite(self._mask).any():
            raise ModelError("this model saw no token in training that it could write")
        self._greedy = temperature == 0
        # No float32 logit overflows when it is divided by 1e-200, and no two come close: smaller changes nothing.
        # An array, since NumPy divides by one faster than by a number.
        self._temperature = np.array(max(temperature, 1e-200))
        values = [(keep, getattr(sampling, name), getattr(Sampling, name)) for name, keep in FILTERS.items()]
        self._filters = [(keep, value) for keep, value, off in values if value != off]
        self._random = np.random.Generator(np.random.PCG64(seed))

    def draw(self, logits: NDArray[np.floating]) -> tuple[int, float]:
        """One token from logits [R]: its id, and the model's own log-probability of it (nats, before any filter)."""
        own = logits.astype(np.float64)
        likeliest = own.argmax()
        own -= own[likeliest]  # in a third of the time that max() takes
        left = own + self._mask
        if self._greedy:
            token = int(left.argmax())
        else:
            if left[likeliest]:  # masked
                left -= left[left.argmax()]
            left /= self._temperature
            for keep, value in self._filters:
                left = keep(left, value)
            reached = np.add.accumulate(np.exp(left, out=left))
            # right: the first id whose sum is above the number, so that an id without weight is never drawn
            token = int(reached.searchsorted(self._random.random() * reached[-1], "right"))
        return token, float(own[token]) - math.log(np.add.reduce(np.exp(own, out=own)))

    def draw_many(self, logits: NDArray[np.floating], numbers: Sequence[float]) -> tuple[Ids, list[float]]:
        """`draw` for each row of logits [B, R], by B random numbers from 0 to 1 in place of the seed's."""
        own = logits.astype(np.float64)
        own -= own.max(axis=1, keepdims=True)
        left = own + self._mask
        if self._greedy:
            tokens = left.argmax(axis=1)
        else:
            left -= left.max(axis=1, keepdims=True)
            left /= self._temperature
            for keep, value in self._filters:
                left = keep(left, value)
            reached = np.exp(left, out=left).cumsum(axis=1)
            drawn = np.array(numbers)[:, None] * reached[:, -1:]
            tokens = np.count_nonzero(reached <= drawn, axis=1)
        chosen = own[np.arange(len(own)), tokens]
        return tokens, (chosen - np.log(np.exp(own, out=own).sum(axis=1))).tolist()


def sampler_of(model: SavedModel, sampling: Sampling, seed: int) -> Sampler:
    """A sampler for what `model` may write."""
    masked = set(model.unseen)
    tokenizer = model.tokenizer
    if tokenizer.rows < tokenizer.size:
        masked.add(tokenizer.rows - 1)  # one row for all byte tokens says nothing of which byte
    return Sampler(sampling, sampling.settled(model.writing).temperature, tokenizer.rows, sorted(masked), seed)
