"""The whole network in NumPy: embedding → stacked cells → logits, state in and state out.

It computes what `cell` defines, arranged for speed; a test holds the two to the same numbers. Three things are done
once, when the network is made:

- The weights of the four gates stand side by side, [in, 4H] instead of [4H, in]: one large product for all of them, and
  of rows, takes less time than four, or than one of columns.
- A sigmoid is a tanh: σ(x) = tanh(x/2)/2 + 1/2. The x/2 is folded into the weights (exactly, being a power of two), so
  one tanh over all four gates serves.
- The first layer's input can only be one of R embeddings, so its product with the weights is a table, where that fits.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.model.arrays import Array, Ids
from afterword.model.cell import GATES, Layer, Step, layer_weights
from afterword.model.config import Config
from afterword.model.holding import PARTS, put_held

LARGEST_TABLE = 64 * 2**20  # bytes

# gate = HALF · tanh(HALF · sum) + REST, [4]: a sigmoid for three of the gates, a plain tanh for the candidate
HALF = np.array([1.0 if gate == "candidate" else 0.5 for gate in GATES], np.float32)
REST = np.array([0.0 if gate == "candidate" else 0.5 for gate in GATES], np.float32)


class State(NamedTuple):
    """What the network remembers of what it has read. Never changed in place."""

    hidden: Array  # [L, B, H]
    cell: Array  # [L, B, H]
    recent: Any  # what else of the last tokens: those of a window [B, ≤ W], or what `mixture` keeps


class Traced(NamedTuple):
    """All that a reading computes, in the order of the tokens."""

    steps: list[Step]  # one a layer, each of its parts [T, B, H]
    before: list[Array]  # one a layer: the cell state that each step found, [T, B, H]
    logits: Array  # [T, B, R], of what comes next


class Engine(Protocol):
    """What can run the steps in NumPy's place: `fast.FastEngine`."""

    seconds: float
    """How long it took to make."""

    def start(self, lanes: int) -> tuple[Array, Array]:
        """Hidden and cell state of a fresh start, [L, B, H] and what units of its own it adds at their end."""

    def run(self, rows: Ids, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
        """Read rows [T, B] from such a hidden and cell: the logits [T, B, R], and hidden and cell at the end."""


class Network:
    """A network that runs. It keeps no state of its own, so that one may serve many threads.

    Ids are the tokenizer's, 0 ≤ id < V (not checked here); those from R - 1 on share the last row. `held` [L, 6, H] is
    what `holding.held_values` gives: parts of the network that stay at a value. An `engine` reads and steps in NumPy's
    place, where nothing is held; traces are NumPy's all the same.
    """

    context_length: float = math.inf
    """How many of the last tokens a prediction can depend on."""

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, Array],
        held: Array | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.config, self.engine = config, engine
        self._held = held
        arranged = _Arranged if config.cell == "lstm" else _ArrangedPlain
        self._layers = [arranged(layer_weights(weights, k, config.cell)) for k in range(config.num_layers)]
        R = config.vocabulary_size
        numbers = (np.arange(R)[:, None] / R).astype(np.float32)
        self._embedding = weights["embedding.weight"] if config.input == "embedding" else numbers
        self._output_weight = weights["output.weight"].T  # [H, R]
        self._output_bias = weights["output.bias"]
        fits = 4 * config.vocabulary_size * config.hidden_size * self._embedding.itemsize <= LARGEST_TABLE
        self._table = self._layers[0].project(self._embedding) if fits else None  # [R, 4H]

    def holding(self, held: Array) -> Network:
        """The same network, weights and all, with parts `held` [L, 6, H]."""
        other = copy.copy(self)
        other._held = held
        return other

    def start(self, lanes: int = 1) -> State:
        """The empty state of a fresh start, for B lanes."""
        shape, recent = (self.config.num_layers, lanes, self.config.hidden_size), np.empty((lanes, 0), np.int64)
        if self.engine is not None:
            return State(*self.engine.start(lanes), recent)
        return State(np.zeros(shape, np.float32), np.zeros(shape, np.float32), recent)

    def step(self, ids: Ids, state: State) -> tuple[Array, State]:
        """Read one token per lane: ids [B] → logits [B, R] of what comes next, and the state after it."""
        return self.advance(ids[:, None], state)

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        """Read T tokens per lane: ids [B, T] → logits [B, R] of what comes next, and the state after them."""
        if self.engine is not None:
            logits, hidden, cell = self.engine.run(self.rows(ids.T), state.hidden, state.cell)
            return logits[-1], State(hidden, cell, state.recent)
        outputs, state = self._run(ids, state)
        return self._logits(outputs[-1]), state

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        """Read T tokens per lane: ids [B, T] → logits [B, T, R], one row after each token, and the state at the end.

        Takes memory for about B·T·(6H + R) numbers: cut long texts and carry the state.
        """
        if self.engine is not None:
            logits, hidden, cell = self.engine.run(self.rows(ids.T), state.hidden, state.cell)
            return logits.swapaxes(0, 1), State(hidden, cell, state.recent)
        outputs, state = self._run(ids, state)
        return self._logits(outputs).swapaxes(0, 1), state

    def trace(self, ids: Ids, state: State) -> tuple[Traced, State]:
        """`read`, keeping every gate and state of an LSTM on the way. Slower, and takes B·T·(9LH + R) numbers."""
        steps, before, outputs, state = self._trace(ids, state)
        return Traced(steps, before, self._logits(outputs)), state

    def side_by_side(self, *states: State) -> State:
        """One state with the lanes of all `states`, which have read equally many tokens."""
        hidden, cell, recent = zip(*states, strict=True)
        return State(np.concatenate(hidden, axis=1), np.concatenate(cell, axis=1), self._lanes(recent))

    def chosen(self, state: State, lanes: Sequence[int]) -> State:
        """The state of some lanes, in this order."""
        which = np.array(lanes, np.intp)
        return State(state.hidden[:, which], state.cell[:, which], self._chosen(state.recent, which))

    def _lanes(self, recent: Sequence[Any]) -> Any:
        return np.concatenate(recent)

    def _chosen(self, recent: Any, which: NDArray[np.intp]) -> Any:
        return recent[which]

    def _run(self, ids: Ids, state: State) -> tuple[Array, State]:
        """Read ids [B, T]: the last layer's outputs [T, B, H], and the state at the end."""
        hiddens, cells = [], []
        x = np.empty(0, np.float32)  # [T, B, H], the output of the layer below
        for k, layer in enumerate(self._layers):
            projected = layer.project(x) if k > 0 else self._projected(ids)
            if self._held is None:
                outputs, hidden, cell = layer.run(projected, state.hidden[k], state.cell[k])
            else:
                outputs, hidden, cell = layer.run_held(projected, state.hidden[k], state.cell[k], self._held[k])
            hiddens.append(hidden)
            cells.append(cell)
            x = x + outputs if k > 0 and self.config.residual else outputs
        return x, State(_stacked(hiddens), _stacked(cells), state.recent)

    def _trace(self, ids: Ids, state: State) -> tuple[list[Step], list[Array], Array, State]:
        """`_run`, with what every layer's steps computed and the cell states that they found."""
        steps, before = [], []
        x = np.empty(0, np.float32)
        H = self.config.hidden_size  # an engine may have added units
        state = State(state.hidden[..., :H], state.cell[..., :H], state.recent)
        for k, layer in enumerate(self._layers):
            projected = layer.project(x) if k > 0 else self._projected(ids)
            held = None if self._held is None else self._held[k]
            step = layer.trace(projected, state.hidden[k], state.cell[k], held)
            steps.append(step)
            before.append(np.concatenate([state.cell[k][None], step.cell])[:-1])
            x = x + step.hidden if k > 0 and self.config.residual else step.hidden
        if len(x):
            hidden, cell = (np.array([getattr(step, part)[-1] for step in steps]) for part in ("hidden", "cell"))
            state = State(hidden, cell, state.recent)
        return steps, before, x, state

    def _projected(self, ids: Ids) -> Array:
        """The first layer's part of the gates' sums that comes from ids [B, T]: [T, B, 4H], a new array."""
        rows = self.rows(ids.T)
        if self._table is not None:
            return self._table.take(rows, axis=0)
        return self._layers[0].project(self._embedding[rows])

    def _logits(self, outputs: Array) -> Array:
        """[..., H] → [..., R]."""
        if outputs.ndim > 2:
            flat = self._logits(outputs.reshape(-1, outputs.shape[-1]))
            return flat.reshape(*outputs.shape[:-1], flat.shape[-1])
        logits = outputs @ self._output_weight
        logits += self._output_bias
        return logits

    def rows(self, ids: Ids) -> Ids:
        """The rows of the network that the tokenizer's `ids` stand in; the same shape."""
        return np.minimum(ids, self.config.vocabulary_size - 1)

    def token_log_probabilities(self, logits: Array, ids: Ids) -> NDArray[np.float64]:
        """log P in nats of the tokenizer's `ids` [...], given the logits [..., R] of their places.

        The tokens of a shared last row have an equal part of its probability each, so that P sums to 1 over all V.
        """
        rows = self.rows(ids)
        chosen = np.take_along_axis(log_probabilities(logits), rows[..., None], axis=-1)[..., 0]
        chosen[rows == self.config.vocabulary_size - 1] -= np.log(self.config.byte_tokens)
        return chosen


