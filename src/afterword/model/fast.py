"""The network as one graph for ONNX Runtime, each weight of its LSTM in one byte: the engine "fast".

The graph is made in memory when the model is loaded, from the weights that NumPy uses, and one run of it reads all that
is asked for. Each column of a weight matrix is scaled by its own largest number and rounded to one of 64 steps either
way; what the products are taken of, ONNX Runtime rounds to a byte as it goes.
States, sums, embedding and softmax stay float32.

`network` stands for the definition: a test holds the two to nearly the same numbers. Here alone ONNX Runtime is
imported, and only when this engine is chosen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.model.arrays import Array, Ids
from afterword.model.cell import GATES, layer_weights
from afterword.model.config import Config

if TYPE_CHECKING:
    import onnx
    import onnxruntime

ENGINES = ("numpy", "fast")

GATES_OF_ONNX = [GATES.index(gate) for gate in ("input", "output", "forget", "candidate")]
OPSET, MICROSOFT, IR = 17, 1, 8  # as old as serves, so that any ONNX Runtime from 1.16 on reads it
# Of a byte's 127 steps: processors that lack VNNI add two products with bytes of up to 255 in 16 bits, and
# cut off what does not fit. That would cost more than rounding does, and make a text depend on the processor.
LARGEST = 64
# What the products are taken of, ONNX Runtime scales by the least and the largest number that there is among all lanes.
# Two units more in each layer always show -1 and 1, which no other can exceed, and two columns of the embedding its
# least and largest number: so the scale is always the same, and no lane touches another's digits.
BOUNDS, HIGH = 2, np.float32(40)
OUTPUTS = ["logits", "hidden_after", "cell_after"]
# To wake a second thread costs a stream of a small network more than it brings: one thread runs it, and a larger batch
# is cut into parts of so many lanes, which take a thread each. A network whose bytes do not fit into the cache of one
# core, about so many, is faster by as many threads as there are cores.
LANES, CACHE = 128, 2 * 2**20


class FastEngine:
    """Runs an LSTM of any number of layers. Many threads may use one.

    Raises OptionError for a plain recurrent network, or where ONNX Runtime is not installed.
    """

    def __init__(self, config: Config, weights: Mapping[str, Array]) -> None:
        if config.cell != "lstm":
            raise OptionError("engine fast runs LSTMs only, and this model was trained with --cell rnn: use numpy")
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError:
            raise OptionError("engine fast needs ONNX Runtime: pip install 'afterword[fast]'") from None
        began = time.perf_counter()
        self._config = config
        size = sum(weight.size for name, weight in weights.items() if name.startswith("lstm.weight"))
        self._is_small = size <= CACHE
        self._session = session(graph(config, weights), 1 if self._is_small else os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self.seconds = time.perf_counter() - began

    def start(self, lanes: int) -> tuple[Array, Array]:
        """Hidden and cell state of a fresh start, [L, B, H + BOUNDS]."""
        shape = (self._config.num_layers, lanes, self._config.hidden_size)
        low, high = np.full((*shape[:2], 1), -1, np.float32), np.full((*shape[:2], 1), 1, np.float32)
        hidden = np.concatenate([np.zeros(shape, np.float32), low, high], axis=2)
        return hidden, HIGH * hidden

    def run(self, rows: Ids, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
        """Read rows [T, B] from hidden and cell [L, B, H + BOUNDS]: the logits [T, B, R], and both after the last."""
        if not rows.size:
            return np.empty((*rows.shape, self._config.vocabulary_size), np.float32), hidden, cell
        rows = rows.astype(np.int64, order="C", copy=False)
        if rows.shape[1] <= LANES or not self._is_small:
            logits, hidden, cell = self._session.run(OUTPUTS, {"rows": rows, "hidden": hidden, "cell": cell})
            return logits, hidden, cell
        cuts = [slice(first, first + LANES) for first in range(0, rows.shape[1], LANES)]
        fed = [{"rows": rows[:, cut], "hidden": hidden[:, cut], "cell": cell[:, cut]} for cut in cuts]
        found = self._threads.map(lambda part: self._session.run(OUTPUTS, part), fed)
        logits, hidden, cell = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return logits, hidden, cell


def session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """`model`, ready to run by so many threads, the one that asks among them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def graph(config: Config, weights: Mapping[str, Array], one_byte: bool = True) -> onnx.ModelProto:
    """rows [T, B], hidden and cell [L, B, H + BOUNDS] → logits [T, B, R], hidden_after and cell_after.

    Without `one_byte` the weights stay float32 and there are no bounds, to compare with.
    """
    from onnx import TensorProto, helper, numpy_helper

    L, H, R = config.num_layers, config.hidden_size, config.vocabulary_size
    bounds = BOUNDS if one_byte else 0
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    numbers = (np.arange(R)[:, None] / R).astype(np.float32)
    embedding = weights["embedding.weight"] if config.input == "embedding" else numbers
    if bounds:
        ends = np.broadcast_to(np.array([embedding.min(), embedding.max()]), (R, BOUNDS))
        embedding = np.concatenate([embedding, ends], axis=1)
    node("Gather", [constant("embedding", embedding), "rows"], ["x0"])  # [T, B, E]

    before = {part: [part] if L == 1 else [f"{part}{k}" for k in range(L)] for part in ("hidden", "cell")}
    after = {part: [f"{name}_after" for name in names] for part, names in before.items()}
    if L > 1:
        for part, names in before.items():
            node("Split", [part], names, axis=0)
    axis = constant("axis", np.array([1]))
    for k in range(L):
        layer = layer_weights(weights, k)
        W, U = _by_gate(layer.weight_ih, bounds), _by_gate(layer.weight_hh, bounds)  # ONNX's names are W and R
        biases = [layer.bias_ih, layer.bias_hh]
        b = constant(f"bias{k}", np.concatenate([_bias(bias, bounds) for bias in biases], axis=1))  # [1, 8H]
        states, outputs = [before["hidden"][k], before["cell"][k]], [f"all{k}", after["hidden"][k], after["cell"][k]]
        if one_byte:
            (w, w_scale), (u, u_scale) = _bytes(W), _bytes(U)
            zero = constant(f"zero{k}", np.zeros(w_scale.shape, np.int8))
            node(
                "DynamicQuantizeLSTM",
                [
                    *(f"x{k}", constant(f"w{k}", w), constant(f"u{k}", u), b, "", *states, ""),
                    *(constant(f"w_scale{k}", w_scale), zero, constant(f"u_scale{k}", u_scale), zero),
                ],
                outputs,
                domain="com.microsoft",
                hidden_size=H + bounds,
            )
        else:
            wide = [constant(f"w{k}", W.swapaxes(1, 2)), constant(f"u{k}", U.swapaxes(1, 2))]
            node("LSTM", [f"x{k}", *wide, b, "", *states], outputs, hidden_size=H)
        added = k > 0 and config.residual
        node("Squeeze", [f"all{k}", axis], [f"y{k}" if added else f"x{k + 1}"])  # one direction: [T, 1, B, H]
        if added:
            node("Add", [f"x{k}", f"y{k}"], [f"x{k + 1}"])
    if L > 1:
        for part, names in after.items():
            node("Concat", names, [f"{part}_after"], axis=0)
    output = np.pad(weights["output.weight"].T, ((0, bounds), (0, 0)))
    node("MatMul", [f"x{L}", constant("output", output)], ["product"])
    node("Add", ["product", constant("output_bias", weights["output.bias"])], ["logits"])

    def value_of(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    whole = helper.make_graph(
        nodes,
        "afterword",
        [
            value_of("rows", TensorProto.INT64, "T", "B"),
            *(value_of(part, TensorProto.FLOAT, L, "B", H + bounds) for part in before),
        ],
        [
            value_of("logits", TensorProto.FLOAT, "T", "B", R),
            *(value_of(f"{part}_after", TensorProto.FLOAT, L, "B", H + bounds) for part in after),
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", MICROSOFT)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=IR)


def _by_gate(weight: Array, bounds: int) -> Array:
    """[4H, N] in PyTorch's order of the gates → [1, N, 4H] in ONNX's; the 1 is its number of directions.

    `bounds` inputs and units more have no weight.
    """
    gates = weight.reshape(len(GATES), -1, weight.shape[1])[GATES_OF_ONNX]
    gates = np.pad(gates, ((0, 0), (0, bounds), (0, bounds)))
    return gates.reshape(1, -1, gates.shape[2]).swapaxes(1, 2)


def _bias(bias: Array, bounds: int) -> Array:
    """[4H] → [1, 4H] likewise; in `bounds` units more, gates that keep the cell state as it is and show it."""
    gates = bias.reshape(len(GATES), -1)[GATES_OF_ONNX]
    kept = np.array([-HIGH, HIGH, HIGH, 0.0], np.float32)  # input, output, forget, candidate
    return np.concatenate([gates, np.tile(kept[:, None], bounds)], axis=1).reshape(1, -1)


def _bytes(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """[1, N, 4H] as whole numbers up to `LARGEST` either way, and the scale [1, 4H] of each column."""
    scale = np.maximum(np.abs(weight).max(axis=1) / LARGEST, np.finfo(np.float32).tiny)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale
