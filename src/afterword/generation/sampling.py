"""From the network's logits to one token.

The order is always the same. Each step works on what the step before left:

    1. mask the tokens never seen in training, and add the biases
    2. apply what the text being written asks for (`Continuation.steer`): mask the tokens that would end it too early,
       break its rules or make a new word in capitals, and make those that would continue a repetition less likely
    3. divide the logits by the temperature; at 0, take the likeliest token and stop here
    4. apply the `FILTERS` in their order. Then new-word-p removes the tokens that would make a word absent from the
       training text, unless they have at least the probability p or nothing else is left
    5. draw one token from what is left; if it would continue a copy of the training text, or if all that can follow it
       would, mask it and repeat 3 to 5

A token that a filter removes has the logit -inf. Equal logits are ranked by id, lowest first.

A filter is a function from logits [..., R], of which the largest is 0, and a value to logits of the same shape. The
field of `Filters` that holds its value names it, and the value at which it is off.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError
from afterword.model.folder.defaults import HOTTEST, WritingDefaults
from afterword.settings import Settings, setting, settings_class

Logits = NDArray[np.float64]
Filter = Callable[[Logits, Any], Logits]
RULES = ("pattern", "only", "starts_with", "contains")
LEAST_LOGIT = -1000.0  # its exp is 0 in float32
NO_TOKEN = -1  # drawn where a text refuses every token
LONE = re.compile("[\ud800-\udfff]")  # half a character


def keep_top_k(logits: Annotated[Logits, "... R"], k: int) -> Annotated[Logits, "... R"]:
    """Return `logits` with all but the `k` likeliest at -inf."""
    return logits if k >= logits.shape[-1] else _keep(logits, _ranked(logits), k)


def keep_top_p(logits: Annotated[Logits, "... R"], p: float) -> Annotated[Logits, "... R"]:
    """Return `logits` with all at -inf but the fewest likeliest that together reach the probability `p`."""
    ranked = _ranked(logits)
    by_rank = np.take_along_axis(logits, ranked, axis=-1)
    reached = np.exp(by_rank - by_rank[..., :1]).cumsum(axis=-1)
    return _keep(logits, ranked, np.count_nonzero(reached < p * reached[..., -1:], axis=-1, keepdims=True) + 1)


def keep_min_p(logits: Annotated[Logits, "... R"], p: float) -> Annotated[Logits, "... R"]:
    """Return `logits` with those at -inf that are less than `p` times as likely as the likeliest."""
    return np.where(logits >= math.log(p), logits, -np.inf)


def keep_known(
    weights: Annotated[Logits, "... R"], known: Annotated[NDArray[np.bool_], "... R"], p: float
) -> Annotated[Logits, "... R"]:
    """Return `weights` with 0 for those that are not `known` and have less than `p` of the sum.

    If none would be left, the largest is kept.
    """
    kept = weights * (known | (weights >= p * weights.sum(axis=-1, keepdims=True)))
    empty = ~kept.any(axis=-1, keepdims=True)
    return np.where(empty & (weights == weights.max(axis=-1, keepdims=True)), weights, kept) if empty.any() else kept


def _ranked(logits: Logits) -> NDArray[np.intp]:
    return np.argsort(-logits, axis=-1, kind="stable")


def _keep(logits: Logits, ranked: NDArray[np.intp], count: int | NDArray[np.intp]) -> Logits:
    """Return `logits` with all but the first `count` of the `ranked` at -inf."""
    kept = np.empty(logits.shape, bool)
    np.put_along_axis(kept, ranked, np.broadcast_to(np.arange(logits.shape[-1]) < count, logits.shape), axis=-1)
    return np.where(kept, logits, -np.inf)


@settings_class(kw_only=True)
class Temperature(Settings):
    """The setting that every way of writing has."""

    temperature: float | None = setting(
        "lower is safer, higher is wilder; 0 takes the likeliest token (default: 0.8; prose: 0.6; classic: 0)",
        default=None,
        minimum=0,
        maximum=HOTTEST,
        short="t",
        off=1,
    )


@settings_class(kw_only=True)
class Filters(Temperature):
    """The settings of the next token alone: the temperature, and the filters in the order in which they apply."""

    top_k: int = setting(
        "draw from the K likeliest tokens only; 0 is off", default=0, minimum=0, metavar="K", filter=keep_top_k, off=0
    )
    top_p: float = setting(
        "draw from the fewest tokens that together reach this probability",
        default=1.0,
        above=0,
        maximum=1,
        filter=keep_top_p,
        off=1,
    )
    min_p: float | None = setting(
        "drop tokens below this fraction of the highest probability (default: 0.05, or 0.01 if the words of the "
        "training text recur; lines, classic: 0)",
        default=None,
        minimum=0,
        below=1,
        filter=keep_min_p,
        off=0,
    )


FILTERS: dict[str, tuple[Filter, float]] = {
    field.name: (field.metadata["filter"], field.metadata["off"])
    for field in dataclasses.fields(Filters)
    if field.metadata["filter"] is not None
}
"""Each filter by the name of its field, in the order in which they apply: its function, and its value when off."""


@settings_class(kw_only=True)
class Sampling(Filters):
    """Settings of writing; None is the model's own default: see `resolved`. Raises OptionError for an invalid one."""

    max_tokens: int | None = setting(
        "write at most this many tokens; with a rule, characters (default: about 500 characters; classic: 50)",
        default=None,
        minimum=0,
    )
    sentences: int = setting(
        "end after this many sentences (max-tokens then defaults to 500 characters per sentence); 0 is off",
        default=0,
        minimum=0,
    )
    finish_sentence: bool | None = setting(
        "after max-tokens, continue to the end of the sentence, for at most 800 characters "
        "(default: yes for running text without max-tokens or pattern)",
        default=None,
    )
    new_word_p: float | None = setting(
        "drop tokens that would make a word absent from the training text, if their probability is below this or the "
        "word is in capitals; 0 is off (default: 0.4 if the words of the training text recur; lines, classic: 0)",
        default=None,
        minimum=0,
        maximum=1,
        off=0,
    )
    repetition_penalty: float | None = setting(
        "below temperature 0.8, make a token that continues a repetition of 16 characters this many times less likely, "
        "per further token; 1 is off (default: 1 to 4, by how repetitive the training text is; lines, classic: 1)",
        default=None,
        minimum=1,
        maximum=1000,
        off=1,
    )
    logit_bias: Mapping[str, float] | Sequence[str] = setting(
        "make a token likelier or less likely: add this to its logit (repeatable)", default=(), metavar="TOKEN=BIAS"
    )
    stop: str | Sequence[str] = setting("end before this text (repeatable)", default=(), metavar="TEXT")
    pattern: str | None = setting(
        "a rule: the whole text matches this regular expression", default=None, metavar="REGEX"
    )
    only: str | None = setting("a rule: the text contains only these characters", default=None, metavar="CHARACTERS")
    starts_with: str | None = setting("a rule: the text starts with this", default=None, metavar="TEXT")
    contains: str | Sequence[str] = setting(
        "a rule: the text contains this, between word boundaries (repeatable)", default=(), metavar="TEXT"
    )
    no_copy: int | None = setting(
        "copy at most this many characters in a row from the training text", default=None, minimum=4
    )
    log_probabilities: int | None = setting(
        "in JSON, record each token's log-probability and those of the N likeliest",
        default=None,
        minimum=0,
        maximum=1000,
        metavar="N",
    )

    def __post_init__(self) -> None:
        if isinstance(self.logit_bias, Mapping):
            biases = tuple(f"{token}={bias}" for token, bias in self.logit_bias.items())
            object.__setattr__(self, "logit_bias", biases)
        super().__post_init__()
        for name in ("stop", "contains", "logit_bias"):
            if "" in getattr(self, name):
                raise OptionError(f"{name.replace('_', '-')} must be text of at least one character")
        for name in ("stop", "contains", "logit_bias", "only", "pattern", "starts_with"):
            if LONE.search("".join(getattr(self, name) or ())):
                raise OptionError(f"`{name}` contains a lone surrogate, which is not valid text: remove it")
        for name in ("stop", "no_copy"):
            if self.rules and getattr(self, name):
                raise OptionError(f"`{name}` and `{self.rules[0]}` exclude each other: give one of them")

    @property
    def rules(self) -> list[str]:
        """The names of the rules that the text must obey. If there are any, its lengths are in characters."""
        return [name for name in RULES if getattr(self, name) not in (None, ())]

    @property
    def biases(self) -> dict[str, float]:
        """Return what to add to a token's logit, by the token's text. Raises OptionError."""
        found = {}
        for bias in self.logit_bias:
            token, _, value = bias.rpartition("=")
            try:
                found[token] = float(value)
            except ValueError:
                token = ""
            if not token or not math.isfinite(found[token]):
                raise OptionError(f"logit-bias must be a token and a number, as in e=-2, not {bias[:40]!r}")
        return found

    def resolved(self, defaults: WritingDefaults) -> WritingDefaults:
        """Return the model's `defaults`, replaced by the values given here."""
        given = {field.name: getattr(self, field.name, None) for field in dataclasses.fields(defaults)}
        if self.max_tokens is None:
            given["max_tokens"] = defaults.max_tokens * max(1, self.sentences)
        return dataclasses.replace(defaults, **{name: value for name, value in given.items() if value is not None})


