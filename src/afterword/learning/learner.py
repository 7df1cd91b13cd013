"""The state of a network that learns, and one step of learning."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.learning.batches import NOT_A_TARGET, Batch
from afterword.learning.device import moved, prepare_device
from afterword.learning.optimizer import OPTIMIZERS
from afterword.learning.ranks import ALONE, Team
from afterword.learning.recipe import Recipe
from afterword.learning.trainable import LayerState, TrainableNetwork, saved_name
from afterword.model.arrays import Array, Floats
from afterword.model.network.config import Config


class Learner:
    """A network, its optimizer, the moving average of its weights, its random numbers and the carried state.

    Everything is on the recipe's device but the random numbers, which are drawn on the processor, so that a seed gives
    the same ones everywhere. In float16 the loss is scaled, so that small gradients do not vanish; see `learn`.
    `tensors()` and `load()` move all of it into a checkpoint and back, bit for bit.
    """

    def __init__(self, config: Config, recipe: Recipe, team: Team = ALONE) -> None:
        self._recipe, self._team = recipe, team
        self._generator = torch.Generator().manual_seed(recipe.seed % 2**63)
        self._device = prepare_device(recipe.device, recipe.precision)
        network = TrainableNetwork(config, recipe.dropout, recipe.locked_dropout)
        network.initialise(self._generator)
        self.network = network.to(self._device)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=recipe.precision == "float16")
        self._average = self.network if recipe.averaging is None else self._copy_of(self.network)
        self._teacher: TrainableNetwork | None = None  # the base, as it was
        self._first: TrainableNetwork | None = None  # the result of the first training, in a second one
        self._first_steps = 0
        self._make_optimizers()
        self._state: list[LayerState] = []  # of this rank's lanes: the network's layers, then the teacher's
        self.step = 0

    def start_from(self, weights: Mapping[str, Array]) -> None:
        """Begin with these weights, by the names of a saved model, instead of random ones.

        If the recipe has distillation, an unchanged copy of them becomes the teacher.
        """
        self.network.load(weights)
        self._average.load(weights)
        if self._recipe.distillation:
            self._teacher = self._copy_of(self.network).eval()

    def begin_again(self, weights: Mapping[str, Array], step: int) -> None:
        """Train a second time from these weights, after `step` steps, without distillation and dropout.

        From then on, the weights to keep are the mean of both trainings, each weighted by its steps.
        """
        self._first, self._first_steps = self._copy_of(self._average), step
        self._recipe = replace(self._recipe, distillation=0.0, weight_dropout=0.0)
        self._teacher, self._state, self.network.dropout = None, [], 0.0
        self._make_optimizers()
        self.start_from(weights)

    @property
    def kept(self) -> TrainableNetwork:
        """The network with the weights to keep: their moving average, if there is one; of two trainings, a new mean."""
        if self._first is None:
            return self._average
        mean = self._copy_of(self._average)
        torch._foreach_lerp_(list(mean.parameters()), list(self._first.parameters()), self._first_steps / self.step)
        return mean

    def _make_optimizers(self) -> None:
        self._optimizers = OPTIMIZERS[self._recipe.optimizer](self.network, self._recipe)
        self._optimizer_of = {p: o for o in self._optimizers for group in o.param_groups for p in group["params"]}

    @property
    def _networks(self) -> dict[str, TrainableNetwork]:
        """The networks of a checkpoint, by their names in it."""
        found = {"weight": self.network}
        if self._average is not self.network:
            found["average"] = self._average
        return found if self._first is None else found | {"first": self._first}

    def _copy_of(self, network: TrainableNetwork) -> TrainableNetwork:
        """Return a network with the same weights, which does not learn."""
        copy = TrainableNetwork(network.config).requires_grad_(False).to(self._device)
        copy.load_state_dict(network.state_dict())
        return copy

    def learn(self, batch: Batch, learning_rate: float) -> float:
        """Take one step of truncated backpropagation through time. Return the summed cost of the batch, in nats.

        If the cost or its gradient is not finite, return NaN and leave the weights as they are. If a gradient is too
        large for float16 only because the loss was scaled, the scale becomes smaller; that step counts, and moves
        nothing. The processor waits for the GPU once per step, to know that everything is finite before it draws the
        next batch; that costs little next to a step's thousands of small operations.
        """
        self.network.train()
        own, counts = self._own_lanes(batch)
        self._carry(own.fresh)
        with self.network.weights_dropped(self._recipe.weight_dropout):
            cost, loss = self._cost_and_loss(own)
            self.network.zero_grad(set_to_none=True)
            self._scaler.scale(loss * counts / batch.weight).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        total = cost.detach() * counts
        self._team.add_up([total, *gradients])
        for optimizer in self._optimizers:
            self._scaler.unscale_(optimizer)  # type: ignore[arg-type]  # its groups are enough
        norm = nn.utils.get_total_norm(gradients)
        nats, size = torch.stack([total, norm]).tolist()
        if math.isfinite(nats) and math.isfinite(size):
            if self._recipe.clip is not None and size > self._recipe.clip:
                nn.utils.clip_grads_with_norm_(self.network.parameters(), self._recipe.clip, norm)
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

    def skip_to(self, step: int) -> None:
        """Let the optimizers continue as after `step` steps."""
        for optimizer in self._optimizers:
            for memory in optimizer.state.values():
                memory["step"].fill_(step)

    def _cost_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Read `batch`. Return its summed cost in nats, and the loss to minimise.

        With a teacher, the loss is the cross-entropy with a mixture of the text's next token and the base's prediction.
        So the network keeps more of what it knew, and learns less by heart (Yu et al. 2013).
        """
        layers = len(self.network.layers)
        logits, after = self._read(self.network, batch, self._state[:layers])
        loss = cost = self._costs(logits, batch).sum()
        if self._teacher is not None:
            with torch.no_grad():
                expected, known = self._read(self._teacher, batch, self._state[layers:])
            after += known
            loss = cost.lerp(self._costs(logits, batch, expected.softmax(-1)).sum(), self._recipe.distillation)
        self._state = after
        return cost, loss

    def _scale_was_too_large(self) -> bool:
        """Make the scale of the loss smaller, if possible, after a gradient that was not finite."""
        before = self._scaler.get_scale()
        self._scaler.update()
        return 1 <= self._scaler.get_scale() < before

    def _own_lanes(self, batch: Batch) -> tuple[Batch, float]:
        """Return the lanes of `batch` that this rank learns from, and 1, or 0 if it has no lane."""
        if self._team.size == 1:
            return batch, 1.0
        self.network.width = len(batch.fresh)
        lanes = self._team.lanes(self.network.width)
        counts = float(lanes.start < lanes.stop)
        self.network.lanes = lanes if counts else slice(0, 1)  # all ranks draw the masks, whether needed or not
        return batch.of_lanes(self.network.lanes), counts

    @torch.no_grad()
    def _update_average(self) -> None:
        if self._recipe.averaging is not None:
            # at first it follows closely, so that it forgets the random initial weights
            steps = self.step - self._first_steps
            keep = min(self._recipe.averaging, steps / (steps + 10))
            torch._foreach_lerp_(list(self._average.parameters()), list(self.network.parameters()), 1 - keep)

    @torch.no_grad()
    def evaluate(self, batches: Sequence[Batch]) -> Annotated[Floats, "N"]:
        """Return the nats of each token of `batches`, read in order with carried state, by the weights to keep.

        Tokens that share the network's last row cost what that row costs; the caller adds what each of them costs more.
        """
        nats: list[NDArray[np.float64]] = []
        kept = self.kept.eval()
        state: list[LayerState] = []
        for batch in batches:
            if batch.fresh.all():
                state = kept.empty_state(len(batch.fresh))
            logits, state = self._read(kept, batch, state)
            nats.append(self._costs(logits, batch).cpu().double().numpy())
        return np.concatenate(nats)

    def _read(
        self, network: TrainableNetwork, batch: Batch, state: list[LayerState]
    ) -> tuple[Tensor, list[LayerState]]:
        """Return the logits [T·B, R] of a batch, and the state after it, detached from its past."""
        half = torch.float16 if self._recipe.precision == "float16" else torch.bfloat16
        with torch.autocast(self._device.type, half, enabled=self._recipe.precision != "float32"):
            logits, after = network(self._moved(batch.inputs), state)
        after = [(hidden.detach().float(), cell.detach().float()) for hidden, cell in after]
        return logits.float().flatten(0, 1), after

    def _costs(self, logits: Tensor, batch: Batch, expected: Tensor | None = None) -> Tensor:
        """Return the cross-entropy in nats with each target that counts, or with `expected` [T·B, R] in its place."""
        targets = batch.targets.reshape(-1)[-len(logits) :]
        costs = nn.functional.cross_entropy(
            logits, self._moved(targets) if expected is None else expected, ignore_index=NOT_A_TARGET, reduction="none"
        )
        counted = np.flatnonzero(targets != NOT_A_TARGET)  # found here, since a GPU would make the processor wait
        return costs[self._moved(counted)] if len(counted) < len(targets) else costs

    def _moved(self, array: NDArray[Any]) -> Tensor:
        return moved(torch.from_numpy(array), self._device)

    def _carry(self, fresh: NDArray[np.bool_]) -> None:
        """Clear the carried state of the fresh columns; a batch of another width starts without state."""
        if not self._state or self._state[0][0].shape[1] != len(fresh):
            networks = filter(None, (self.network, self._teacher))
            self._state = [state for network in networks for state in network.empty_state(len(fresh))]
        elif fresh.any():
            columns = self._moved(np.flatnonzero(fresh))
            for hidden, cell in self._state:
                hidden.index_fill_(1, columns, 0)
                cell.index_fill_(1, columns, 0)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return everything that the next step depends on, by name. All ranks must call it, since each has a part."""
        named: dict[str, Tensor] = {"generator": self._generator.get_state()}
        for name, parameter in self.network.named_parameters():
            saved = saved_name(name)
            named |= {f"{key}/{saved}": network.get_parameter(name) for key, network in self._networks.items()}
            for key, memory in self._optimizer_of[parameter].state[parameter].items():
                if key in ("weight", "average", "first") or not isinstance(memory, Tensor):
                    raise TypeError(f"an optimizer keeps {key!r} per weight, which no checkpoint can hold: {memory!r}")
                named[f"{key}/{saved}"] = memory.float()
        for k, (hidden, cell) in enumerate(self._state):
            named[f"hidden/{k}"], named[f"cell/{k}"] = self._of_all_lanes(hidden), self._of_all_lanes(cell)
        if self._scaler.is_enabled():
            scaler = self._scaler.state_dict()
            named["scaler"] = torch.tensor([scaler["scale"], scaler["_growth_tracker"]])
        return {name: tensor.detach().cpu().numpy() for name, tensor in named.items()}

    @torch.no_grad()
    def load(self, tensors: dict[str, NDArray[Any]], step: int) -> None:
        """Restore what `tensors()` returned after `step` steps. For a second training, call `begin_again` first."""
        self.step = step
        self._generator.set_state(torch.from_numpy(tensors["generator"].copy()))
        parts: defaultdict[str, dict[str, NDArray[Any]]] = defaultdict(dict)  # by owner and key
        for name, values in tensors.items():
            key, _, owner = name.partition("/")
            parts[owner][key] = values
        for name, parameter in self.network.named_parameters():
            own, optimizer = parts[saved_name(name)], self._optimizer_of[parameter]
            for key, network in self._networks.items():
                network.get_parameter(name).copy_(torch.from_numpy(own.pop(key)))
            # the fused kernels count on the device, all others on the processor
            counts_here = {"step"} if not optimizer.defaults.get("fused") else set[str]()
            optimizer.state[parameter] = {
                key: torch.tensor(values, device="cpu" if key in counts_here else self._device)
                for key, values in own.items()
            }
        layers = [parts[str(k)] for k in range(2 * len(self.network.layers))]  # the teacher's too
        self._state = [(self._of_own_lanes(own["hidden"]), self._of_own_lanes(own["cell"])) for own in layers if own]
        if self._scaler.is_enabled() and "scaler" in tensors:  # a run from another device has none
            scale, steps = tensors["scaler"].tolist()
            self._scaler.load_state_dict(self._scaler.state_dict() | {"scale": scale, "_growth_tracker": int(steps)})

    def _of_all_lanes(self, state: Tensor) -> Tensor:
        """Return the state [1, B, H] of the whole batch, of which each rank has its part."""
        if self._team.size == 1:
            return state
        lanes = self._team.lanes(self.network.width)
        whole = torch.zeros(1, self.network.width, state.shape[2], device=self._device)
        whole[:, lanes] = state[:, : lanes.stop - lanes.start]
        self._team.add_up([whole])
        return whole

    def _of_own_lanes(self, state: NDArray[Any]) -> Tensor:
        """Return this rank's part of the state [1, B, H] of the whole batch."""
        lanes = self._team.lanes(state.shape[1])
        return torch.tensor(state[:, lanes if lanes.start < lanes.stop else slice(0, 1)], device=self._device)
