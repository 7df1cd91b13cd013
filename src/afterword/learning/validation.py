"""What a run measures itself by: the cost of the held-out text, by the network and by its mixture with the n-gram."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from afterword.learning.batch import NOT_A_TARGET, Batch
from afterword.learning.batches import held_out_batches
from afterword.learning.best import Measured
from afterword.learning.learner import Learner
from afterword.learning.recipe import Recipe
from afterword.model.mixture import DEFAULT_WEIGHT, fitted_weight, mixed
from afterword.model.ngram import Ngram
from afterword.text.encoded import EncodedCorpus

NUMBERS = 2**22  # how many probabilities of the n-gram are held at once


class HeldOut:
    """The part of the validation text that keep-best reads, always the same, and what each token costs the n-gram."""

    def __init__(self, encoded: EncodedCorpus, recipe: Recipe, ngram: Ngram | None) -> None:
        self._batches = held_out_batches(encoded, recipe)
        self._ngram = np.concatenate(list(ngram_nats(ngram, self._batches))) if ngram and self._batches else None
        tokens = sum(batch.tokens for batch in self._batches)
        # tokens that share the last row also cost what tells them apart
        tokenizer = encoded.tokenizer
        shared = sum(int(np.count_nonzero(batch.targets == tokenizer.rows - 1)) for batch in self._batches)
        self._apart = math.log(tokenizer.shared_row_tokens) * shared / max(tokens, 1)
        self._tokens_per_character = len(encoded.validation) / max(encoded.validation_characters, 1)

    @property
    def ngram_cost(self) -> float | None:
        """What the n-gram alone needs, in nats per character; None where there is none, or nothing is held out."""
        return None if self._ngram is None else self._per_character(self._ngram)

    def measure(self, learner: Learner) -> Measured | None:
        """By the learner's weights as they would be saved; None where nothing is held out."""
        if not self._batches:
            return None
        network = learner.evaluate(self._batches)
        lstm = self._per_character(network)
        if self._ngram is None:
            return Measured(lstm, lstm, None, DEFAULT_WEIGHT)
        weight = fitted_weight(network, self._ngram)
        both = self._per_character(mixed(network, self._ngram, weight))
        return Measured(both, lstm, self.ngram_cost, weight)

    def _per_character(self, token_nats: NDArray[np.float64]) -> float:
        return (float(token_nats.mean()) + self._apart) * self._tokens_per_character


def ngram_nats(ngram: Ngram, batches: Sequence[Batch]) -> Iterator[NDArray[np.float64]]:
    """What each target of `batches` costs the n-gram, read in order with the contexts carried, as `evaluate` does."""
    for batch in batches:
        if batch.fresh.all():
            recent = np.empty((len(batch.fresh), 0), np.int64)
        steps = max(1, NUMBERS // (len(batch.fresh) * ngram.rows))
        costs = np.empty(batch.targets.shape)
        for first in range(0, len(batch.inputs), steps):
            read = np.concatenate([recent, batch.inputs[first : first + steps].T], axis=1)
            probabilities = ngram.probabilities(read, recent.shape[1])
            targets = batch.targets[first : first + steps]
            chosen = np.take_along_axis(probabilities.swapaxes(0, 1), np.maximum(targets, 0)[..., None], axis=-1)
            costs[first : first + steps] = -np.log(chosen[..., 0])
            recent = read[:, max(0, read.shape[1] - ngram.order + 1) :]
        yield costs[batch.targets != NOT_A_TARGET]
