"""The measure of a run: the cost of the held-out text to the network and to its mixture with the n-gram."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.learning.batches import NOT_A_TARGET, Batch, held_out_batches
from afterword.learning.recipe import Recipe
from afterword.model.arrays import Floats
from afterword.model.ngram.mixture import DEFAULT_WEIGHT, fitted_weight, mixed
from afterword.model.ngram.tables import Ngram, start_row
from afterword.text.encoded import EncodedCorpus

if TYPE_CHECKING:
    from afterword.learning.learner import Learner

TIE = 0.001 * math.log(2)  # nats per character: less than any figure shows


@dataclass(frozen=True)
class Measured:
    """The cost of the held-out text to the saved model and to its parts, in nats per character."""

    cost: float
    lstm: float
    ngram: float | None
    weight: float
    """The n-gram's in the mixture, fitted to this text."""

    @property
    def gain(self) -> float:
        """The fraction of the n-gram's cost that the network saves; 0 without an n-gram."""
        return 1 - self.cost / self.ngram if self.ngram else 0.0


@dataclass(frozen=True)
class Best:
    """The evaluation whose model is kept.

    That is the one with the lowest cost. If several are lowest within `TIE`, as all are if the n-gram gains nothing
    from the LSTM, it is the one of them with the lowest cost of the LSTM alone. Only one model is kept: an evaluation
    that was not the best then does not become it later.
    """

    kept: Measured
    lowest: float
    """The lowest cost of any evaluation, in nats per character."""

    def after(self, measured: Measured) -> Best:
        """Return the best after one more evaluation."""
        lowest = min(self.lowest, measured.cost)
        near = measured.cost <= lowest + TIE
        better = near and (measured.lstm < self.kept.lstm or self.kept.cost > lowest + TIE)
        return Best(measured if better else self.kept, lowest)


def learn_ngram(encoded: EncodedCorpus, order: int) -> Ngram:
    """Return the n-gram model of the training part, of up to `order` tokens. The tokenizer must have an end token."""
    tokenizer = encoded.tokenizer
    return Ngram.learn(encoded.training, tokenizer.rows, tokenizer.boundary, start_row(tokenizer, encoded.lines), order)


NUMBERS = 2**22  # probabilities of the n-gram in memory at once


class HeldOut:
    """The part of the validation text that is evaluated, always the same, and the cost of each token to the n-gram."""

    def __init__(self, encoded: EncodedCorpus, recipe: Recipe, ngram: Ngram | None) -> None:
        self._batches = held_out_batches(encoded, recipe)
        self._ngram = np.concatenate(list(ngram_nats(ngram, self._batches))) if ngram and self._batches else None
        tokens = sum(batch.tokens for batch in self._batches)
        config = recipe.config(encoded.tokenizer)
        shared = math.fsum(nats for batch in self._batches for nats in config.shared_row_nats(batch.targets).flat)
        self._shared = shared / max(tokens, 1)
        self._tokens_per_character = len(encoded.validation) / max(encoded.validation_characters, 1)
        self.ngram_cost = None if self._ngram is None else self._per_character(self._ngram)
        """The n-gram's cost alone, in nats per character; None without an n-gram or held-out text."""

    def measure(self, learner: Learner) -> Measured | None:
        """Return the cost with the weights that would be saved now, or None without held-out text."""
        if not self._batches:
            return None
        network = learner.evaluate(self._batches)
        lstm = self._per_character(network)
        if self._ngram is None:
            return Measured(lstm, lstm, None, DEFAULT_WEIGHT)
        weight = fitted_weight(network, self._ngram)
        return Measured(self._per_character(mixed(network, self._ngram, weight)), lstm, self.ngram_cost, weight)

    def _per_character(self, token_nats: NDArray[np.float64]) -> float:
        return (float(token_nats.mean()) + self._shared) * self._tokens_per_character


def ngram_nats(ngram: Ngram, batches: Sequence[Batch]) -> Iterator[Annotated[Floats, "N"]]:
    """Yield the cost of each target to the n-gram, which reads in order with carried contexts, as `evaluate` does."""
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
