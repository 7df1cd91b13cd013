"""The network of `model.network` in torch, for learning: embedding → stacked LSTM layers → logits.

Layers are `nn.LSTM`s of one layer each, so that dropout and residuals stand between them in plain sight, and weights
leave under the names of one stacked `nn.LSTM`, as `model.config` lists them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.learning.device import moved
from afterword.learning.recipe import Recipe
from afterword.model.config import Config

LayerState = tuple[Tensor, Tensor]  # hidden and cell, each [1, B, H]


class Network(nn.Module):
    """Token rows [T, B] and a carried state to logits [T, B, R] and the state after them.

    Dropout is drawn from `generator`, on the processor, so that a seed fixes it on every device. It drops whole units,
    by one mask for all steps of a sequence ("locked", or variational, dropout: Gal and Ghahramani 2016); or single
    elements, as Keras does.
    """

    def __init__(self, config: Config, recipe: Recipe, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self._recipe, self._generator = config, recipe, generator
        # which columns of a wider batch are read here (`learner`): masks are drawn for all of it
        self.lanes, self.width = slice(None), 0
        R, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation is replaced below: leave its seed alone
            self.embedding = self._input(R, E)
            kind = nn.LSTM if config.cell == "lstm" else nn.RNN
            self.layers = nn.ModuleList(kind(E if k == 0 else H, H) for k in range(config.num_layers))
            self.output = nn.Linear(H, R)
        self._initialise(generator)

    def _input(self, R: int, E: int) -> nn.Module:
        """What stands for a token: rows [...] → [..., E]."""
        return nn.Embedding(R, E)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Orthogonal recurrent matrices gate by gate, Glorot for the rest, and a forget gate that begins open."""
        H = self.config.hidden_size
        for embedding in self.embedding.parameters():
            embedding.normal_(0, 0.1, generator=generator)
        for layer in self.layers:
            weights = dict(layer.named_parameters())
            for gate in weights["weight_hh_l0"].view(-1, H, H):
                nn.init.orthogonal_(gate, generator=generator)
            nn.init.xavier_uniform_(weights["weight_ih_l0"], generator=generator)
            weights["bias_hh_l0"].zero_()
            weights["bias_ih_l0"].zero_()
            if self.config.cell == "lstm":
                weights["bias_ih_l0"][H : 2 * H] = 1.0  # PyTorch's second gate is the forget gate
        self.output.weight.normal_(0, 0.02, generator=generator)
        self.output.bias.zero_()

    def forward(self, inputs: Tensor, state: list[LayerState]) -> tuple[Tensor, list[LayerState]]:
        x = self.embedding(inputs)
        after: list[LayerState] = []
        for k, layer in enumerate(self.layers):
            if self.config.cell == "lstm":
                y, last = layer(x, state[k])
            else:  # a plain recurrent layer has no cell state: the empty one is handed on
                y, hidden = layer(x, state[k][0])
                last = (hidden, state[k][1])
            after.append(last)
            if k > 0 and self.config.residual:
                y = y + x
            x = self._drop(self._predicting(y) if k == len(self.layers) - 1 else y)
        return self.output(x), after

    def _predicting(self, outputs: Tensor) -> Tensor:
        """Of the last layer's outputs [T, B, H] those that something is predicted from."""
        return outputs

    def _drop(self, x: Tensor) -> Tensor:
        rate = self._recipe.dropout
        if not self.training or rate == 0:
            return x
        T, B, H = x.shape
        kept = torch.empty(1 if self._recipe.locked_dropout else T, self.width or B, H).bernoulli_(
            1 - rate, generator=self._generator
        )
        return x * moved(kept[:, self.lanes] / (1 - rate), x.device).to(x.dtype)

    def empty_state(self, B: int) -> list[LayerState]:
        shape, device = (1, B, self.config.hidden_size), self.output.weight.device
        return [(torch.zeros(shape, device=device), torch.zeros(shape, device=device)) for _ in self.layers]

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The parameters as arrays by the names of a saved model; on the processor they share its memory."""
        return {saved_name(name, self.config.cell): p.detach().cpu().numpy() for name, p in self.named_parameters()}


def saved_name(name: str, cell: str = "lstm") -> str:
    """`layers.1.weight_hh_l0` is `lstm.weight_hh_l1` in a saved model of LSTMs; other names are the same in both."""
    if not name.startswith("layers."):
        return name
    _, layer, weight = name.split(".")
    return f"{cell}.{weight.removesuffix('_l0')}_l{layer}"
