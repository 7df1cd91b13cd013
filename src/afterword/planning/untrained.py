"""The cost of held-out text to a base as it is, before a run trains it: alone, and mixed with an n-gram model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from afterword.bases.base import Base
from afterword.learning.batches import NOT_A_TARGET, Batch, line_ends
from afterword.learning.validation import Measured, ngram_nats
from afterword.model.network.network import Network
from afterword.model.ngram.mixture import fitted_weight, mixed
from afterword.model.ngram.tables import Ngram
from afterword.scoring.costs import line_ids, score_lines
from afterword.text.encoded import EncodedCorpus
from afterword.text.tokenizer import Tokenizer

PIECES, PIECE = 32, 64  # of running text, at most; and the fewest tokens of each, unless there are fewer in all


@dataclass(frozen=True)
class Untrained:
    """A sample of the held-out text, and what its tokens cost a base as it is."""

    texts: Sequence[str]
    lines: bool
    tokenizer: Tokenizer
    """The base's, for this text."""
    nats: NDArray[np.float64]
    """The cost of each token [N]; in lines, also of each end."""

    @classmethod
    def read(cls, base: Base, encoded: EncodedCorpus, characters: int) -> Self | None:
        """Read about this number of characters with `base`; return None if nothing is held out.

        They are lines, or pieces of running text, and each is read from an empty state.
        """
        texts = [text for text in _sample(encoded, characters) if text or encoded.lines]
        if not texts:
            return None
        known = encoded.tokenizer
        tokenizer = base.model.tokenizer.for_text(known.characters, known.lowercase)
        config = replace(base.model.config, vocabulary_size=tokenizer.rows, byte_tokens=tokenizer.shared_row_tokens)
        scores = score_lines(Network(config, base.weights_for(tokenizer, encoded.lines, seed=0)), tokenizer, texts)
        counted = slice(None if encoded.lines else -1)  # a piece of running text has no end
        return cls(texts, encoded.lines, tokenizer, np.concatenate([score.token_nats[counted] for score in scores]))

    def with_ngram(self, ngram: Ngram, tokenizer: Tokenizer) -> Measured:
        """Return the cost to the base, to the n-gram model of a text in the tokens of `tokenizer`, and to both.

        If the base has other tokens, the two are mixed wherever a token of both ends.
        """
        rows = np.minimum(np.concatenate(line_ids(tokenizer, self.texts)), tokenizer.rows - 1).astype(np.int64)
        inputs = np.concatenate([[ngram.boundary], rows[:-1]])
        targets = rows if self.lines else np.where(rows == ngram.boundary, NOT_A_TARGET, rows)
        [by_ngram] = ngram_nats(ngram, [Batch(inputs[:, None], targets[:, None], np.array([True]), 1.0, len(rows))])
        ends, ends_of_ngram = (self._ends(each) for each in (self.tokenizer, tokenizer))
        both_end = np.intersect1d(ends, ends_of_ngram)
        network, counted = _between(both_end, ends, self.nats), _between(both_end, ends_of_ngram, by_ngram)
        weight = fitted_weight(network, counted)
        characters = sum(map(len, self.texts)) + self.lines * len(self.texts)
        cost, lstm, alone = (
            float(nats.sum()) / characters for nats in (mixed(network, counted, weight), network, counted)
        )
        return Measured(cost, lstm, alone, weight)

    def _ends(self, tokenizer: Tokenizer) -> NDArray[np.intp]:
        """Return the byte of the sample at which each of its tokens [N] ends. The end of a line takes one byte."""
        ids = np.concatenate(line_ids(tokenizer, self.texts)).tolist()
        lengths = np.array([len(tokenizer.spelling(id)) for id in ids])
        return np.asarray((np.maximum(lengths, 1) if self.lines else lengths[lengths > 0]).cumsum())


def _between(places: NDArray[np.intp], ends: NDArray[np.intp], nats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cost of the text between `places`, which are some of the `ends` of the tokens that cost `nats`."""
    return np.diff(nats.cumsum()[np.searchsorted(ends, places)], prepend=0)


def _sample(encoded: EncodedCorpus, characters: int) -> list[str]:
    """Return texts of the held-out part with about this number of characters in all, evenly spread, always the same.

    Characters that are absent from the training text are left out: their cost says nothing of the text's language.
    """
    rows, tokenizer = encoded.validation, encoded.tokenizer
    tokens = math.ceil(characters * len(rows) / max(encoded.validation_characters, 1))
    if encoded.lines:
        ends = line_ends(rows, tokenizer.boundary)
        starts = np.concatenate([[0], ends + 1])[:-1]
        every = max(1, len(rows) // max(tokens, 1))
        starts, ends = starts[::every], ends[::every]
    else:
        pieces = min(PIECES, -(-len(rows) // PIECE))
        starts = len(rows) * np.arange(pieces) // max(pieces, 1)
        ends = starts + min(tokens, len(rows)) // max(pieces, 1)
    parts = [rows[start : min(end, start + tokens)] for start, end in zip(starts, ends, strict=True)]
    own = tokenizer.own_rows  # without bytes, which may be part of a character
    return [tokenizer.decode(part[part < own]).strip("\ufffd") for part in parts]
