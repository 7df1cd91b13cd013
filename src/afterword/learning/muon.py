"""Muon for the matrices of the recurrent layers, AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from afterword.learning.recipe import Recipe

RENEW, EARLY = 8, 10  # steps between two inverse roots of a matrix; the first steps take one each
OTHERS_RATE = 0.4  # the rate of what is no matrix of a layer, as a share of theirs


def muon(network: nn.Module, recipe: Recipe) -> Sequence[torch.optim.Optimizer]:
    """The optimizers of a network whose recurrent layers are its `layers`."""
    named = dict(network.named_parameters())
    matrices = {name for name in named if name.startswith("layers.") and named[name].ndim == 2}
    groups = [
        {"params": [named["output.weight"]], "weight_decay": recipe.weight_decay, "factor": OTHERS_RATE},
        {
            "params": [p for name, p in named.items() if name not in matrices | {"output.weight"}],
            "weight_decay": 0.0,
            "factor": OTHERS_RATE,
        },
    ]
    return [
        Muon(
            [named[name] for name in sorted(matrices)],
            recipe.learning_rate,
            recipe.weight_decay,
            # float16 holds neither small gradients nor the inverse root of their sizes
            torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32,
            gates=4 if recipe.cell == "lstm" else 1,
        ),
        torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True),
    ]


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal: every direction of a matrix moves as far as every other (Jordan et al. 2024).

        m ← lerp(m, gradient, 1 − β)
        M = lerp(gradient, m, β)
        w ← w − rate · (weight_decay · w + M (MᵀM)^(−1/2) · √max(1, rows ÷ columns))

    The four gates of a layer are four matrices. The inverse root is what costs; it changes slowly, since the momentum
    does, and is renewed every `RENEW` steps only, which makes a step a third cheaper and learns as well.
    """

    def __init__(
        self, matrices: Iterable[Tensor], learning_rate: float, weight_decay: float, dtype: torch.dtype, gates: int
    ) -> None:
        """matrices: [gates · H, in] each; dtype: in which they are multiplied."""
        super().__init__(matrices, {"lr": learning_rate, "weight_decay": weight_decay, "beta": 0.95})
        self._dtype, self._gates = dtype, gates

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure is evaluated again
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(p)}
                state["momentum"].lerp_(p.grad, 1 - group["beta"])
                gates = p.grad.lerp(state["momentum"], group["beta"]).view(self._gates, -1, p.shape[1])
                if state["step"] < EARLY or state["step"] % RENEW == 0:
                    state["root"] = inverse_root(gates, self._dtype)
                state["step"] += 1
                moves = (gates.to(self._dtype) @ state["root"].to(self._dtype)).to(p.dtype)
                stretch = math.sqrt(max(1.0, gates.shape[1] / gates.shape[2]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.view_as(moves).add_(moves, alpha=-group["lr"] * stretch)


def inverse_root(matrices: Tensor, dtype: torch.dtype, steps: int = 3) -> Tensor:
    """matrices [K, M, N] = U Σ Vᵀ → [K, N, N], which times them is about U Vᵀ, each.

    A few steps of a Newton-Schulz iteration with Muon's coefficients, which bring every singular value near 1.
    """
    size: Tensor = matrices.norm(dim=(1, 2), keepdim=True) + 1e-7
    x = (matrices / size).to(dtype)
    root: Tensor | None = None
    for _ in range(steps):
        square = x.mT @ x
        factor = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        factor.diagonal(dim1=1, dim2=2).add_(3.4445)
        x = x @ factor
        root = factor if root is None else root @ factor
    assert root is not None
    scaled: Tensor = root.to(matrices.dtype) / size
    return scaled
