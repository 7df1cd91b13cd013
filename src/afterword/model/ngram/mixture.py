"""A network and an n-gram model that predict together.

    P = (1 - w) · P of the network + w · P of the n-gram

The mixture weight w is one number, fitted to held-out text. Each supplies what the other lacks: the n-gram model
memorizes the words of the text in one reading, the network remembers what lies further back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Annotated, Literal, get_args

import numpy as np

from afterword.model.arrays import Array, Floats, Ids, Weights
from afterword.model.network.config import Config
from afterword.model.network.engines import FastEngine
from afterword.model.network.network import Network, State
from afterword.model.ngram.lookup import EMPTY, Lookup
from afterword.model.ngram.tables import Ngram
from afterword.model.threads import at_once

Using = Literal["lstm", "ngram", "both"]
USES: tuple[Using, ...] = get_args(Using)
DEFAULT_WEIGHT = 0.3  # without held-out text to fit it to
LARGEST_EXPONENT = 500  # of a number or its negative, with room for the sum of all rows


class Mixture(Network):
    """A network whose logits are the log-probabilities of the mixture.

    In its state, `recent` holds each lane's context of the n-gram model (see `lookup`). With `using` "lstm" or "ngram"
    one of the two predicts alone. A trace is of the network alone.
    """

    def __init__(
        self,
        config: Config,
        weights: Weights,
        ngram: Ngram,
        weight: float,
        using: str = "both",
        held: Array | None = None,
        engine: FastEngine | None = None,
    ) -> None:
        super().__init__(config, weights, held, engine)
        self.ngram, self.weight, self.using = ngram, weight, using
        self._used = {"both": weight, "lstm": 0.0, "ngram": 1.0}[using]
        self.normalised = self._used > 0
        self._factor = np.array(self._used, np.float32)  # NumPy multiplies by an array faster than by a number
        self._ones = np.ones(config.vocabulary_size)
        self._lookup = Lookup(ngram)
        # No unit's output exceeds 1, so the weights bound the logits, and few models need care for exp not to overflow.
        largest = np.abs(self._output_weight).sum(axis=0) * config.num_layers + np.abs(self._output_bias)
        self._may_overflow = bool(largest.max() > LARGEST_EXPONENT)

    def start(self, lanes: int = 1) -> State:
        return super().start(lanes)._replace(recent=[EMPTY] * lanes)

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        logits, after = super().advance(ids, state)
        if self._used == 0:
            return logits, after
        lookup, last = self._lookup, self.config.vocabulary_size - 1
        if len(state.recent) == ids.size == 1:  # a single lane needs no copy into an array of many
            found, end = lookup.following(lookup.pushed(state.recent[0], min(ids.item(), last)))
            return self.join(logits[0], found)[None], State(after.hidden, after.cell, [end])
        if ids.shape[1] == 1:
            contexts = lookup.pushed_each(state.recent, self.rows(ids[:, 0]))
        else:
            contexts = np.array(self._contexts(ids, state), np.uint64)
        probabilities, ends = lookup.following_each(contexts)
        return self.join(logits, probabilities), State(after.hidden, after.cell, ends)

    def step_each(
        self, lanes: Sequence[tuple[Ids, State]], threads: Executor, meanwhile: Callable[[], object]
    ) -> list[tuple[Array, State]]:
        if self._used == 0:
            return super().step_each(lanes, threads, meanwhile)
        network, found, ends = super().advance, np.empty(0, np.float32), list[int]()
        ids, contexts = np.concatenate([ids for ids, _ in lanes]), [lane for _, state in lanes for lane in state.recent]

        def look_up() -> None:
            nonlocal found, ends
            # Together, because many lanes take little longer than few, and two threads would wait for each other; and
            # first, while the other threads are in their products.
            found, ends = self._lookup.following_each(self._lookup.pushed_each(contexts, self.rows(ids)))
            meanwhile()

        read = at_once([partial(network, ids[:, None], state) for ids, state in lanes], threads, look_up)
        joined = self.join(np.concatenate([logits for logits, _ in read]), found)
        after: list[tuple[Array, State]] = []
        for _, state in read:
            size = state.hidden.shape[1]
            after.append((joined[:size], State(state.hidden, state.cell, ends[:size])))
            joined, ends = joined[size:], ends[size:]
        return after

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        if self._used == 0:
            return super().read(ids, state)
        logits, found, after = self.read_apart(ids, state)
        return self.join(logits, found), after

    def read_apart(
        self, ids: Annotated[Ids, "B T"], state: State
    ) -> tuple[Annotated[Array, "B T R"], Annotated[Array, "B T R"], State]:
        """Like `read`, but return the network's logits and the n-gram's probabilities apart."""
        logits, after = super().read(ids, state)
        before, rows = [self._lookup.rows(context) for context in state.recent], self.rows(ids)
        if len(set(map(len, before))) <= 1:
            found = self._found(before, rows)
        else:  # after steps, the contexts of the lanes differ in length
            found = np.concatenate([self._found([lane], rows[k : k + 1]) for k, lane in enumerate(before)])
        return logits, found, State(after.hidden, after.cell, self._contexts(ids, state))

    def _found(self, before: list[list[int]], rows: Ids) -> Array:
        """Return the n-gram's probabilities [B, T, R] after each of rows [B, T], which follow `before`."""
        contexts = np.array(before, np.int64)
        return self.ngram.probabilities(np.concatenate([contexts, rows], axis=1), contexts.shape[1])

    def _contexts(self, ids: Ids, state: State) -> list[int]:
        """Return each lane's context of the n-gram model after `state` and ids [B, T]."""
        last = self.config.vocabulary_size - 1
        extended, lanes = self._lookup.extended, zip(state.recent, ids.tolist(), strict=True)
        return [extended(context, [id if id < last else last for id in lane]) for context, lane in lanes]

    def join(
        self, logits: Annotated[Array, "... R"], probabilities: Annotated[Array, "... R"]
    ) -> Annotated[Array, "... R"]:
        """Return the log-probabilities of the mixture, from the network's logits and the n-gram's P."""
        joined = logits.astype(np.float64)
        if self._may_overflow:
            joined -= joined.max(axis=-1, keepdims=True)
        np.exp(joined, out=joined)
        scale = (1 - self._used) / joined.dot(self._ones)  # in a third of the time that sum() takes
        joined *= scale[..., None] if scale.ndim else scale
        joined += probabilities * self._factor
        return np.log(joined, out=joined).astype(np.float32)


def mixed(
    network: Annotated[Floats, "..."], ngram: Annotated[Floats, "..."], weight: float
) -> Annotated[Floats, "..."]:
    """Return the nats per token of the mixture, from those of each alone."""
    with np.errstate(divide="ignore"):
        joined: Floats = -np.logaddexp(np.log1p(-weight) - network, np.log(weight) - ngram)
        return joined


def fitted_weight(network: Annotated[Floats, "N"], ngram: Annotated[Floats, "N"]) -> float:
    """Return the weight at which the mixture costs least over tokens that cost `network` and `ngram` nats.

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
