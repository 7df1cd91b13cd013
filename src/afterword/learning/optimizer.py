"""Optimizers by name. A new one is a function here and a line in `OPTIMIZERS`.

Its function takes the network and the recipe and returns optimizers, torch's or with the same attributes, that together
hold each weight once. The rate of a step is the schedule's, times the `factor` of a parameter group that has one. The
tensors that an optimizer keeps in its `state` go into every checkpoint.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from afterword.learning.recipe import Recipe
from afterword.model.network.cells import CELLS

RENEW, EARLY = 8, 10  # steps between two inverse roots of a matrix; each of the first steps computes one
OTHERS_RATE = 0.4  # the rate of all other weights, relative to that of the layers' matrices


class Optimizer(ABC):
    """An optimizer without torch's base class, which loads PyTorch's compiler, and so adds a second to every start."""

    def __init__(self, groups: Iterable[dict[str, Any]], **defaults: Any) -> None:
        """groups: each with `params`, and values that replace the `defaults`."""
        self.defaults = defaults
        self.param_groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        self.state = defaultdict[Tensor, dict[str, Any]](dict)

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights by their gradients."""
        for group in self.param_groups:
            self.apply(group)

    @abstractmethod
    def apply(self, group: dict[str, Any]) -> None:
        """Update the weights of a group."""

    def averages(self, group: dict[str, Any]) -> tuple[list[Tensor], ...]:
        """Return the weights of a group that have gradients, these, Adam's averages of them and of their squares, and
        the numbers of steps; begin with zeros."""
        weights = [p for p in group["params"] if p.grad is not None]
        for p in weights:
            if not self.state[p]:
                zeros = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
                self.state[p] = {"step": torch.zeros((), device=p.device), **zeros}
        means, squares, steps = ([self.state[p][key] for p in weights] for key in ("exp_avg", "exp_avg_sq", "step"))
        torch._foreach_add_(steps, 1)
        return weights, [p.grad for p in weights if p.grad is not None], means, squares, steps


class AdamW(Optimizer):
    """`torch.optim.AdamW(fused=True)`, to the same bits (Loshchilov and Hutter 2019)."""

    def __init__(self, groups: Iterable[dict[str, Any]], learning_rate: float) -> None:
        super().__init__(groups, lr=learning_rate, betas=(0.9, 0.99), fused=True)

    def apply(self, group: dict[str, Any]) -> None:
        weights, gradients, means, squares, steps = self.averages(group)
        beta1, beta2 = group["betas"]
        rates = {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "weight_decay": group["weight_decay"], "eps": 1e-8}
        torch._fused_adamw_(weights, gradients, means, squares, [], steps, amsgrad=False, maximize=False, **rates)


def muon(network: nn.Module, recipe: Recipe) -> Sequence[Optimizer]:
    """Return Muon for the matrices of the recurrent layers (`layers` in the network), and AdamW for the rest."""
    named = dict(network.named_parameters())
    of_layers = sorted(name for name in named if name.startswith("layers.") and named[name].ndim == 2)
    matrices, output = [named.pop(name) for name in of_layers], named.pop("output.weight")
    groups = [
        {"params": [output], "weight_decay": recipe.weight_decay, "factor": OTHERS_RATE},
        {"params": named.values(), "weight_decay": 0.0, "factor": OTHERS_RATE},
    ]
    # float16 can store neither small gradients nor the inverse root of their sizes
    dtype = torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32
    muon = Muon(matrices, recipe.learning_rate, recipe.weight_decay, dtype, gates=len(CELLS[recipe.cell].blocks))
    return [muon, AdamW(groups, recipe.learning_rate)]


class Muon(Optimizer):
    """Momentum, made orthogonal: every direction of a matrix moves as far as every other (Jordan et al. 2024).

        m ← lerp(m, gradient, 1 − β)
        M = lerp(gradient, m, β)
        w ← w − rate · (weight_decay · w + M (MᵀM)^(−1/2) · √max(1, rows ÷ columns))

    The four gates of a layer are four matrices. The inverse root takes most of the time. It changes slowly, since the
    momentum does, so it is renewed only every `RENEW` steps: a step is a third cheaper, and the network learns as well.
    """

    def __init__(
        self, matrices: Iterable[Tensor], learning_rate: float, weight_decay: float, dtype: torch.dtype, gates: int
    ) -> None:
        """matrices: [gates · H, in] each; dtype: of their products."""
        super().__init__([{"params": matrices}], lr=learning_rate, weight_decay=weight_decay, beta=0.95)
        self._dtype, self._gates = dtype, gates

    def apply(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p.grad is None:
                continue
            state = self.state[p]
            if not state:
                state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(p)}
            state["momentum"].lerp_(p.grad, 1 - group["beta"])
            # in place, because nothing reads the gradient again
            gates = p.grad.lerp_(state["momentum"], group["beta"]).view(self._gates, -1, p.shape[1])
            if state["step"] < EARLY or state["step"] % RENEW == 0:
                state["root"] = inverse_root(gates, self._dtype)
            state["step"] += 1
            moves = (gates.to(self._dtype) @ state["root"].to(self._dtype)).to(p.dtype)
            stretch = math.sqrt(max(1.0, gates.shape[1] / gates.shape[2]))
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.view_as(moves).add_(moves, alpha=-group["lr"] * stretch)


def inverse_root(
    matrices: Annotated[Tensor, "K M N"], dtype: torch.dtype, steps: int = 3
) -> Annotated[Tensor, "K N N"]:
    """Return for `matrices` = U Σ Vᵀ those that turn them into about U Vᵀ, by multiplication.

    These are a few steps of a Newton-Schulz iteration with Muon's coefficients, which bring singular values near 1.
    """
    size: Tensor = matrices.norm(dim=(1, 2), keepdim=True) + 1e-7
    x = (matrices / size).to(dtype)
    factors: list[Tensor] = []
    for _ in range(steps):
        x = x @ factors[-1] if factors else x
        square = x.mT @ x
        factor = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        factor.diagonal(dim1=1, dim2=2).add_(3.4445)
        factors.append(factor)
    return (reduce(torch.matmul, factors) / size).to(dtype)


class KerasAdam(Optimizer):
    """Adam (Kingma and Ba 2015) in the form at the end of its section 2, which Keras follows.

        rate = learning_rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ)
        w   −= rate · m / (√v + ε)

    PyTorch adds ε after the correction of v, Keras before it: early in training Keras' ε weighs more.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        super().__init__([{"params": parameters}], lr=learning_rate, betas=(0.9, 0.999), eps=1e-7)

    def apply(self, group: dict[str, Any]) -> None:
        weights, gradients, means, squares, steps = self.averages(group)
        (beta1, beta2), t = group["betas"], float(steps[0])
        rate = group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        below = torch._foreach_sqrt(squares)
        torch._foreach_add_(below, group["eps"])
        torch._foreach_addcdiv_(weights, means, below, -rate)


OPTIMIZERS: dict[str, Callable[[nn.Module, Recipe], Sequence[Optimizer]]] = {
    "muon": muon,
    "keras-adam": lambda network, recipe: [KerasAdam(network.parameters(), recipe.learning_rate)],
}
