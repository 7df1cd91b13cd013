"""From the network's logits to one token.

The order, always the same, each step on what the one before left:

    1. tokens never seen in training are masked, biases added
    2. what the text at hand asks for (`writer.Writer.steer`): tokens that end it too early or break its rules are
       masked, and those that would go on with a repetition are made less likely
    3. temperature: the logits are divided by it; 0 takes the likeliest token and ends here
    4. the filters, in the order of `FILTERS`: top-k, the k likeliest stay; top-p, the fewest likeliest that together
       reach the probability p; min-p, those that are at least p times as likely as the likeliest
    5. one token is drawn from what is left; one that would go on with a copy is masked, and 3 to 5 come again

A token that a filter removes has the logit -inf. Equal logits are ranked by id, the lower first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError, WorkError
from afterword.model.arrays import Ids
from afterword.model.writing import WritingDefaults
from afterword.settings import check, setting

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How to write. Raises OptionError for an invalid value. None is the model's own default: see `settled`."""

    max_tokens: int | None = setting(
        None, "write at most this many tokens; under a rule, characters (500; classic: 50)", minimum=0
    )
    min_tokens: int = setting(0, "end no line before this many tokens; under a rule, characters", minimum=0)
    temperature: float | None = setting(
        None, "lower is safer, higher is wilder; 0 takes the likeliest token (0.8; classic: 0)", minimum=0, short="t"
    )
    final_temperature: float | None = setting(
        None, "change the temperature evenly along the text, to this at --max-tokens", minimum=0
    )
    top_k: int = setting(0, "draw from the K likeliest tokens only; 0 is off", minimum=0, metavar="K")
    top_p: float = setting(1.0, "draw from the fewest tokens that reach this probability", above=0, maximum=1)
    min_p: float | None = setting(
        None,
        "drop tokens under this fraction of the highest probability (0.05; lines, classic: 0)",
        minimum=0,
        below=1,
    )
    repetition_penalty: float | None = setting(
        None,
        "below temperature 0.8, make what goes on with a repetition of 16 tokens this many times less likely for each "
        "further token; 1 is off (1 to 4, by how much the text repeats itself; lines, classic: 1)",
        minimum=1,
        maximum=1000,
    )
    logit_bias: tuple[str, ...] = setting(
        (), "make a token likelier, or less likely: add this to its logit (several)", metavar="TOKEN=BIAS"
    )
    stop: tuple[str, ...] = setting((), "end before this text; may be given several times", metavar="TEXT")
    pattern: str | None = setting(None, "a rule: the text written matches this expression", metavar="REGEX")
    only: str | None = setting(None, "a rule: write these characters only", metavar="CHARACTERS")
    without: str | None = setting(None, "a rule: write none of these characters", metavar="CHARACTERS")
    starts_with: str | None = setting(None, "a rule: the text written starts with this", metavar="TEXT")
    contains: tuple[str, ...] = setting((), "a rule: the text written contains this (several)", metavar="TEXT")
    reject: bool = setting(False, "write freely, and again by further seeds where a rule is broken")
    no_copy: int | None = setting(
        None, "copy nothing longer than this many characters from the text that was learned from", minimum=4
    )
    log_probabilities: int | None = setting(
        None, "keep each token's log-probability and those of the N likeliest", minimum=0, maximum=1000, metavar="N"
    )

    def __post_init__(self) -> None:
        biases = self.logit_bias
        if isinstance(biases, Mapping):
            biases = tuple(f"{token}={bias}" for token, bias in biases.items())
        object.__setattr__(self, "logit_bias", biases)
        for name in ("stop", "contains", "logit_bias"):
            object.__setattr__(self, name, _several(name.replace("_", "-"), getattr(self, name)))
        check(self)
        for name in ("only", "pattern", "starts_with", "without"):
            _check_text(name.replace("_", "-"), getattr(self, name))
        if self.rules and (self.stop or self.no_copy):
            raise OptionError(f"{'stop' if self.stop else 'no-copy'} and a rule exclude each other: give one of them")
        if self.reject and not self.rules:
            raise OptionError("reject is about rules: give pattern, only, without, starts-with or contains too")

    @property
    def rules(self) -> bool:
        """Whether what is written must obey a rule."""
        return any(rule is not None for rule in (self.pattern, self.only, self.without, self.starts_with)) or bool(
            self.contains
        )

    @property
    def biases(self) -> dict[str, float]:
        """What is added to a token's logit, by the token's text. Raises OptionError."""
        found = {}
        for bias in self.logit_bias:
            token, equals, value = bias.rpartition("=")
            try:
                found[token] = float(value)
            except ValueError:
                equals = ""
            if not equals or not token or not math.isfinite(found[token]):
                raise OptionError(f"logit-bias must be a token and a number, as in e=-2, not {bias[:40]!r}")
        return found

    def settled(self, defaults: WritingDefaults) -> WritingDefaults:
        """The model's `defaults`, but for what is given here."""
        names = ("max_tokens", "temperature", "min_p", "repetition_penalty")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(defaults, **given)


