"""Text as it is written: one `Piece` a token, none of them with half a character.

prompt ──► network ──► Sampler ──► token ──► Writer ──► Piece
              ▲                      │
              └──────────────────────┘
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from afterword.errors import OptionError
from afterword.generation.pieces import Piece, Sample
from afterword.generation.reading import Reading, prompt_ids, read_ids
from afterword.generation.writer import Writing
from afterword.model.arrays import Ids
from afterword.model.network import Network
from afterword.settings import whole_number


class Stream(Iterator[Piece]):
    """The pieces, one a token. At their end `finish_reason` is "stop" (end token, stop string, or nothing more obeys
    the rules) or "length"."""

    def __init__(self, writing: Writing, network: Network, prompt: Reading | str | None, seed: int) -> None:
        """`network` is what the model predicts with. Without a prompt (None) it begins as the model does by itself.

        Raises OptionError for an invalid seed, TextError for a prompt that is no text.
        """
        self.seed = checked_seed(seed)
        self.prompt = prompt.prompt if isinstance(prompt, Reading) else prompt or ""
        start = prompt if isinstance(prompt, Reading) else prompt_ids(writing.model, prompt, self.seed)
        self._writing, self._writer = writing, writing.begin(self.prompt, self.seed)
        self._pieces = self._write(network, start)

    def __repr__(self) -> str:
        return f"Stream(seed {self.seed}, {self.finish_reason or 'not at its end'})"

    def __next__(self) -> Piece:
        return next(self._pieces)

    @property
    def finish_reason(self) -> str | None:
        return self._writer.finish_reason

    def sample(self) -> Sample:
        """Read to the end; what came from here on, as a sample."""
        pieces = list(self)
        return Sample(
            self.prompt,
            "".join([piece.text for piece in pieces]),
            len(pieces),
            sum(piece.log_probability for piece in pieces),
            self.finish_reason or "length",
            self.seed,
            None if self._writing.sampling.log_probabilities is None else tuple(pieces),
        )

    def _write(self, network: Network, start: Reading | Ids) -> Iterator[Piece]:
        writer, sampler = self._writer, self._writing.sampler
        if writer.finish_reason:
            return
        logits, state = (start.logits, start.state) if isinstance(start, Reading) else read_ids(network, start)
        while True:
            piece = writer.piece(*sampler.draw(logits[0], writer))
            yield piece
            if writer.finish_reason:
                return
            logits, state = network.step(np.array([piece.id]), state)


def checked_seed(seed: int) -> int:
    """`seed` as an int from 0 to 2^64 - 1, or OptionError."""
    seed = whole_number("seed", seed)
    if not 0 <= seed < 2**64:
        raise OptionError(f"seed must be from 0 to {2**64 - 1}, not {seed}")
    return seed
