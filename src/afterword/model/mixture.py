"""A network and an n-gram model that predict together.

    P = (1 - share) · P of the network + share · P of the n-gram

The share is one number, fitted to held-out text. Each knows what the other lacks: the n-gram has the text's words by
heart after one reading, the network carries what lies further back.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from afterword.model.cell import Array
from afterword.model.config import Config
from afterword.model.network import Ids, Network, State, log_probabilities
from afterword.model.ngram import Ngram

USES = ("lstm", "ngram", "both")
DEFAULT_SHARE = 0.3  # where there is no held-out text to fit it to


class Mixture(Network):
    """A network that gives the log-probabilities of the mixture for logits. Its state remembers the last tokens too.

    `using` "lstm" or "ngram" leaves the prediction to one of the two. A trace is of the network alone.
    """

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, Array],
        ngram: Ngram,
        share: float,
        using: str = "both",
        held: Array | None = None,
    ) -> None:
        super().__init__(config, weights, held)
        self.ngram, self.share, self.using = ngram, share, using
        self._used_share = {"both": share, "lstm": 0.0, "ngram": 1.0}[using]

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        if self._used_share == 0:
            return super().advance(ids, state)
        logits, after = super().advance(ids, state)
        recent = np.concatenate([state.recent, self.rows(ids)], axis=1)
        if len(recent) == 1:
            chances = self.ngram.following(recent[0])[None]
        else:
            chances = self.ngram.probabilities(recent, recent.shape[1] - 1)[:, 0]
        return self._join(logits, chances), self._remembering(recent, after)

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        if self._used_share == 0:
            return super().read(ids, state)
        logits, chances, after = self.read_apart(ids, state)
        return self._join(logits, chances), after

    def read_apart(self, ids: Ids, state: State) -> tuple[Array, Array, State]:
        """`read`, but the network's logits and the n-gram's probabilities, both [B, T, R], as each has them."""
        logits, after = super().read(ids, state)
        recent = np.concatenate([state.recent, self.rows(ids)], axis=1)
        return logits, self.ngram.probabilities(recent, state.recent.shape[1]), self._remembering(recent, after)

    def _join(self, logits: Array, chances: Array) -> Array:
        """Logits of the network and probabilities of the n-gram, [..., R], to the mixture's log-probabilities."""
        joined = np.exp(log_probabilities(logits))
        joined *= 1 - self._used_share
        joined += self._used_share * chances
        return np.log(joined).astype(np.float32)

    def _remembering(self, recent: Ids, state: State) -> State:
        return state._replace(recent=recent[:, max(0, recent.shape[1] - self.ngram.order + 1) :])


def mixed(network: NDArray[np.float64], ngram: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Nats a token [N] of the mixture, from the nats of each alone."""
    with np.errstate(divide="ignore"):
        joined: NDArray[np.float64] = -np.logaddexp(np.log1p(-share) - network, np.log(share) - ngram)
        return joined


def fitted_share(network: NDArray[np.float64], ngram: NDArray[np.float64]) -> float:
    """The share at which the mixture costs least over tokens that cost `network` and `ngram` [N] nats.

    The cost has one minimum, where its slope, the mean of (P of the network - P of the n-gram) / P of both, is zero.
    """
    low, high = 0.0, 1.0
    ahead = np.exp(np.clip(network - ngram, -500, 500))  # how many times likelier the n-gram found each token
    for _ in range(20):
        share = (low + high) / 2
        if np.mean((ahead - 1) / (1 + share * (ahead - 1))) > 0:
            low = share
        else:
            high = share
    return round((low + high) / 2, 4)
