"""Texts as they are written: their tokens one by one, and whole."""

from __future__ import annotations

import reprlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from afterword.generation.continuation import Continuation
from afterword.generation.sampling import Likeliest


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have been written."""

    text: str
    id: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Piece:
    """One written token.

    `text` is the text that became certain with this token. It is empty while a stop string may have begun or the last
    sentence ended; that text then comes with a later piece. The texts of all
    pieces, joined, are the whole text. A text that ends where no token can follow has a last piece with the `id` -1.
    `log_probability` is the model's own (nats, over all tokens, before any filter).
    `alternatives` are the likeliest tokens in its place, the likeliest first, as many as requested, with
    log-probabilities of the same kind.
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
    """The number of tokens drawn, including the end token."""
    log_probability: float
    """The model's own, summed over those tokens (nats, before any filter)."""
    finish_reason: str
    """"stop" (end token, stop string, a sentence's end, or nothing longer obeys the rules), "length", or "rules" (every
    token would have continued a copy)."""
    seed: int
    """Writes the same text again, with the same settings."""
    pieces: tuple[Piece, ...] | None = None
    """Its tokens one by one, if their log-probabilities were requested."""

    def __str__(self) -> str:
        return self.prompt + self.text

    def __repr__(self) -> str:
        ended = f"{self.tokens:,} tokens, {self.finish_reason}, seed {self.seed}"
        return f"Sample({reprlib.repr(self.prompt)}, {reprlib.repr(self.text)}, {ended})"


class Token(NamedTuple):
    """A token as it was drawn for a text."""

    id: int
    log_probability: float
    likeliest: Likeliest
    at: int
    """The start of its text, in characters of the text written."""
    rest: str
    """The end of the prompt with which it begins."""


class Text:
    """A text being written, at least one token long; it takes what is drawn for it."""

    def __init__(self, continuation: Continuation, records: bool) -> None:
        """With `records`, its tokens are kept."""
        self.continuation, self.policy, self.records = continuation, continuation.policy, records
        self.parts: deque[str] = deque()
        """The text that became certain with each token."""
        self.recorded: deque[Token] | None = deque() if records else None
        """The tokens of `parts`. Each is added before its part."""
        self.log_probability = 0.0
        """The sum of the log-probabilities of all tokens."""

    @property
    def is_over(self) -> bool:
        """Return whether it has ended."""
        return self.continuation.finish_reason is not None

    @property
    def tokens(self) -> int:
        """Return the number of tokens written."""
        return self.continuation.length

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        """Append what was drawn."""
        continuation = self.continuation
        if self.recorded is not None:
            self.recorded.append(Token(token, log_probability, likeliest, continuation.characters, continuation.rest))
        self.log_probability += log_probability
        self.parts.append(continuation.append(token))

    def piece(self) -> Piece:
        """Remove and return the first token that was recorded and not removed yet."""
        assert self.recorded is not None
        id, log_probability, likeliest, _, rest = self.recorded.popleft()
        decode = self.continuation.tokenizer.decode
        alternatives = [Alternative(decode([other])[len(rest) :], other, log) for other, log in likeliest]
        return Piece(self.parts.popleft(), id, log_probability, tuple(alternatives))

    def sample(self, first: Sequence[Piece] = ()) -> Sample:
        """Return it as a sample, with its pieces if they are asked for. The `first` of them have been removed."""
        state, pieces = self.continuation, (*first, *[self.piece() for _ in range(len(self.recorded or ()))])
        text = "".join([*(piece.text for piece in pieces), *self.parts])
        kept = None if self.policy.sampling.log_probabilities is None else pieces
        reason = state.finish_reason or "length"
        return Sample(state.prompt, text, state.length, self.log_probability, reason, state.seed, kept)
