"""The network of `model.network` in torch, for learning: embedding → stacked LSTM layers → logits.

Layers are `nn.LSTM`s of one layer each, so that dropout and residuals stand between them in plain sight, and weights
leave under the names of one stacked `nn.LSTM`, as `model.config` lists them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.model.config import Config

LayerState = tuple[Tensor, Tensor]  # hidden and cell, each [1, B, H]


class Network(nn.Module):
    """Token rows [T, B] and a carried state to logits [T, B, R] and the state after them.

    Dropout leaves out whole units: one mask for each sequence and layer, the same at every step ("locked", or
    variational, dropout: Gal and Ghahramani 2016). It is drawn from `generator`, so that a seed fixes it.
    """

    def __init__(self, config: Config, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.dropout, self._generator = config, dropout, generator
        R, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation is replaced below: leave its seed alone
            self.embedding = nn.Embedding(R, E)
            self.layers = nn.ModuleList(nn.LSTM(E if k == 0 else H, H) for k in range(config.num_layers))
            self.output = nn.Linear(H, R)
        self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Orthogonal recurrent matrices gate by gate, Glorot for the rest, and a forget gate that begins open."""
        H = self.config.hidden_size
        self.embedding.weight.normal_(0, 0.1, generator=generator)
        for layer in self.layers:
            weights = dict(layer.named_parameters())
            for gate in weights["weight_hh_l0"].view(4, H, H):
                nn.init.orthogonal_(gate, generator=generator)
            nn.init.xavier_uniform_(weights["weight_ih_l0"], generator=generator)
            weights["bias_hh_l0"].zero_()
            weights["bias_ih_l0"].zero_()[H : 2 * H] = 1.0  # PyTorch's second gate is the forget gate
        self.output.weight.normal_(0, 0.02, generator=generator)
        self.output.bias.zero_()

    def forward(self, inputs: Tensor, state: list[LayerState]) -> tuple[Tensor, list[LayerState]]:
        x = self.embedding(inputs)
        after: list[LayerState] = []
        for k, layer in enumerate(self.layers):
            y, last = layer(x, state[k])
            after.append(last)
            if k > 0 and self.config.residual:
                y = y + x
            x = self._drop(y)
        return self.output(x), after

    def _drop(self, x: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return x
        kept = torch.empty(1, *x.shape[1:]).bernoulli_(1 - self.dropout, generator=self._generator)
        return x * (kept / (1 - self.dropout)).to(x.dtype)

    def empty_state(self, B: int) -> list[LayerState]:
        H = self.config.hidden_size
        return [(torch.zeros(1, B, H), torch.zeros(1, B, H)) for _ in self.layers]

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The parameters as arrays that share their memory, by the names of a saved model."""
        return {saved_name(name): p.detach().numpy() for name, p in self.named_parameters()}


def saved_name(name: str) -> str:
    """`layers.1.weight_hh_l0` is `lstm.weight_hh_l1` in a saved model; other names are the same in both."""
    if not name.startswith("layers."):
        return name
    _, layer, weight = name.split(".")
    return f"lstm.{weight.removesuffix('_l0')}_l{layer}"