def _several(name: str, texts: Any) -> tuple[str, ...]:
    """One text or several as a tuple. Raises OptionError for what is no text, or empty."""
    several = tuple(texts) if isinstance(texts, Iterable) and not isinstance(texts, str) else (texts,)
    for text in several:
        if not isinstance(text, str) or not text:
            raise OptionError(f"{name} must be text of at least one character")
        _check_text(name, text)
    return several


def _check_text(name: str, text: str | None) -> None:
    if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
        raise OptionError(f"{name} holds a lone surrogate, which is no text: remove it")


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
    """Logits [..., R] with those at -inf that are less than `p` times as likely as the likeliest, whose logit is 0."""
    return np.where(logits >= math.log(p), logits, -np.inf)


def _ranked(logits: Logits) -> NDArray[np.intp]:
    return np.argsort(-logits, axis=-1, kind="stable")


def _keep(logits: Logits, ranked: NDArray[np.intp], count: int | NDArray[np.intp]) -> Logits:
    """`logits` with all but the first `count` of the `ranked` at -inf."""
    kept = np.empty(logits.shape, bool)
    np.put_along_axis(kept, ranked, np.broadcast_to(np.arange(logits.shape[-1]) < count, logits.shape), axis=-1)
    return np.where(kept, logits, -np.inf)


FILTERS: dict[str, tuple[Callable[[Logits, Any], Logits], float]] = {
    "top_k": (keep_top_k, 0),
    "top_p": (keep_top_p, 1),
    "min_p": (keep_min_p, 0),
}
"""Each setting that removes tokens, in the order in which they do: logits [..., R], of which the largest is 0, and its
value → logits [..., R]; and the value at which it is off."""


class Steered(Protocol):
    """A text on its way, as far as a draw depends on it; see `writer.Writer`."""

    numbers: Iterator[float]
    """Its random numbers, from 0 to 1."""
    steers: bool
    """Whether `steer` does anything."""
    guards: bool
    """Whether it may refuse a token."""

    @property
    def temperature(self) -> float: ...

    def steer(self, own: Logits, left: Logits) -> None:
        """Change the logits `left` [R] in place; `own` are the model's, of which nothing is masked."""

    def refuses(self, token: int) -> bool: ...


Likeliest = tuple[tuple[int, float], ...]
"""Tokens and their log-probabilities, the likeliest first."""


