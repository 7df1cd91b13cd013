"""The whole network in NumPy: embedding → stacked cells → logits, state in and state out.

It computes what `cell` defines, arranged for speed; a test compares the two. Three things are done once, when the
network is made:

- The weights of the four gates are stored side by side, [in, 4H] instead of [4H, in]. One large product of rows is
  faster than four products, or than one of columns.
- A sigmoid is computed as a tanh: σ(x) = tanh(x/2)/2 + 1/2. The x/2 is folded into the weights (exactly, since it is a
  power of two), so that one tanh covers all four gates.
- The first layer's input is one of only R embeddings, so its product with the weights is a table, if that fits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array, Floats, Ids, Weights
from afterword.model.network.cell import GATES, Layer, Step, layer_weights
from afterword.model.network.config import Config, embedding_of
from afterword.model.network.engines import FASTER, FastEngine
from afterword.model.network.holding import GATES_AND_STATES, put_held
from afterword.model.threads import PRODUCTS, RowProducts, at_once

LARGEST_TABLE = 64 * 2**20  # bytes

# gate = HALF · tanh(HALF · sum) + REST, [4]: a sigmoid for three of the gates, a plain tanh for the candidate
HALF = np.array([1.0 if gate == "candidate" else 0.5 for gate in GATES], np.float32)
REST = np.array([0.0 if gate == "candidate" else 0.5 for gate in GATES], np.float32)


class State(NamedTuple):
    """The memory of a network of the tokens that it has read. Never changed in place."""

    hidden: Annotated[Array, "L B _"]  # H, or as an engine has it
    cell: Annotated[Array, "L B _"]
    recent: list[Any]  # by lane, the last tokens in another form: of a window [≤ W], or as `mixture` keeps them


class Traced(NamedTuple):
    """Everything that a reading computes, in the order of the tokens."""

    steps: list[Step]  # one per layer, each of its parts [T, B, H]
    logits: Annotated[Array, "T B R"]  # of the next token


class Network:
    """A network, ready to run. It keeps no state of its own, so threads can share it.

    Ids are the tokenizer's, 0 ≤ id < V (not checked here); those from R - 1 on share the last row. `held` comes from
    `holding.held_values`: parts of the network that stay at a value. An `engine` reads and steps instead of NumPy if
    nothing is held; traces always use NumPy.
    """

    def __init__(
        self,
        config: Config,
        weights: Weights,
        held: Annotated[Array, "L 6 H"] | None = None,
        engine: FastEngine | None = None,
    ) -> None:
        self.config, self.engine, self._held = config, engine, held
        self.normalised = False
        """True if the logits are log-probabilities."""
        self.work = config.parameters / (1 if engine is None else FASTER)
        """The time of a step per lane of a large batch, as the number of parameters for which NumPy takes as long."""
        arranged = _Arranged if config.cell == "lstm" else _ArrangedPlain
        self._product = RowProducts()
        layers = (layer_weights(weights, k, config.cell) for k in range(config.num_layers))
        self._layers = [arranged(layer, self._product) for layer in layers]
        self._embedding = embedding_of(config, weights)
        self._output_weight = self._product.taken(weights["output.weight"].T)  # [H, R]
        self._output_bias = weights["output.bias"]
        fits = 4 * config.vocabulary_size * config.hidden_size * self._embedding.itemsize <= LARGEST_TABLE
        self._table = self._layers[0].project(self._embedding) if fits else None  # [R, 4H]

    def holding(self, held: Annotated[Array, "L 6 H"] | None) -> Network:
        """Return the same network, sharing its weights, with parts `held`, or none."""
        other = copy.copy(self)
        other._held = held
        return other

    @property
    def threads(self) -> int:
        """The threads that can use this network side by side; 1 if a single step takes all processors anyway."""
        return PRODUCTS.threads if self.engine is None or self.engine.is_small else 1

    @property
    def numbers_per_token(self) -> int:
        """The numbers that `read` keeps in memory for each token of each lane, apart from the logits."""
        arrays = 2 if self.config.num_layers == 1 and self._table is not None else 6
        return (arrays if self._held is None else 12) * self.config.hidden_size

    def start(self, lanes: int = 1) -> State:
        """Return the empty state of a fresh start, for B lanes."""
        shape, recent = (self.config.num_layers, lanes, self.config.hidden_size), [()] * lanes
        if self.engine is not None:
            return State(*self.engine.start(lanes), recent)
        return State(np.zeros(shape, np.float32), np.zeros(shape, np.float32), recent)

    def step(self, ids: Annotated[Ids, "B"], state: State) -> tuple[Annotated[Array, "B R"], State]:
        """Read one token per lane. Return the logits of the next token, and the state after this one."""
        return self.advance(ids[:, None], state)

    def step_each(
        self, lanes: Sequence[tuple[Annotated[Ids, "B"], State]], threads: Executor, meanwhile: Callable[[], object]
    ) -> list[tuple[Annotated[Array, "B R"], State]]:
        """Do `step` for several ids and their states at once: for the first here, for the others on `threads`.

        While the others run, call `meanwhile` on this thread, before the first step.
        """
        return at_once([partial(self.step, ids, state) for ids, state in lanes], threads, meanwhile)

    def advance(self, ids: Annotated[Ids, "B T"], state: State) -> tuple[Annotated[Array, "B R"], State]:
        """Read T tokens per lane. Return the logits of the next token, and the state after all T."""
        if self.engine is not None:
            logits, hidden, cell = self.engine.run(self.rows(ids.T), state.hidden, state.cell)
            return logits[-1], State(hidden, cell, state.recent)
        outputs, state = self._run(ids, state)
        return self._logits(outputs[-1]), state

    def read(self, ids: Annotated[Ids, "B T"], state: State) -> tuple[Annotated[Array, "B T R"], State]:
        """Read T tokens per lane. Return the logits of the token after each, and the state at the end.

        Each token of each lane needs memory for `numbers_per_token` + R numbers: split long texts and carry the state.
        """
        if self.engine is not None:
            logits, hidden, cell = self.engine.run(self.rows(ids.T), state.hidden, state.cell)
            return logits.swapaxes(0, 1), State(hidden, cell, state.recent)
        outputs, state = self._run(ids, state)
        return self._logits(outputs).swapaxes(0, 1), state

    def trace(self, ids: Annotated[Ids, "B T"], state: State) -> tuple[Traced, State]:
        """Like `read`, but keep every gate and state. Slower, with memory for B·T·(9LH + R) numbers."""
        H = self.config.hidden_size  # an engine may have added units
        state = State(state.hidden[..., :H], state.cell[..., :H], state.recent)
        steps: list[Step] = []
        outputs, after = self._run(ids, state, steps)
        return Traced(steps, self._logits(outputs)), after

    def side_by_side(self, *states: State) -> State:
        """Join the lanes of all `states`, which have read equally many tokens, in one state."""
        hidden = np.concatenate([state.hidden for state in states], axis=1)
        cell = np.concatenate([state.cell for state in states], axis=1)
        return State(hidden, cell, [lane for state in states for lane in state.recent])

    def chosen(self, state: State, lanes: Sequence[int]) -> State:
        """Return the state of some of the lanes, in this order."""
        which = np.array(lanes, np.intp)
        return State(state.hidden[:, which], state.cell[:, which], [state.recent[k] for k in lanes])

    def _run(self, ids: Ids, state: State, steps: list[Step] | None = None) -> tuple[Array, State]:
        """Read ids [B, T]. Return the last layer's outputs [T, B, H], and the state at the end.

        If `steps` is given, add everything that each layer computes to it.
        """
        hiddens, cells = [], []
        x = np.empty(0, np.float32)  # [T, B, H], the output of the layer below
        for k, layer in enumerate(self._layers):
            projected = layer.project(x) if k > 0 else self._projected(ids)
            held = None if self._held is None else self._held[k]
            outputs, hidden, cell = layer.run(projected, state.hidden[k], state.cell[k], held, steps)
            hiddens.append(hidden)
            cells.append(cell)
            x = x + outputs if k > 0 and self.config.residual else outputs
        return x, State(_stacked(hiddens), _stacked(cells), state.recent)

    def _projected(self, ids: Ids) -> Projected:
        """Return the part of the first layer's sums that comes from ids [B, T]: [B, 4H] for each step."""
        rows = self.rows(ids.T)
        if self._table is not None:
            return _Rows(self._table, rows)
        return self._layers[0].project(self._embedding[rows])

    def _logits(self, outputs: Array) -> Array:
        """Return the logits [..., R] that follow from outputs [..., H]."""
        if outputs.ndim > 2:
            flat = self._logits(outputs.reshape(-1, outputs.shape[-1]))
            return flat.reshape(*outputs.shape[:-1], flat.shape[-1])
        logits = self._product(outputs, self._output_weight)
        logits += self._output_bias
        return logits

    def rows(self, ids: Annotated[Ids, "..."]) -> Annotated[Ids, "..."]:
        """Return the network's rows of the tokenizer's `ids`."""
        return np.minimum(ids, self.config.vocabulary_size - 1)

    def token_log_probabilities(
        self, logits: Annotated[Array, "... R"], ids: Annotated[Ids, "..."]
    ) -> Annotated[Floats, "..."]:
        """Return log P in nats of the tokenizer's `ids`, given the logits of their places.

        A shared last row's probability is divided among its tokens: see `Config.shared_row_nats`.
        """
        rows = self.rows(ids)
        chosen: Floats = np.take_along_axis(log_probabilities(logits), rows[..., None], axis=-1)[..., 0]
        return chosen - self.config.shared_row_nats(rows)