class Steered(Protocol):
    """A text being written, as far as a draw depends on it; see `continuation.Continuation`."""

    numbers: Iterator[float]
    """Its random numbers, from 0 to 1."""
    steers: bool
    """True if `steer` has any effect."""
    guards: bool
    """True if `refuses` may refuse a token."""

    def steer(self, own: Annotated[Logits, "R"], left: Annotated[Logits, "R"]) -> None:
        """Change the logits `left` in place; `own` are the model's, with nothing masked."""

    def refuses(self, token: int) -> bool: ...

    @property
    def known(self) -> Annotated[NDArray[np.bool_], "R"] | None:
        """For each row, whether its token makes no new word; None if new words are not limited."""


Likeliest = tuple[tuple[int, float], ...]
"""Tokens and their log-probabilities, the likeliest first."""
Drawn = tuple[int, float, Likeliest]
"""A token or NO_TOKEN, the model's own log-probability of it (nats, before any filter), and those of the likeliest
tokens, as many as `Sampling` asks for."""


class Sampler:
    """Draws tokens by `sampling`. It stores nothing about a text, so that one sampler serves many.

    `resolved` are the model's defaults, replaced by what `sampling` gives. `mask` is added to the logits: biases, and
    -inf for what must never be drawn. Only the first `own_rows` tokens can be among the likeliest. Raises ModelError if
    nothing is left to draw.
    """

    def __init__(
        self, sampling: Sampling, resolved: WritingDefaults, mask: Annotated[Logits, "R"], own_rows: int | None = None
    ) -> None:
        self._mask = mask
        if not np.isfinite(mask).any():
            raise ModelError("this model saw no token in training that it could write")
        self._greedy = resolved.temperature == 0
        # No float32 logit overflows when it is divided by 1e-200, and no two come close: smaller changes nothing.
        # An array, since NumPy divides by one faster than by a number.
        self._divisor = np.array(max(resolved.temperature, 1e-200))
        given = dataclasses.asdict(sampling) | dataclasses.asdict(resolved)
        self._filters = [(keep, given[name]) for name, (keep, off) in FILTERS.items() if given[name] not in (None, off)]
        self._new_word_p = resolved.new_word_p
        self._likeliest = sampling.log_probabilities or 0
        self._own_rows = own_rows

    def draw(
        self, logits: Annotated[NDArray[np.floating], "B R"], texts: Sequence[Steered], normalised: bool = False
    ) -> list[Drawn]:
        """Draw a token for each of `texts` from its row of `logits`, log-probabilities if they are `normalised`."""
        if len(texts) == 1:
            return [self._draw_one(logits[0], texts[0], normalised)]
        own = logits.astype(np.float64)
        if not normalised:
            own -= own.max(axis=1, keepdims=True)
        left = own + self._mask
        for k, text in enumerate(texts):
            if text.steers:
                text.steer(own[k], left[k])
        guarded = [k for k, text in enumerate(texts) if text.guards]
        tokens = self._tokens(left.copy() if guarded else left, texts)
        for k in guarded:
            tokens[k] = self._unguarded(tokens[k], left[k], texts[k])
        chosen = own[np.arange(len(own)), tokens]
        ranked = [self._ranked(row) for row in own]
        totals = np.zeros(len(own)) if normalised else np.log(np.exp(own, out=own).sum(axis=1))
        return [*map(_drawn, tokens, (chosen - totals).tolist(), ranked, totals.tolist())]

    def _draw_one(self, logits: NDArray[np.floating], text: Steered, normalised: bool) -> Drawn:
        """Do what `draw` does, from logits [R]: one row is drawn from in half the time that a batch of one takes."""
        own = logits.astype(np.float64)
        if not normalised:
            own -= own[own.argmax()]  # takes a third of the time of max()
        left = own + self._mask
        if text.steers:
            text.steer(own, left)
        token = self._token(left.copy() if text.guards else left, text)
        if text.guards:
            token = self._unguarded(token, left, text)
        chosen, ranked = float(own[token]), self._ranked(own)
        total = 0.0 if normalised else math.log(np.add.reduce(np.exp(own, out=own)))
        return _drawn(token, chosen - total, ranked, total)

    def left(self, logits: Annotated[NDArray[np.floating], "R"], text: Steered | None = None) -> Annotated[Logits, "R"]:
        """Return what the mask, and what `text` asks for, leave of `logits`."""
        left: Logits = logits + self._mask
        if text is not None and text.steers and left[left.argmax()] > -np.inf:
            text.steer(logits.astype(np.float64), left)
        return left

    def shares(self, left: Sequence[Annotated[Logits, "R"]]) -> Annotated[Logits, "W"]:
        """Return the probability of each way to begin, as if a token were drawn from what is `left` in all."""
        shares: Logits = self.probabilities(np.concatenate(left)).reshape(len(left), -1).sum(axis=1)
        return shares

    def probabilities(self, left: Annotated[Logits, "N"]) -> Annotated[Logits, "N"]:
        """Return the probabilities by which a text that begins here draws from the logits `left`."""
        likeliest: Logits = np.eye(1, len(left), int(left.argmax()))[0]
        weights = likeliest if self._greedy else self._weights(left.copy(), left.max())
        weights /= weights.sum()
        return weights

    def _token(self, left: Logits, text: Steered) -> int:
        """Draw one token from `left` [R], which changes."""
        if self._greedy:
            return int(left.argmax())
        weights = self._weights(left, left[left.argmax()])
        if (known := text.known) is not None:
            weights = keep_known(weights, known, self._new_word_p)
        reached = np.add.accumulate(weights)
        # right: the first id whose sum is above the number, so that an id without weight is never drawn
        return int(reached.searchsorted(next(text.numbers) * reached[-1], "right"))

    def _tokens(self, left: Logits, texts: Sequence[Steered]) -> list[int]:
        """Draw a token for each of `texts` from its row of `left` [B, R], which changes."""
        tokens = left.argmax(axis=1)
        if not self._greedy:
            weights = self._weights(left, left.max(axis=1, keepdims=True))
            if texts[0].known is not None:  # as for all of them
                weights = keep_known(weights, np.array([text.known for text in texts]), self._new_word_p)
            reached = weights.cumsum(axis=1)
            drawn = np.array([next(text.numbers) for text in texts])[:, None] * reached[:, -1:]
            tokens = np.count_nonzero(reached <= drawn, axis=1)
        ids: list[int] = tokens.tolist()
        return ids

    def _unguarded(self, token: int, left: Logits, text: Steered) -> int:
        """Return `token`, one drawn from the rest of `left` [R] if the text refuses it, or NO_TOKEN if none is left."""
        while text.refuses(token):
            left[token] = -np.inf
            if left[left.argmax()] == -np.inf:
                return NO_TOKEN
            token = self._token(left.copy(), text)
        return token

    def _weights(self, left: Logits, largest: Any) -> Logits:
        """Return the weights [..., R], not normalised, that temperature and filters leave of the logits `left`.

        `left` changes; `largest` is its largest logit, per row.
        """
        left -= largest
        left /= self._divisor
        for keep, value in self._filters:
            left = keep(left, value)
        # float32 is exact enough, and four times as fast where filters have left -inf
        left[...] = np.exp(np.maximum(left, LEAST_LOGIT, out=left).astype(np.float32))
        return left

    def _ranked(self, own: Logits) -> Likeliest:
        """Return the likeliest tokens by own [R], as many as `sampling` asks for."""
        if not self._likeliest:
            return ()
        own = own[: self._own_rows]
        return tuple([(id, float(own[id])) for id in _ranked(own)[: self._likeliest].tolist() if own[id] > -np.inf])


def _drawn(token: int, log_probability: float, ranked: Likeliest, total: float) -> Drawn:
    """Return what was drawn; the `ranked` logits are not normalised by their `total` yet."""
    if token == NO_TOKEN:
        return token, 0.0, ()
    return token, log_probability, tuple([(id, value - total) for id, value in ranked]) if ranked else ()
