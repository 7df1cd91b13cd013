"""The network of `model.network` in torch, to learn with: embedding → stacked recurrent layers → logits.

Layers are `nn.LSTM`s of one layer each (or another cell's module), so that dropout and residuals between them are in
plain sight. Weights are saved under the names of one stacked `nn.LSTM`, as `model.network.config` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.learning.device import moved
from afterword.model.network.config import Config

LayerState = tuple[Annotated[Tensor, "1 B H"], Annotated[Tensor, "1 B H"]]  # hidden and cell


class TrainableNetwork(nn.Module):
    """Token rows and a carried state to logits and the state after them; of windows, only the logits after the last.

    Dropout is drawn from `generator`, on the processor, so that a seed fixes it on every device. It drops whole units,
    by one mask for all steps of a sequence ("locked", or variational, dropout: Gal and Ghahramani 2016); or single
    elements, as Keras does.
    """

    def __init__(self, config: Config, dropout: float = 0.0, locked: bool = True) -> None:
        """dropout: the fraction dropped; locked: by one mask for all steps."""
        super().__init__()
        self.config, self.dropout, self._locked = config, dropout, locked
        self._generator: torch.Generator | None = None
        # which columns of a wider batch are read here (`learner`): masks are drawn for all of it
        self.lanes, self.width = slice(None), 0
        R, E, H, L = config.vocabulary_size, config.embedding_size, config.hidden_size, config.num_layers
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation is replaced: leave its seed alone
            if config.input == "embedding":
                self.embedding = nn.Embedding(R, E)
            self.layers = nn.ModuleList(getattr(nn, config.kind.name)(H if k else E, H) for k in range(L))
            self.output = nn.Linear(H, R)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights, and from now on dropout, from `generator`.

        Recurrent matrices are orthogonal gate by gate, the rest is Glorot's, and the forget gate starts open (see
        `CellKind.blocks`). A network of windows starts as in Keras: with one orthogonal matrix for all four gates, and
        one bias per layer.
        """
        self._generator = generator
        H, keras = self.config.hidden_size, self.config.window > 0
        if self.config.input == "embedding":
            self.embedding.weight.normal_(0, 0.1, generator=generator)
        for layer in self.layers:
            weights = dict(layer.named_parameters())
            kernel, recurrent = weights["weight_ih_l0"], weights["weight_hh_l0"]
            if keras:
                nn.init.xavier_uniform_(kernel, generator=generator)
                nn.init.orthogonal_(recurrent, generator=generator)
            else:
                for gate in recurrent.view(-1, H, H):
                    nn.init.orthogonal_(gate, generator=generator)
                nn.init.xavier_uniform_(kernel, generator=generator)
            weights["bias_hh_l0"].zero_().requires_grad_(not keras)
            weights["bias_ih_l0"].copy_(torch.tensor([*self.config.kind.blocks.values()]).repeat_interleave(H))
        if keras:
            nn.init.xavier_uniform_(self.output.weight, generator=generator)
        else:
            self.output.weight.normal_(0, 0.02, generator=generator)
        self.output.bias.zero_()

    @torch.no_grad()
    def load(self, weights: Mapping[str, NDArray[np.float32]]) -> Self:
        """Take these weights, by the names of a saved model, and return the network."""
        for name, parameter in self.named_parameters():
            parameter.copy_(torch.from_numpy(weights[saved_name(name, self.config.cell)]))
        return self

    @contextmanager
    def weights_dropped(self, fraction: float) -> Iterator[None]:
        """Set this fraction of the recurrent weights to zero within the block; they receive no gradient.

        One mask serves all time steps and all lanes (DropConnect: Merity et al. 2018). It draws a byte for each weight,
        so the fraction is rounded to a multiple of 1/256. `bernoulli_` takes ten times as long.
        """
        masks = []
        try:
            for layer in self.layers if fraction else ():
                weight = layer.get_parameter("weight_hh_l0")
                drawn = torch.empty(weight.numel() // 8 + 1, dtype=torch.int64)
                drawn.random_(-(2**63), None, generator=self._generator)
                kept = drawn.view(torch.uint8)[: weight.numel()].float().ge_(round(256 * fraction))
                mask = moved(kept.view_as(weight).div_(1 - fraction), weight.device)
                masks.append((weight, weight.detach().clone(), mask))
                weight.detach().mul_(mask)
            yield
        finally:
            for weight, whole, mask in masks:
                weight.detach().copy_(whole)
                if weight.grad is not None:
                    weight.grad.mul_(mask)

    def forward(
        self, rows: Annotated[Tensor, "T B"], state: list[LayerState]
    ) -> tuple[Annotated[Tensor, "_ B R"], list[LayerState]]:
        outputs, after = self.read(self.inputs(rows), state)
        return self.output(outputs), after

    def inputs(self, rows: Annotated[Tensor, ...]) -> Annotated[Tensor, "... E"]:
        """Return the first layer's inputs for `rows`: rows of the embedding, or the numbers row ÷ R."""
        if self.config.input == "embedding":
            return self.embedding(rows)  # type: ignore[no-any-return]
        return rows[..., None] / self.config.vocabulary_size

    def read(
        self, x: Annotated[Tensor, "T B E"], state: list[LayerState]
    ) -> tuple[Annotated[Tensor, "_ B H"], list[LayerState]]:
        """Return the last layer's outputs from which something is predicted, for inputs x, and the state."""
        after: list[LayerState] = []
        has_cell = "cell" in self.config.kind.parts
        for k, layer in enumerate(self.layers):
            y, last = layer(x, state[k] if has_cell else state[k][0])
            after.append(last if has_cell else (last, state[k][1]))  # the empty cell state is handed on
            if k > 0 and self.config.residual:
                y = y + x
            if k == len(self.layers) - 1 and self.config.window:
                y = y[-1:]  # a window predicts only what follows it
            x = self._drop(y)
        return x, after

    def _drop(self, x: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return x
        T, B, H = x.shape
        kept = torch.empty(1 if self._locked else T, self.width or B, H)
        kept.bernoulli_(1 - self.dropout, generator=self._generator)
        return x * moved(kept[:, self.lanes] / (1 - self.dropout), x.device).to(x.dtype)

    def empty_state(self, B: int) -> list[LayerState]:
        shape, device = (1, B, self.config.hidden_size), self.output.weight.device
        return [(torch.zeros(shape, device=device), torch.zeros(shape, device=device)) for _ in self.layers]

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Return the parameters as arrays by the names of a saved model; on the processor they share its memory."""
        return {saved_name(name, self.config.cell): p.detach().cpu().numpy() for name, p in self.named_parameters()}


def saved_name(name: str, cell: str = "lstm") -> str:
    """Return the name in a saved model: `lstm.weight_hh_l1` for `layers.1.weight_hh_l0`; others are the same."""
    if not name.startswith("layers."):
        return name
    _, layer, weight = name.split(".")
    return f"{cell}.{weight.removesuffix('_l0')}_l{layer}"
