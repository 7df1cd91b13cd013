"""Text as it is written: one `Piece` a token, none of them with half a character; and what came of it, a `Sample`.

prompt ──► network ──► Sampler ──► token ──► decoder ──► stop strings ──► Piece
              ▲                      │
              └──────────────────────┘
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from afterword.errors import OptionError
from afterword.generation.reading import Reading, prompt_ids, read_ids
from afterword.generation.sampling import Sampler, Sampling, sampler_of
from afterword.generation.writer import Writer, writers
from afterword.model.arrays import Ids
from afterword.model.network import Network
from afterword.model.saved import SavedModel
from afterword.settings import whole_number


@dataclass(frozen=True, slots=True)
class Piece:
    """One written token.

    `text` is what became certain with it: empty inside a character of several bytes, and while a stop string may be
    under way; then it comes with a later piece. The pieces' texts, joined, are the text. `log_probability` is the
    model's own (nats, over all tokens, before any filter).
    """

    text: str
    id: int
    log_probability: float


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
    """"stop" (end token or stop string) or "length"."""
    seed: int
    """Writes the same text again, with the same settings."""

    def __str__(self) -> str:
        return self.prompt + self.text

    def __repr__(self) -> str:
        ended = f"{self.tokens:,} tokens, {self.finish_reason}, seed {self.seed}"
        return f"Sample({reprlib.repr(self.prompt)}, {reprlib.repr(self.text)}, {ended})"


class Stream(Iterator[Piece]):
    """The pieces, one a token. At their end `finish_reason` is "stop" (end token or stop string) or "length"."""

    def __init__(
        self, model: SavedModel, network: Network, prompt: Reading | str | None, sampling: Sampling, seed: int
    ) -> None:
        """`network` is what `model` predicts with. Without a prompt (None) it begins as the model does by itself.

        Raises OptionError for an invalid seed, TextError for a prompt that is no text.
        """
        self.finish_reason: str | None = None
        self.seed = checked_seed(seed)
        sampler = sampler_of(model, sampling, self.seed)
        start = prompt if isinstance(prompt, Reading) else prompt_ids(model, prompt, self.seed)
        self._pieces = self._write(network, start, writers(model, sampling)(), sampler)

    def __repr__(self) -> str:
        return f"Stream(seed {self.seed}, {self.finish_reason or 'not at its end'})"

    def __next__(self) -> Piece:
        return next(self._pieces)

    def _write(self, network: Network, start: Reading | Ids, writer: Writer, sampler: Sampler) -> Iterator[Piece]:
        self.finish_reason = writer.finish_reason
        if self.finish_reason:
            return
        logits, state = (start.logits, start.state) if isinstance(start, Reading) else read_ids(network, start)
        while True:
            token, log_probability = sampler.draw(logits[0])
            text = writer.push(token)
            self.finish_reason = writer.finish_reason
            yield Piece(text, token, log_probability)
            if self.finish_reason:
                return
            logits, state = network.step(np.array([token]), state)


def checked_seed(seed: int) -> int:
    """`seed` as an int from 0 to 2^64 - 1, or OptionError."""
    seed = whole_number("seed", seed)
    if not 0 <= seed < 2**64:
        raise OptionError(f"seed must be from 0 to {2**64 - 1}, not {seed}")
    return seed
