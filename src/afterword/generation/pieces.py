"""What writing gives: a piece for each token, and what came of a whole text."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have been written."""

    text: str
    id: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Piece:
    """One written token.

    `text` is what became certain with it: empty inside a character of several bytes, and while a stop string may be
    under way; then it comes with a later piece. The pieces' texts, joined, are the text. `log_probability` is the
    model's own (nats, over all tokens, before any filter); so are those of `alternatives`, the likeliest tokens at that
    place, the likeliest first, as many as were asked for.
    """

    text: str
    id: int
    log_probability: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote."""

    prompt: str
    text: str
    """Without the prompt; str(sample) is both."""
    tokens: int
    """How many were drawn, the end token included."""
    log_probability: float
    """The model's own, of all those tokens (nats, before any filter)."""
    finish_reason: str
    """"stop" (end token, stop string, or nothing more obeys the rules) or "length"."""
    seed: int
    """Writes the same text again, with the same settings."""
    pieces: tuple[Piece, ...] | None = None
    """Its tokens one by one, where their log-probabilities were asked for."""

    def __str__(self) -> str:
        return self.prompt + self.text

    def __repr__(self) -> str:
        ended = f"{self.tokens:,} tokens, {self.finish_reason}, seed {self.seed}"
        return f"Sample({reprlib.repr(self.prompt)}, {reprlib.repr(self.text)}, {ended})"
