"""The engine "fast": the network as one graph for ONNX Runtime, with each weight of its LSTM in one byte.

The graph is built in memory when the model is loaded, from the weights that NumPy uses. One run of it reads any number
of tokens. `network` is the definition: a test checks that both compute nearly the same numbers. Only this module
imports ONNX Runtime, and only when this engine is chosen.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from afterword.errors import check_installed
from afterword.model.arrays import Array, Ids, Weights
from afterword.model.network.cells import check_claimed
from afterword.model.network.config import Config
from afterword.model.network.graphs import HIGH, one_byte_graph
from afterword.model.threads import PRODUCTS

if TYPE_CHECKING:
    import onnx
    import onnxruntime

EngineName = Literal["numpy", "fast"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)

# A second thread costs a single stream of a small network more than it saves. So one thread runs a small network, and
# a batch of 2 * LANES_PER_THREAD or more is cut into parts of at least that many, one thread each. A network of more
# than CACHE_BYTES does not fit into the cache of one core. It runs faster on as many threads as there are cores.
LANES_PER_THREAD, CACHE_BYTES = 128, 2 * 2**20
FASTER = 2.3  # times as fast as NumPy, for many lanes
INPUTS, OUTPUTS = ["rows", "hidden", "cell"], ["logits", "hidden_out", "cell_out"]


class FastEngine:
    """An engine that runs an LSTM of any number of layers. Many threads may share it.

    Raises OptionError for another kind of cell, or if ONNX Runtime is not installed.
    """

    def __init__(self, config: Config, weights: Weights) -> None:
        check_claimed(config.cell, "engine fast")
        check_installed("engine fast needs ONNX Runtime: pip install 'afterword[fast]'", "onnx", "onnxruntime")
        import onnx  # noqa: F401

        runtime()
        began = time.perf_counter()
        self._config = config
        size = sum(weight.size for name, weight in weights.items() if name.startswith(f"{config.cell}.weight"))
        self.is_small = size <= CACHE_BYTES
        """True if a run of up to `LANES_PER_THREAD` lanes uses one thread."""
        self._session = session(
            one_byte_graph(config, weights), 1 if self.is_small or PRODUCTS.is_alone else os.cpu_count() or 1
        )
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self._step, self.stepping = _Step(self._session, self.start(1), config.vocabulary_size), threading.Lock()
        """The lock of `_step`. Another thread that steps at the same time uses memory of its own."""
        self.seconds = time.perf_counter() - began

    def start(self, lanes: int) -> tuple[Annotated[Array, "L B width"], Annotated[Array, "L B width"]]:
        """Return the hidden and cell state of a fresh start, each of the width H + BOUNDS."""
        shape = (self._config.num_layers, lanes, self._config.hidden_size)
        low, high = np.full((*shape[:2], 1), -1, np.float32), np.full((*shape[:2], 1), 1, np.float32)
        hidden = np.concatenate([np.zeros(shape, np.float32), low, high], axis=2)
        return hidden, HIGH * hidden

    def run(
        self, rows: Annotated[Ids, "T B"], hidden: Annotated[Array, "L B width"], cell: Annotated[Array, "L B width"]
    ) -> tuple[Annotated[Array, "T B R"], Annotated[Array, "L B width"], Annotated[Array, "L B width"]]:
        """Read `rows`. Return the logits, and the hidden and cell state after them; see `start` for their width."""
        if not rows.size:
            return np.empty((*rows.shape, self._config.vocabulary_size), np.float32), hidden, cell
        if rows.size == 1 and self.stepping.acquire(blocking=False):
            try:
                return self._step(rows, hidden, cell)
            finally:
                self.stepping.release()
        rows = rows.astype(np.int64, order="C", copy=False)
        parts = 1 if PRODUCTS.is_alone else rows.shape[1] // LANES_PER_THREAD
        if parts < 2 or not self.is_small:
            logits, hidden, cell = self._session.run(OUTPUTS, {"rows": rows, "hidden": hidden, "cell": cell})
            return logits, hidden, cell
        ends = [rows.shape[1] * k // parts for k in range(parts + 1)]
        cuts = [slice(*pair) for pair in pairwise(ends)]
        fed = [{"rows": rows[:, cut], "hidden": hidden[:, cut], "cell": cell[:, cut]} for cut in cuts]
        found = self._threads.map(lambda part: self._session.run(OUTPUTS, part), fed)
        logits, hidden, cell = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return logits, hidden, cell


class _Step:
    """A step of one token in one lane, with inputs and outputs bound once. This saves 2 to 3 µs per run."""

    def __init__(self, session: onnxruntime.InferenceSession, states: tuple[Array, Array], rows: int) -> None:
        """Take the session, hidden and cell [L, 1, H + BOUNDS] of a fresh start, and R."""
        self._run, self._bound = session.run_with_iobinding, session.io_binding()
        self._read: list[NDArray[Any]] = [np.zeros((1, 1), np.int64), *(state.copy() for state in states)]
        self._found = [np.empty((1, 1, rows), np.float32), *(state.copy() for state in states)]
        value = runtime().OrtValue.ortvalue_from_numpy  # shares the array's memory
        for name, array in zip(INPUTS, self._read, strict=True):
            self._bound.bind_ortvalue_input(name, value(array))
        for name, array in zip(OUTPUTS, self._found, strict=True):
            self._bound.bind_ortvalue_output(name, value(array))

    def __call__(self, *read: NDArray[Any]) -> tuple[Array, Array, Array]:
        for bound, array in zip(self._read, read, strict=True):
            bound[...] = array
        self._run(self._bound)
        logits, hidden, cell = self._found
        return logits.copy(), hidden.copy(), cell.copy()


def runtime() -> Any:
    """Return ONNX Runtime, with its telemetry switched off.

    Otherwise it looks up a host of Microsoft's, and leaves an identity of this device in the user's cache. It reads the
    variable when it is loaded; if other code has loaded it before, only the call helps.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """Return `model` ready to run on `threads`, including the calling one."""
    options = runtime().SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    return runtime().InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
