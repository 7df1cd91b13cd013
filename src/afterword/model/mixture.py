"""A network and an n-gram model that predict together.

    P = (1 - w) · P of the network + w · P of the n-gram

The mixture weight w is one number, fitted to held-out text. Each knows what the other lacks: the n-gram has the text's
words by heart after one reading, the network carries what lies further back.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array, Ids
from afterword.model.config import Config
from afterword.model.lookup import EMPTY, Lookup
from afterword.model.network import Engine, LaneByLane, State
from afterword.model.ngram import Ngram

USES = ("lstm", "ngram", "both")
DEFAULT_WEIGHT = 0.3  # where there is no held-out text to fit it to
LARGEST_EXPONENT = 500  # of any number and its negative, with room for the sum of them all


class Mixture(LaneByLane):
    """A network that gives the log-probabilities of the mixture for logits. In its state, `recent` holds
    the n-gram model's context of each lane (`lookup`).

    `using` "lstm" or "ngram" leaves the prediction to one of the two. A trace is of the network alone.
    """

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, Array],
        ngram: Ngram,
        weight: float,
        using: str = "both",
        held: Array | None = None,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(config, weights, held, engine)
        self.ngram, self.weight, self.using = ngram, weight, using
        self._used = {"both": weight, "lstm": 0.0, "ngram": 1.0}[using]
        self._factor = np.array(self._used, np.float32)  # NumPy multiplies by an array faster than by a number
        self._ones = np.ones(config.vocabulary_size)
        self._lookup = Lookup(ngram)
        # No unit's output is above 1, so that the weights say how large a logit can be, and few models need the care
        # with which exp is kept from overflowing.
        largest = np.abs(self._output_weight).sum(axis=0) * config.num_layers + np.abs(self._output_bias)
        self._may_overflow = bool(largest.max() > LARGEST_EXPONENT)

    def start(self, lanes: int = 1) -> State:
        return super().start(lanes)._replace(recent=[EMPTY] * lanes)

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        logits, after = super().advance(ids, state)
        if self._used == 0:
            return logits, after
        lookup, last = self._lookup, self.config.vocabulary_size - 1
        if len(state.recent) == ids.size == 1:  # by itself it is joined without copying it into an array of many
            found, end = lookup.following(lookup.pushed(state.recent[0], min(ids.item(), last)))
            return self.join(logits[0], found)[None], State(after.hidden, after.cell, [end])
        looked_up = lookup.following_each(self._contexts(ids, state))
        joined = self.join(logits, np.array([found for found, _ in looked_up]))
        return joined, State(after.hidden, after.cell, [end for _, end in looked_up])

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        if self._used == 0:
            return super().read(ids, state)
        logits, found, after = self.read_apart(ids, state)
        return self.join(logits, found), after

    def read_apart(self, ids: Ids, state: State) -> tuple[Array, Array, State]:
        """`read`, but the network's logits and the n-gram's probabilities, both [B, T, R], as each has them."""
        logits, after = super().read(ids, state)
        before, rows = [self._lookup.rows(context) for context in state.recent], self.rows(ids)
        if len(set(map(len, before))) <= 1:
            found = self._found(before, rows)
        else:  # after steps the lanes' contexts are not equally long
            found = np.concatenate([self._found([lane], rows[k : k + 1]) for k, lane in enumerate(before)])
        return logits, found, State(after.hidden, after.cell, self._contexts(ids, state))

    def _found(self, before: list[list[int]], rows: Ids) -> Array:
        """The n-gram's probabilities [B, T, R] after each of rows [B, T], which come after `before`."""
        contexts = np.array(before, np.int64)
        return self.ngram.probabilities(np.concatenate([contexts, rows], axis=1), contexts.shape[1])

    def _contexts(self, ids: Ids, state: State) -> list[int]:
        """The n-gram model's context of each lane, after `state` and ids [B, T]."""
        last = self.config.vocabulary_size - 1
        extended, lanes = self._lookup.extended, zip(state.recent, ids.tolist(), strict=True)
        return [extended(context, [id if id < last else last for id in lane]) for context, lane in lanes]

    def join(self, logits: Array, probabilities: Array) -> Array:
        """Logits of the network and probabilities of the n-gram, [..., R], to the mixture's log-probabilities."""
        joined = logits.astype(np.float64)
        if self._may_overflow:
            joined -= joined.max(axis=-1, keepdims=True)
        np.exp(joined, out=joined)
        scale = (1 - self._used) / joined.dot(self._ones)  # in a third of the time that sum() takes
        joined *= scale[..., None] if scale.ndim else scale
        joined += probabilities * self._factor
        return np.log(joined, out=joined).astype(np.float32)


def mixed(network: NDArray[np.float64], ngram: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Nats per token [N] of the mixture, from the nats of each alone."""
    with np.errstate(divide="ignore"):
        joined: NDArray[np.float64] = -np.logaddexp(np.log1p(-weight) - network, np.log(weight) - ngram)
        return joined


def fitted_weight(network: NDArray[np.float64], ngram: NDArray[np.float64]) -> float:
    """The weight at which the mixture costs least over tokens that cost `network` and `ngram` [N] nats.

    The cost has one minimum, where its slope, the mean of (P of the network - P of the n-gram) / P of both, is zero.
    """
    low, high = 0.0, 1.0
    ahead = np.exp(np.clip(network - ngram, -500, 500))  # how many times likelier the n-gram found each token
    for _ in range(20):
        weight = (low + high) / 2
        if np.mean((ahead - 1) / (1 + weight * (ahead - 1))) > 0:
            low = weight
        else:
            high = weight
    return round((low + high) / 2, 4)
