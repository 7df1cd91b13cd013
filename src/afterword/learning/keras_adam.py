"""Adam as Keras has it, for the classic recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from afterword.learning.recipe import Recipe


def keras_adam(network: nn.Module, recipe: Recipe) -> Sequence[torch.optim.Optimizer]:
    """The one optimizer of all weights."""
    return [KerasAdam(network.parameters(), recipe.learning_rate)]


class KerasAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba 2015) in the form at the end of its section 2, which Keras follows.

        rate = learning_rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ)
        w   −= rate · m / (√v + ε)

    PyTorch adds ε after the correction of v, Keras before it: early in training Keras' ε weighs more.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-7})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure is evaluated again
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            for p in weights:
                if not self.state[p]:
                    self.state[p] = {
                        "step": torch.zeros(()),
                        "exp_avg": torch.zeros_like(p),
                        "exp_avg_sq": torch.zeros_like(p),
                    }
                self.state[p]["step"] += 1
            gradients = [p.grad for p in weights]
            means = [self.state[p]["exp_avg"] for p in weights]
            squares = [self.state[p]["exp_avg_sq"] for p in weights]
            (beta1, beta2), t = group["betas"], float(self.state[weights[0]]["step"])
            rate = group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
            torch._foreach_lerp_(means, gradients, 1 - beta1)
            torch._foreach_mul_(squares, beta2)
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
            below = torch._foreach_sqrt(squares)
            torch._foreach_add_(below, group["eps"])
            torch._foreach_addcdiv_(weights, means, below, -rate)
