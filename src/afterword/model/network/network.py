"""The whole network in NumPy: embedding → stacked cells → logits, state in and state out.

It computes what `cell` defines, arranged for speed as `cells` says; a test compares the two. The first layer's input is
one of only R embeddings, so its product with the weights is a table, if that fits.
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
from afterword.model.network.cell import Step, layer_weights
from afterword.model.network.cells import Sums
from afterword.model.network.config import Config, embedding_of
from afterword.model.network.engines import FASTER, FastEngine
from afterword.model.threads import PRODUCTS, RowProducts, at_once

LARGEST_TABLE = 64 * 2**20  # bytes


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
        held: Annotated[Array, "L 6 ... H"] | None = None,
        engine: FastEngine | None = None,
    ) -> None:
        self.config, self.engine, self._held = config, engine, held
        self.normalised = False
        """True if the logits are log-probabilities."""
        self.work = config.parameters / (1 if engine is None else FASTER)
        """The time of a step per lane of a large batch, as the number of parameters for which NumPy takes as long."""
        self._product = RowProducts()
        layers = (layer_weights(weights, k, config.cell) for k in range(config.num_layers))
        self._layers = [config.kind.arranged(layer, self._product) for layer in layers]
        self._embedding = embedding_of(config, weights)
        self._output_weight = self._product.register(weights["output.weight"].T)  # [H, R]
        self._output_bias = weights["output.bias"]
        fits = 4 * config.vocabulary_size * config.hidden_size * self._embedding.itemsize <= LARGEST_TABLE
        self._table = self._layers[0].project(self._embedding) if fits else None  # [R, 4H]
        self.numbers_per_token = (2 if fits and config.num_layers == 1 else 6) * config.hidden_size
        """The numbers that `read` keeps in memory for each token of each lane, apart from the logits."""

    def holding(self, held: Annotated[Array, "L 6 ... H"] | None) -> Network:
        """Return the same network, sharing its weights, with parts `held`, or none."""
        other = copy.copy(self)
        other._held = held
        return other

    @property
    def threads(self) -> int:
        """The threads that can use this network side by side; 1 if a single step takes all processors anyway."""
        return PRODUCTS.threads if self.engine is None or self.engine.is_small else 1

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
            outputs = np.empty((*ids.T.shape, self.config.hidden_size), np.float32)
            hidden, cell = layer.run(outputs, projected, state.hidden[k], state.cell[k], held, steps)
            hiddens.append(hidden)
            cells.append(cell)
            x = x + outputs if k > 0 and self.config.residual else outputs
        return x, State(_stacked(hiddens), _stacked(cells), state.recent)

    def _projected(self, ids: Ids) -> Sums:
        """Return the part of the first layer's sums that comes from ids [B, T]: [B, 4H] for each step."""
        rows = self.rows(ids.T)
        if self._table is not None:
            # one by one, because all of them would not fit into the cache
            return (self._table.take(each, axis=0) for each in rows)
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


def _stacked(layers: list[Array]) -> Array:
    """Stack one [B, H] per layer to [L, B, H]; a single layer is not copied."""
    return layers[0][None] if len(layers) == 1 else np.array(layers)


def log_probabilities(logits: Annotated[NDArray[np.floating], "... R"]) -> Annotated[Floats, "... R"]:
    """Return the log-softmax in nats of `logits` over the network's rows."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted
