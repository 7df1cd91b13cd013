"""What changes while a network learns, all of it, and one step of learning."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.model.config import Config
from afterword.training.batches import NOT_A_TARGET, Batch
from afterword.training.network import LayerState, Network, saved_name
from afterword.training.optimizer import MEMORIES, optimizers
from afterword.training.recipe import Recipe


class Learner:
    """A network, its optimizer, the moving average of its weights, its random numbers and the carried state.

    `tensors()` and `load()` carry the whole of it into a checkpoint and back, bit for bit.
    """

    def __init__(self, config: Config, recipe: Recipe) -> None:
        self._recipe = recipe
        self._generator = torch.Generator().manual_seed(recipe.seed % 2**63)
        self.network = Network(config, recipe, self._generator)
        self._optimizers = optimizers(self.network, recipe)
        self._optimizer_of = {p: o for o in self._optimizers for group in o.param_groups for p in group["params"]}
        self._average = None if recipe.averaging is None else [p.detach().clone() for p in self.network.parameters()]
        self._state: list[LayerState] = []
        self.step = 0

    def learn(self, batch: Batch, learning_rate: float) -> Tensor:
        """One step of truncated backpropagation through time. Returns the summed cost of the batch, in nats."""
        self.network.train()
        self._carry(batch.fresh)
        costs, self._state = self._costs(batch, self._state)
        cost = costs.sum()
        self.network.zero_grad(set_to_none=True)
        (cost / batch.weight).backward()  # type: ignore[no-untyped-call]
        if self._recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._recipe.clip)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * group.get("factor", 1.0)
            optimizer.step()
        self.step += 1
        self._update_average()
        return cost.detach()

    @torch.no_grad()
    def _update_average(self) -> None:
        if self._average is not None and self._recipe.averaging is not None:
            # early on it follows closely, so that it forgets its random beginning
            keep = min(self._recipe.averaging, self.step / (self.step + 10))
            torch._foreach_lerp_(self._average, list(self.network.parameters()), 1 - keep)

    @torch.no_grad()
    def evaluate(self, batches: Sequence[Batch]) -> NDArray[np.float64]:
        """Nats of each token of `batches`, read in order with the state carried between them, by the weights to keep.

        Tokens that share the network's last row are counted as that row; the caller adds what tells them apart.
        """
        nats: list[NDArray[np.float64]] = []
        self.network.eval()
        with self.averaged():
            state: list[LayerState] = []
            for batch in batches:
                if batch.fresh.all():
                    state = self.network.empty_state(len(batch.fresh))
                costs, state = self._costs(batch, state)
                nats.append(costs.double().numpy())
        return np.concatenate(nats)

    def _costs(self, batch: Batch, state: list[LayerState]) -> tuple[Tensor, list[LayerState]]:
        """The cross-entropy of each of the batch's targets in nats, and the state after it, cut from its past."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._recipe.precision == "bfloat16"):
            logits, after = self.network(torch.from_numpy(batch.inputs), state)
        targets = torch.from_numpy(batch.targets)[-len(logits) :].reshape(-1)
        costs = nn.functional.cross_entropy(
            logits.float().reshape(len(targets), -1), targets, ignore_index=NOT_A_TARGET, reduction="none"
        )
        return costs[targets != NOT_A_TARGET], [
            (hidden.detach().float(), cell.detach().float()) for hidden, cell in after
        ]

    def _carry(self, fresh: NDArray[np.bool_]) -> None:
        """Empty the carried state of the fresh columns; a batch of another width starts with none."""
        if not self._state or self._state[0][0].shape[1] != len(fresh):
            self._state = self.network.empty_state(len(fresh))
        elif fresh.any():
            columns = torch.from_numpy(fresh)
            for hidden, cell in self._state:
                hidden[:, columns] = 0
                cell[:, columns] = 0

    @contextlib.contextmanager
    def averaged(self) -> Iterator[Network]:
        """The network with the weights to be kept, inside the block: their average, where there is one."""
        if self._average is None:
            yield self.network
            return
        parameters: list[Tensor] = list(self.network.parameters())
        latest = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            torch._foreach_copy_(parameters, self._average)
            try:
                yield self.network
            finally:
                torch._foreach_copy_(parameters, latest)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Everything that the next step depends on, by name."""
        named: dict[str, Tensor] = {"generator": self._generator.get_state()}
        for k, (name, parameter) in enumerate(self.network.named_parameters()):
            saved = saved_name(name)
            named[f"weight/{saved}"] = parameter
            if self._average is not None:
                named[f"average/{saved}"] = self._average[k]
            for key, value in self._optimizer_of[parameter].state[parameter].items():
                named[f"{key}/{saved}"] = value
        for k, (hidden, cell) in enumerate(self._state):
            named[f"hidden/{k}"], named[f"cell/{k}"] = hidden, cell
        return {name: tensor.detach().numpy() for name, tensor in named.items()}

    @torch.no_grad()
    def load(self, tensors: dict[str, NDArray[Any]], step: int) -> None:
        """Go on where `tensors()` was taken, after `step` steps."""
        self.step = step
        self._generator.set_state(torch.from_numpy(tensors["generator"].copy()))
        for k, (name, parameter) in enumerate(self.network.named_parameters()):
            saved = saved_name(name)
            parameter.copy_(torch.from_numpy(tensors[f"weight/{saved}"]))
            if self._average is not None:
                self._average[k].copy_(torch.from_numpy(tensors[f"average/{saved}"]))
            self._optimizer_of[parameter].state[parameter] = {
                key: torch.from_numpy(tensors[f"{key}/{saved}"].copy())
                for key in MEMORIES
                if f"{key}/{saved}" in tensors
            }
        self._state = [
            (torch.from_numpy(tensors[f"hidden/{k}"].copy()), torch.from_numpy(tensors[f"cell/{k}"].copy()))
            for k in range(len(self.network.layers))
            if f"hidden/{k}" in tensors
        ]