class _Rows:
    """Rows [T, B] of a table [R, 4H], looked up step by step, because all of them would not fit into the cache."""

    def __init__(self, table: Array, rows: Ids) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, t: int) -> Array:
        taken: Array = self._table.take(self._rows[t], axis=0)
        return taken


Projected = Array | _Rows
"""The part of a layer's sums that comes from its input: [B, 4H] for each of T steps."""


class _Arranged:
    """The weights of one layer, arranged as the head of this file says."""

    def __init__(self, layer: Layer, product: RowProducts) -> None:
        self._product = product
        H = layer.weight_hh.shape[1]
        self._parts = [slice(at, at + H) for at in range(0, len(GATES) * H, H)]
        # Factors as wide as the gates are three times as fast as ones that NumPy must stretch.
        self._half, self._rest = np.repeat(HALF, H), np.repeat(REST, H)
        self._input, self._recurrent = (
            np.multiply(weight.T, self._half, order="C") for weight in (layer.weight_ih, layer.weight_hh)
        )  # [in, 4H] and [H, 4H]
        product.taken(self._recurrent)
        self._bias = (layer.bias_ih + layer.bias_hh) * self._half

    def project(self, x: Array) -> Array:
        """Return the part of the gates' sums that comes from the input: x [..., E or H] → [..., 4H], in one product."""
        sums = x.reshape(-1, x.shape[-1]) @ self._input
        sums += self._bias
        return sums.reshape(*x.shape[:-1], sums.shape[-1])

    def _gates(self, projected: Array, hidden: Array) -> Array:
        """Return the gates [B, 4H] of one step, from its part of `projected` [B, 4H] and the hidden state [B, H]."""
        gates = self._product(hidden, self._recurrent)
        gates += projected
        np.tanh(gates, out=gates)
        gates *= self._half
        gates += self._rest
        return gates

    def _apart(self, gates: Array) -> list[Array]:
        """Return views of the four gates [..., H] in [..., 4H]."""
        return [gates[..., part] for part in self._parts]

    def run(
        self, projected: Projected, hidden: Array, cell: Array, held: Array | None, steps: list[Step] | None
    ) -> tuple[Array, Array, Array]:
        """Take all steps: projected [T, B, 4H], hidden and cell [B, H] before the first; `held` [6, H] as in `holding`.

        Return the outputs [T, B, H], and hidden and cell [B, H] after the last. Add everything computed to `steps`.
        """
        if held is not None or steps is not None:
            step = self._trace(projected, hidden, cell, held)
            if steps is not None:
                steps.append(step)
            return (step.hidden, step.hidden[-1], step.cell[-1]) if len(step.hidden) else (step.hidden, hidden, cell)
        outputs = np.empty((len(projected), *hidden.shape), np.float32)
        for t in range(len(outputs)):
            input_gate, forget_gate, candidate, output_gate = self._apart(self._gates(projected[t], hidden))
            cell = forget_gate * cell
            candidate *= input_gate
            cell += candidate
            hidden = np.tanh(cell, out=outputs[t])
            hidden *= output_gate
        return outputs, hidden, cell

    def _trace(self, projected: Projected, hidden: Array, cell: Array, held: Array | None) -> Step:
        """Return everything that each step computes, [T, B, H] each."""
        shape, first = (len(projected), *hidden.shape), cell
        gates = np.empty((*shape[:2], self._bias.size), np.float32)
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
        before = np.concatenate([first[None], cells])[:-1]
        return Step(input_gates, forget_gates, candidates, output_gates, cells, hiddens, before)