class LaneByLane(Network):
    """A network in whose state `recent` is a list of what each lane keeps."""

    def _lanes(self, recent: Sequence[list[Any]]) -> list[Any]:
        return [lane for lanes in recent for lane in lanes]

    def _chosen(self, recent: list[Any], which: NDArray[np.intp]) -> list[Any]:
        return [recent[k] for k in which.tolist()]


class _Arranged:
    """One layer's weights, arranged as the head of this file says."""

    def __init__(self, layer: Layer) -> None:
        H = layer.weight_hh.shape[1]
        self._parts = [slice(at, at + H) for at in range(0, len(GATES) * H, H)]
        # Factors as wide as the gates are three times as fast as ones that NumPy has to stretch.
        self._half, self._rest = np.repeat(HALF, H), np.repeat(REST, H)
        self._input, self._recurrent = (
            np.ascontiguousarray((weight * self._half[:, None]).T) for weight in (layer.weight_ih, layer.weight_hh)
        )  # [in, 4H] and [H, 4H]
        self._bias = (layer.bias_ih + layer.bias_hh) * self._half

    def project(self, x: Array) -> Array:
        """The part of the gates' sums that comes from the input: x [..., E or H] → [..., 4H], in one product."""
        sums = x.reshape(-1, x.shape[-1]) @ self._input
        sums += self._bias
        return sums.reshape(*x.shape[:-1], sums.shape[-1])

    def _gates(self, projected: Array, hidden: Array) -> Array:
        """Of one step, from its part of `projected` [B, 4H] and the hidden state before it [B, H]: [B, 4H]."""
        gates = hidden @ self._recurrent
        gates += projected
        np.tanh(gates, out=gates)
        gates *= self._half
        gates += self._rest
        return gates

    def _apart(self, gates: Array) -> list[Array]:
        """Views of the four gates [..., H] in [..., 4H]."""
        return [gates[..., part] for part in self._parts]

    def run(self, projected: Array, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
        """The steps one after the other: projected [T, B, 4H], hidden and cell [B, H] before the first.

        Returns the outputs [T, B, H], and hidden and cell [B, H] after the last.
        """
        outputs = np.empty((len(projected), *hidden.shape), np.float32)
        for t in range(len(outputs)):
            input_gate, forget_gate, candidate, output_gate = self._apart(self._gates(projected[t], hidden))
            cell = forget_gate * cell
            candidate *= input_gate
            cell += candidate
            hidden = np.tanh(cell, out=outputs[t])
            hidden *= output_gate
        return outputs, hidden, cell

    def trace(self, projected: Array, hidden: Array, cell: Array, held: Array | None) -> Step:
        """`run`, keeping all that each step computes, [T, B, H] each; `held` [6, H] as in `holding`.

        `projected` becomes the gates.
        """
        gates, shape = projected, (len(projected), *hidden.shape)
        cells, hiddens = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for t in range(len(cells)):
            gates[t] = self._gates(projected[t], hidden)
            now = self._apart(gates[t])
            if held is not None:
                for gate, value in zip(now, held, strict=False):
                    put_held(gate, value)
            input_gate, forget_gate, candidate, output_gate = now
            cell = np.add(forget_gate * cell, input_gate * candidate, out=cells[t])
            if held is not None:
                put_held(cell, held[len(GATES)])
            hidden = np.multiply(output_gate, np.tanh(cell), out=hiddens[t])
            if held is not None:
                put_held(hidden, held[len(GATES) + 1])
        input_gates, forget_gates, candidates, output_gates = self._apart(gates)
        return Step(input_gates, forget_gates, candidates, output_gates, cells, hiddens)

    def run_held(self, projected: Array, hidden: Array, cell: Array, held: Array) -> tuple[Array, Array, Array]:
        """`run`, with parts held at a value."""
        step = self.trace(projected, hidden, cell, held)
        return (step.hidden, step.hidden[-1], step.cell[-1]) if len(step.hidden) else (step.hidden, hidden, cell)


class _ArrangedPlain:
    """One plain recurrent layer's weights, in the manner of `_Arranged`; its cell state stays empty."""

    def __init__(self, layer: Layer) -> None:
        self._input = layer.weight_ih.T.copy()  # [E or H, H]
        self._recurrent = layer.weight_hh.T.copy()  # [H, H]
        self._bias = layer.bias_ih + layer.bias_hh  # [H]

    def project(self, x: Array) -> Array:
        """The part of the sums that comes from the input: x [..., E or H] → [..., H]."""
        sums = x.reshape(-1, x.shape[-1]) @ self._input
        sums += self._bias
        return sums.reshape(*x.shape[:-1], sums.shape[-1])

    def run(self, projected: Array, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
        """As `_Arranged.run`: projected [T, B, H]."""
        free = np.full((len(PARTS), hidden.shape[-1]), np.nan, np.float32)
        return self.run_held(projected, hidden, cell, free)

    def run_held(self, projected: Array, hidden: Array, cell: Array, held: Array) -> tuple[Array, Array, Array]:
        outputs = np.empty(projected.shape, np.float32)
        something = not np.isnan(held).all()
        for t in range(len(outputs)):
            hidden = np.tanh(hidden @ self._recurrent + projected[t], out=outputs[t])
            if something:
                put_held(hidden, held[PARTS.index("hidden")])
        return outputs, hidden, cell

    def trace(self, projected: Array, hidden: Array, cell: Array, held: Array | None) -> Step:
        raise ModelError("this model is a plain recurrent network (--cell rnn): it has no gates that could be shown")


def _stacked(layers: list[Array]) -> Array:
    """One [B, H] a layer → [L, B, H]; of a single layer without a copy."""
    return layers[0][None] if len(layers) == 1 else np.array(layers)


def log_probabilities(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The log-softmax in nats of logits [..., R], over the network's rows."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted
