"""What changes while a network learns, all of it, and one step of learning."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.learning.batch import NOT_A_TARGET, Batch
from afterword.learning.device import moved, opened
from afterword.learning.network import LayerState, Network, saved_name
from afterword.learning.optimizer import OPTIMIZERS
from afterword.learning.ranks import ALONE, Team
from afterword.learning.recipe import Recipe
from afterword.learning.window_network import WindowNetwork
from afterword.model.arrays import Array
from afterword.model.config import Config


class Learner:
    """A network, its optimizer, the moving average of its weights, its random numbers and the carried state.

    All of it is on the recipe's device but for the random numbers, which are drawn on the processor, so that a seed
    gives the same ones everywhere. In float16 the loss is scaled, so that small gradients do not vanish; see `learn`.
    `tensors()` and `load()` carry the whole of it into a checkpoint and back, bit for bit.
    """

    def __init__(self, config: Config, recipe: Recipe, team: Team = ALONE) -> None:
        self._recipe, self._team = recipe, team
        self._generator = torch.Generator().manual_seed(recipe.seed % 2**63)
        self._device = opened(recipe.device, recipe.precision)
        network = WindowNetwork if config.window else Network
        self.network = network(config, recipe, self._generator).to(self._device)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=recipe.precision == "float16")
        self._optimizers = OPTIMIZERS[recipe.optimizer](self.network, recipe)
        self._optimizer_of = {p: o for o in self._optimizers for group in o.param_groups for p in group["params"]}
        self._average = None if recipe.averaging is None else [p.detach().clone() for p in self.network.parameters()]
        self._state: list[LayerState] = []  # of this rank's lanes
        self._width = 0  # of the whole batch
        self.step = 0

    @torch.no_grad()
    def start_from(self, weights: Mapping[str, Array]) -> None:
        """Take these weights, by the names of a saved model, in place of the random ones to begin with."""
        for k, (name, parameter) in enumerate(self.network.named_parameters()):
            parameter.copy_(torch.from_numpy(weights[saved_name(name, self._recipe.cell)]))
            if self._average is not None:
                self._average[k].copy_(parameter)

    def learn(self, batch: Batch, learning_rate: float) -> float:
        """One step of truncated backpropagation through time. Returns the summed cost of the batch, in nats.

        Where the cost or its gradient is not finite, the weights stay as they are and NaN is returned. A gradient that
        is too large for float16 only because the loss was scaled makes the scale smaller: that step counts as taken,
        and moves nothing. The processor waits for the GPU once a step, to know that all is finite before the next
        batch is drawn; a step's thousands of small operations are what takes the time.
        """
        self.network.train()
        own, counts = self._own_lanes(batch)
        self._carry(own.fresh)
        costs, self._state = self._costs(own, self._state)
        cost = costs.sum()
        self.network.zero_grad(set_to_none=True)
        self._scaler.scale(cost * counts / batch.weight).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        total = cost.detach() * counts
        self._team.add_up([total, *gradients])
        for optimizer in self._optimizers:
            self._scaler.unscale_(optimizer)
        if self._recipe.clip is not None:
            norm = nn.utils.clip_grad_norm_(self.network.parameters(), self._recipe.clip)
        else:
            norm = nn.utils.get_total_norm(gradients)
        nats, size = torch.stack([total, norm]).tolist()
        if math.isfinite(nats) and math.isfinite(size):
            for optimizer in self._optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * group.get("factor", 1.0)
                optimizer.step()
            self._scaler.update()
        elif not (self._scale_was_too_large() and math.isfinite(nats)):
            return math.nan
        self.step += 1
        self._update_average()
        return float(nats)

    def _scale_was_too_large(self) -> bool:
        """Make the scale of the loss smaller, where it can be, after a gradient that was not finite."""
        before = self._scaler.get_scale()
        self._scaler.update()
        return 1 <= self._scaler.get_scale() < before

    def _own_lanes(self, batch: Batch) -> tuple[Batch, float]:
        """The lanes of `batch` that this rank learns from, and 0 where there is none for it, else 1."""
        if self._team.size == 1:
            return batch, 1.0
        self._width = self.network.width = len(batch.fresh)
        lanes = self._team.lanes(self._width)
        counts = float(lanes.start < lanes.stop)
        self.network.lanes = lanes if counts else slice(0, 1)  # the masks are drawn by all, whether needed or not
        return batch.of_lanes(self.network.lanes), counts

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
                nats.append(costs.double().cpu().numpy())
        return np.concatenate(nats)

    def _costs(self, batch: Batch, state: list[LayerState]) -> tuple[Tensor, list[LayerState]]:
        """The cross-entropy of each of the batch's targets in nats, and the state after it, cut from its past."""
        half = torch.float16 if self._recipe.precision == "float16" else torch.bfloat16
        with torch.autocast(self._device.type, half, enabled=self._recipe.precision != "float32"):
            logits, after = self.network(self._moved(batch.inputs), state)
        targets = batch.targets[-len(logits) :].reshape(-1)
        costs = nn.functional.cross_entropy(
            logits.float().reshape(len(targets), -1),
            self._moved(targets),
            ignore_index=NOT_A_TARGET,
            reduction="none",
        )
        counted = np.flatnonzero(targets != NOT_A_TARGET)  # found here, since a GPU would have to be waited for
        if len(counted) < len(targets):
            costs = costs[self._moved(counted)]
        return costs, [(hidden.detach().float(), cell.detach().float()) for hidden, cell in after]

    def _moved(self, array: NDArray[Any]) -> Tensor:
        return moved(torch.from_numpy(array), self._device)

    def _carry(self, fresh: NDArray[np.bool_]) -> None:
        """Empty the carried state of the fresh columns; a batch of another width starts with none."""
        if not self._state or self._state[0][0].shape[1] != len(fresh):
            self._state = self.network.empty_state(len(fresh))
        elif fresh.any():
            columns = self._moved(np.flatnonzero(fresh))
            for hidden, cell in self._state:
                hidden.index_fill_(1, columns, 0)
                cell.index_fill_(1, columns, 0)

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
        """Everything that the next step depends on, by name. All ranks must ask, since each has a part of it."""
        named: dict[str, Tensor] = {"generator": self._generator.get_state()}
        for k, (name, parameter) in enumerate(self.network.named_parameters()):
            saved = saved_name(name)
            named[f"weight/{saved}"] = parameter
            if self._average is not None:
                named[f"average/{saved}"] = self._average[k]
            for key, memory in self._optimizer_of[parameter].state[parameter].items():
                if key in ("weight", "average") or not isinstance(memory, Tensor):
                    raise TypeError(
                        f"an optimizer keeps a {key!r} of each weight that no checkpoint can hold: {memory!r}"
                    )
                named[f"{key}/{saved}"] = memory
        for k, (hidden, cell) in enumerate(self._state):
            named[f"hidden/{k}"], named[f"cell/{k}"] = self._of_all_lanes(hidden), self._of_all_lanes(cell)
        if self._scaler.is_enabled():
            scaler = self._scaler.state_dict()
            named["scaler"] = torch.tensor([scaler["scale"], scaler["_growth_tracker"]])
        return {name: tensor.detach().cpu().numpy() for name, tensor in named.items()}

    @torch.no_grad()
    def load(self, tensors: dict[str, NDArray[Any]], step: int) -> None:
        """Go on where `tensors()` was taken, after `step` steps."""
        self.step = step
        self._generator.set_state(torch.from_numpy(tensors["generator"].copy()))
        keys: defaultdict[str, list[str]] = defaultdict(list)  # what the optimizers keep, by the weight's name
        for name in tensors:
            key, _, saved = name.partition("/")
            if key not in ("weight", "average"):
                keys[saved].append(key)
        for k, (name, parameter) in enumerate(self.network.named_parameters()):
            saved = saved_name(name)
            parameter.copy_(torch.from_numpy(tensors[f"weight/{saved}"]))
            if self._average is not None:
                self._average[k].copy_(torch.from_numpy(tensors[f"average/{saved}"]))
            optimizer = self._optimizer_of[parameter]
            optimizer.state[parameter] = {
                # the fused kernels count on the device, all others on the processor
                key: memory if key == "step" and not optimizer.defaults.get("fused") else memory.to(self._device)
                for key in keys[saved]
                for memory in [torch.tensor(tensors[f"{key}/{saved}"])]
            }
        self._state = [
            (self._of_own_lanes(tensors[f"hidden/{k}"]), self._of_own_lanes(tensors[f"cell/{k}"]))
            for k in range(len(self.network.layers))
            if f"hidden/{k}" in tensors
        ]
        if self._scaler.is_enabled() and "scaler" in tensors:  # a run that comes from another device has none
            scale, steps = tensors["scaler"].tolist()
            self._scaler.load_state_dict(self._scaler.state_dict() | {"scale": scale, "_growth_tracker": int(steps)})

    def _of_all_lanes(self, state: Tensor) -> Tensor:
        """The state [1, B, H] of the whole batch, of which each rank has its part."""
        if self._team.size == 1:
            return state
        lanes = self._team.lanes(self._width)
        whole = torch.zeros(1, self._width, state.shape[2], device=self._device)
        whole[:, lanes] = state[:, : lanes.stop - lanes.start]
        self._team.add_up([whole])
        return whole

    def _of_own_lanes(self, state: NDArray[Any]) -> Tensor:
        """This rank's part of the state [1, B, H] of the whole batch."""
        lanes = self._team.lanes(state.shape[1])
        own = torch.tensor(state[:, lanes if lanes.start < lanes.stop else slice(0, 1)])
        return own.to(self._device)

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether all that `tensors()` holds is finite: what is not must not be kept."""
        kept = [*self.network.parameters(), *(self._average or ())]
        kept += [state for pair in self._state for state in pair]
        kept += [memory for o in self._optimizers for memories in o.state.values() for memory in memories.values()]
        return math.isfinite(sum(float(tensor.abs().max()) for tensor in kept))