class _ArrangedPlain(_Arranged):
    """The weights of one plain recurrent layer, whose only sums [..., H] take the place of the gates'.

    Its cell state stays empty.
    """

    def __init__(self, layer: Layer, product: RowProducts) -> None:
        self._product = product
        self._input = layer.weight_ih.T.copy()  # [E or H, H]
        self._recurrent = product.taken(layer.weight_hh.T.copy())  # [H, H]
        self._bias = layer.bias_ih + layer.bias_hh  # [H]

    def run(
        self, projected: Projected, hidden: Array, cell: Array, held: Array | None, steps: list[Step] | None
    ) -> tuple[Array, Array, Array]:
        """Take all steps, as `_Arranged.run` does: projected [T, B, H]. Gates are empty; the cell state stays zero."""
        outputs = np.empty((len(projected), *hidden.shape), np.float32)
        for t in range(len(outputs)):
            hidden = np.tanh(self._product(hidden, self._recurrent) + projected[t], out=outputs[t])
            if held is not None:
                put_held(hidden, held[GATES_AND_STATES.index("hidden")])
        if steps is not None:
            gate, no_cell = outputs[..., :0], np.zeros_like(outputs)
            steps.append(Step(gate, gate, gate, gate, no_cell, outputs, no_cell))
        return outputs, hidden, cell


def _stacked(layers: list[Array]) -> Array:
    """Stack one [B, H] per layer to [L, B, H]; a single layer is not copied."""
    return layers[0][None] if len(layers) == 1 else np.array(layers)


def log_probabilities(logits: Annotated[NDArray[np.floating], "... R"]) -> Annotated[Floats, "... R"]:
    """Return the log-softmax in nats of `logits` over the network's rows."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted
