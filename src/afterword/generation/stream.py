"""Text as it is written: one `Piece` a token, none of them with half a character.

prompt ──► network ──► Sampler ──► token ──► decoder ──► stop strings ──► Piece
              ▲                      │
              └──────────────────────┘
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from afterword.errors import OptionError
from afterword.generation.sampling import Sampler, Sampling
from afterword.model.arrays import Ids
from afterword.model.network import Network
from afterword.model.saved import SavedModel
from afterword.settings import whole_number
from afterword.text.tokenizer import Tokenizer

READ_AT_ONCE = 512  # tokens of the prompt; what is held for them is a few megabytes


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


class Stream(Iterator[Piece]):
    """The pieces, one a token. At their end `finish_reason` is "stop" (end token or stop string) or "length"."""

    def __init__(self, model: SavedModel, network: Network, prompt: str | None, sampling: Sampling, seed: int) -> None:
        """`network` is what `model` predicts with. Without a prompt (None) it begins as the model does by itself.

        Raises OptionError for an invalid seed, TextError for a prompt that is no text.
        """
        self.finish_reason: str | None = None
        self.seed = checked_seed(seed)
        tokenizer, writing = model.tokenizer, sampling.settled(model.writing)
        masked = set(model.unseen)
        if tokenizer.rows < tokenizer.size:
            masked.add(tokenizer.rows - 1)  # one row for all byte tokens says nothing of which byte
        sampler = Sampler(sampling, writing.temperature, tokenizer.rows, sorted(masked), self.seed)
        ids = tokenizer.encode(model.default_prompt if prompt is None else prompt)
        ids = np.concatenate([model.opening(self.seed), ids])
        self._pieces = self._write(network, tokenizer, ids, writing.max_tokens, sampling.stop, sampler)

    def __repr__(self) -> str:
        return f"Stream(seed {self.seed}, {self.finish_reason or 'not at its end'})"

    def __next__(self) -> Piece:
        return next(self._pieces)

    def _write(
        self,
        network: Network,
        tokenizer: Tokenizer,
        ids: Ids,
        max_tokens: int,
        stop_strings: Sequence[str],
        sampler: Sampler,
    ) -> Iterator[Piece]:
        if max_tokens == 0:
            self.finish_reason = "length"
            return
        state = network.start()
        for at in range(0, len(ids), READ_AT_ONCE):
            after, state = network.advance(ids[None, at : at + READ_AT_ONCE], state)
            logits = after[0]
        decoder = tokenizer.decoder()
        stops = StopStrings([tokenizer.normalise(stop) for stop in stop_strings]) if stop_strings else None
        for count in range(1, max_tokens + 1):
            token, log_probability = sampler.draw(logits)
            text = decoder.push(token)
            if token == tokenizer.end:
                self.finish_reason = "stop"
            elif count == max_tokens:
                self.finish_reason = "length"
            if stops:
                text, found = stops.push(text)
                if found:
                    self.finish_reason = "stop"
                elif self.finish_reason:
                    text += stops.finish()
            yield Piece(text, token, log_probability)
            if self.finish_reason:
                return
            after, state = network.step(np.array([token]), state)
            logits = after[0]


def checked_seed(seed: int) -> int:
    """`seed` as an int from 0 to 2^64 - 1, or OptionError."""
    seed = whole_number("seed", seed)
    if not 0 <= seed < 2**64:
        raise OptionError(f"seed must be from 0 to {2**64 - 1}, not {seed}")
    return seed


class StopStrings:
    """Cuts a text that comes in parts before the first stop string that it completes."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""  # could be the start of a stop string

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is certain now, and whether a stop string has ended it."""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max(_begun(self._held, stop) for stop in self._stops)
        certain = self._held[: len(self._held) - keep]
        self._held = self._held[len(certain) :]
        return certain, False

    def finish(self) -> str:
        """What was held back, once nothing can follow it."""
        return self._held


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
