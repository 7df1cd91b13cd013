"""Dynamic evaluation: a network goes on learning from a text as it is scored (Krause et al. 2018).

A chunk is predicted, then learned from by one step of gradient descent; the next one is predicted by the weights after
it. The saved model is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from afterword.learning.gradients import saved_layer
from afterword.model.arrays import Ids
from afterword.model.config import Config

# Found by trials on a play, from nothing and from the base: a third or three times the rate costs up to 0.01 nats per
# character, and Adam is no better.
RATE = 0.1
CLIP = 1.0  # largest norm of a gradient


class AdaptingNetwork(nn.Module):
    """A saved model's network that learns from what it reads."""

    def __init__(self, config: Config, weights: Mapping[str, NDArray[np.float32]]) -> None:
        super().__init__()
        self.config = config
        own = {name: torch.from_numpy(weight).clone() for name, weight in weights.items()}
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size, _weight=own["embedding.weight"])
        self.layers = nn.ModuleList(saved_layer(config, weights, k) for k in range(config.num_layers))
        self.output = nn.Linear(config.hidden_size, config.vocabulary_size)
        self.output.load_state_dict({"weight": own["output.weight"], "bias": own["output.bias"]})
        self.optimizer = torch.optim.SGD(self.parameters(), lr=RATE)
        self.restart()

    def restart(self) -> None:
        """Begin another text, from an empty state."""
        self._states: list[tuple[Tensor, Tensor] | Tensor | None] = [None] * self.config.num_layers

    def forward(self, fed: Tensor) -> Tensor:
        x = self.embedding(fed)
        for k, layer in enumerate(self.layers):
            y, state = layer(x, self._states[k])
            self._states[k] = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
            x = y + x if k > 0 and self.config.residual else y
        logits: Tensor = self.output(x)
        return logits

    def read(self, fed: Ids, predicted: Ids) -> NDArray[np.float64]:
        """Read rows fed [T, B], and learn that predicted [T, B] came after them (-1: nothing did).

        Returns the log-probabilities [T, B, R] before anything was learned.
        """
        logits = self(torch.from_numpy(fed.astype(np.int64)))
        targets = torch.from_numpy(predicted.astype(np.int64))
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if nn.utils.clip_grad_norm_(self.parameters(), CLIP).isfinite():
            self.optimizer.step()
        found: NDArray[np.float64] = logits.detach().double().log_softmax(-1).numpy()
        return found
