"""The classic recipe's network in torch, in Keras' own details: it reads windows, and predicts what follows each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from afterword.learning.network import Network


class WindowNetwork(Network):
    """A `Network` of LSTM layers whose logits, [1, B, R], are those of the window's last step alone."""

    def _input(self, R: int, E: int) -> nn.Module:
        return Numbers(R)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Glorot over each whole kernel, one orthogonal matrix for all four gates, and one bias a layer."""
        H = self.config.hidden_size
        for layer in self.layers:
            weights = dict(layer.named_parameters())
            nn.init.xavier_uniform_(weights["weight_ih_l0"], generator=generator)
            nn.init.orthogonal_(weights["weight_hh_l0"], generator=generator)
            weights["bias_hh_l0"].zero_().requires_grad_(False)
            weights["bias_ih_l0"].zero_()[H : 2 * H] = 1.0
        nn.init.xavier_uniform_(self.output.weight, generator=generator)
        self.output.bias.zero_()

    def _predicting(self, outputs: Tensor) -> Tensor:
        return outputs[-1:]


class Numbers(nn.Module):
    """Each of R rows as one number, row ÷ R: rows [...] → [..., 1]."""

    table: Tensor

    def __init__(self, R: int) -> None:
        super().__init__()
        self.register_buffer("table", (torch.arange(R, dtype=torch.float64) / R).float()[:, None], persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        return self.table[rows]
