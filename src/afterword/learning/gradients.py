"""Dynamic evaluation: a saved model's network continues to learn from a text as it is scored (Krause et al. 2018).

A chunk is predicted, then learned from by one step of gradient descent. Each step also moves
all weights slightly back towards the trained ones. The new weights predict the next chunk. The saved model itself does
not change.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from afterword.learning.trainable import LayerState, TrainableNetwork
from afterword.model.arrays import Floats, Ids, Weights
from afterword.model.network.config import Config

# Found by trials, in which Adam gained nothing (`benchmarks/LOG.md`).
RATE = 0.16
DECAY = 0.005  # fraction of the way back to the trained weights, with each step
CLIP = 1.0  # largest norm of a gradient


class AdaptingNetwork:
    """A saved model's network that learns from what it reads."""

    def __init__(self, config: Config, weights: Weights) -> None:
        self._network = TrainableNetwork(config).load(weights)
        self._trained = [weight.detach().clone() for weight in self._network.parameters()]
        self.restart()

    def restart(self) -> None:
        """Begin another text, from an empty state."""
        self._state: list[LayerState] = []

    def read(self, fed: Annotated[Ids, "T B"], predicted: Annotated[Ids, "T B"]) -> Annotated[Floats, "T B R"]:
        """Read the rows `fed`, and learn that `predicted` came after them (-1: nothing did).

        Returns the log-probabilities before anything was learned.
        """
        state = self._state or self._network.empty_state(fed.shape[1])
        logits, after = self._network(torch.from_numpy(fed.astype(np.int64)), state)
        self._state = [(hidden.detach(), cell.detach()) for hidden, cell in after]
        targets = torch.from_numpy(predicted.astype(np.int64))
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
        self._network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if nn.utils.clip_grad_norm_(self._network.parameters(), CLIP).isfinite():
            with torch.no_grad():
                for weight, trained in zip(self._network.parameters(), self._trained, strict=True):
                    if weight.grad is not None:
                        weight.add_(weight.grad, alpha=-RATE).lerp_(trained, DECAY)
        return np.asarray(logits.detach().double().log_softmax(-1).numpy())