class Sampler:
    """Draws tokens by `sampling`; it keeps nothing of a text, so that one may serve many.

    `settled` are the settled defaults. `mask` [R] is added to the logits: -inf for what must never be drawn, biases.
    `told` are the tokens that may stand among the likeliest. Raises ModelError where nothing is left to draw.
    """

    def __init__(self, sampling: Sampling, settled: WritingDefaults, mask: Logits, told: int | None = None) -> None:
        self._mask = mask
        if not np.isfinite(mask).any():
            raise ModelError("this model saw no token in training that it could write")
        self._changes = sampling.final_temperature not in (None, settled.temperature)
        self._greedy = settled.temperature == 0 and not self._changes
        self._temperature = _divisor(settled.temperature)
        given = {"top_k": sampling.top_k, "top_p": sampling.top_p, "min_p": settled.min_p}
        self._filters = [(keep, given[name]) for name, (keep, off) in FILTERS.items() if given[name] != off]
        self._likeliest = sampling.log_probabilities or 0
        self.told = told

    def draw(self, logits: NDArray[np.floating], text: Steered) -> tuple[int, float, Likeliest]:
        """One token for `text` from logits [R]; the model's own log-probability of it (nats, before any filter), and
        those of the likeliest tokens, as many as `sampling` asks for."""
        own = logits.astype(np.float64)
        own -= own[own.argmax()]  # in a third of the time that max() takes
        left = own + self._mask
        if text.steers:
            text.steer(own, left)
        token = self._chosen(left.copy() if text.guards else left, text)
        while text.guards and text.refuses(token):
            token = self._another(left, token, text)
        chosen = float(own[token])
        ranked = self._ranked(own) if self._likeliest else ()
        total = math.log(np.add.reduce(np.exp(own, out=own)))
        return token, chosen - total, tuple((id, value - total) for id, value in ranked)

    def _chosen(self, left: Logits, text: Steered) -> int:
        """One token by what is `left` [R], which changes."""
        if self._greedy:
            return int(left.argmax())
        left -= left[left.argmax()]
        left /= _divisor(text.temperature) if self._changes else self._temperature
        for keep, value in self._filters:
            left = keep(left, value)
        reached = np.add.accumulate(np.exp(left, out=left))
        # right: the first id whose sum is above the number, so that an id without weight is never drawn
        return int(reached.searchsorted(next(text.numbers) * reached[-1], "right"))

    def _another(self, left: Logits, refused: int, text: Steered) -> int:
        """One token by what is `left` [R] without the `refused` one, which is masked."""
        left[refused] = -np.inf
        if left[left.argmax()] == -np.inf:
            raise WorkError("nothing can be written here that is no copy: give a larger --no-copy")
        return self._chosen(left.copy(), text)

    def draw_many(
        self, logits: NDArray[np.floating], texts: Sequence[Steered]
    ) -> tuple[Ids, list[float], list[Likeliest]]:
        """`draw` for each row of logits [B, R] and its text, at once."""
        own = logits.astype(np.float64)
        own -= own.max(axis=1, keepdims=True)
        left = own + self._mask
        for k, text in enumerate(texts):
            if text.steers:
                text.steer(own[k], left[k])
        guarded = [k for k, text in enumerate(texts) if text.guards]
        before = left.copy() if guarded else left
        if self._greedy:
            tokens = left.argmax(axis=1)
        else:
            changing = [[float(_divisor(text.temperature))] for text in texts] if self._changes else None
            left = self._narrowed(left, self._temperature if changing is None else np.array(changing))
            reached = np.exp(left, out=left).cumsum(axis=1)
            drawn = np.array([next(text.numbers) for text in texts])[:, None] * reached[:, -1:]
            tokens = np.count_nonzero(reached <= drawn, axis=1)
        for k in guarded:
            while texts[k].refuses(int(tokens[k])):
                tokens[k] = self._another(before[k], int(tokens[k]), texts[k])
        chosen = own[np.arange(len(own)), tokens]
        ranked = [self._ranked(row) if self._likeliest else () for row in own]
        totals = np.log(np.exp(own, out=own).sum(axis=1))
        likeliest = [
            tuple((id, value - total) for id, value in row) for row, total in zip(ranked, totals.tolist(), strict=True)
        ]
        return tokens, (chosen - totals).tolist(), likeliest

    def expected(self, logits: NDArray[np.floating]) -> tuple[Logits, Logits]:
        """The probabilities of every token by logits [R]: the model's own, and those by which a text begins to be
        drawn, which nothing steers yet."""
        own = logits.astype(np.float64)
        own -= own.max()
        left = own + self._mask
        if self._greedy:
            drawn = np.zeros(len(left))
            drawn[left.argmax()] = 1
        else:
            drawn = np.exp(self._narrowed(left[None], self._temperature)[0])
        own = np.exp(own)
        return own / own.sum(), drawn / drawn.sum()

    def _narrowed(self, left: Logits, divisor: Logits) -> Logits:
        """What temperature and filters leave of the logits [B, R], which change; 0 is the likeliest."""
        left -= left.max(axis=1, keepdims=True)
        left /= divisor
        for keep, value in self._filters:
            left = keep(left, value)
        return left

    def _ranked(self, own: Logits) -> Likeliest:
        """The likeliest by own [R]."""
        own = own[: self.told]
        return tuple((id, float(own[id])) for id in _ranked(own)[: self._likeliest].tolist())


def _divisor(temperature: float) -> Logits:
    # No float32 logit overflows when it is divided by 1e-200, and no two come close: smaller changes nothing.
    # An array, since NumPy divides by one faster than by a number.
    return np.array(max(temperature, 1e-200))
