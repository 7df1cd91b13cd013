"""The engine "fast": the network as one graph for ONNX Runtime, with each weight of its LSTM in one byte.

The graph is built in memory when the model is loaded, from the weights that NumPy uses. One run of it reads any number
of tokens. Each column of a weight matrix is scaled by its own largest magnitude and rounded to one of 64 steps in
either direction. ONNX Runtime quantizes the activations to a byte as it runs. States, sums, embedding and softmax stay
float32.

`network` is the definition: a test checks that both compute nearly the same numbers. Only this module imports ONNX
Runtime, and only when this engine is chosen.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.model.arrays import Array, Ids, Weights, in_bytes
from afterword.model.network.cell import GATES, layer_weights
from afterword.model.network.config import Config, embedding_of

if TYPE_CHECKING:
    import onnx
    import onnxruntime

ENGINES = ("numpy", "fast")

GATES_OF_ONNX = [GATES.index(gate) for gate in ("input", "output", "forget", "candidate")]
OPSET, MICROSOFT, IR = 17, 1, 8  # old enough that any ONNX Runtime from 1.16 on reads it
# At most 64 of a byte's 127 steps: processors without VNNI add two products with bytes of up to 255 in 16 bits, and cut
# off what does not fit. That would cost more than rounding does, and make a text depend on the processor. 63.5 is half
# of 127: a file's bytes are halved, and half steps are rounded to even. 64 would round them all away from zero.
LARGEST = 63.5
# ONNX Runtime scales a product's other factors by the least and the largest number among all lanes. Two extra units in
# each layer are always -1 and 1, which no other unit exceeds, and two extra columns of the embedding are its least and
# largest number. So the scale is always the same, and no lane changes another's digits.
BOUNDS, HIGH = 2, np.float32(40)
OUTPUTS = ["logits", "hidden_after", "cell_after"]
# A second thread costs a single stream of a small network more than it saves. So one thread runs a small network, and
# a larger batch is cut into parts of LANES, one thread each. A network of more bytes than CACHE, which do not fit into
# the cache of one core, runs faster on as many threads as there are cores.
LANES, CACHE = 128, 2 * 2**20


class FastEngine:
    """An engine that runs an LSTM of any number of layers. Many threads may share it.

    Raises OptionError for a plain recurrent network, or if ONNX Runtime is not installed.
    """

    def __init__(self, config: Config, weights: Weights) -> None:
        if config.cell != "lstm":
            raise OptionError("engine fast runs only LSTMs, and this model was trained with --cell rnn: use numpy")
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
        """Return the hidden and cell state of a fresh start, [L, B, H + BOUNDS]."""
        shape = (self._config.num_layers, lanes, self._config.hidden_size)
        low, high = np.full((*shape[:2], 1), -1, np.float32), np.full((*shape[:2], 1), 1, np.float32)
        hidden = np.concatenate([np.zeros(shape, np.float32), low, high], axis=2)
        return hidden, HIGH * hidden

    def run(self, rows: Ids, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
        """Read rows [T, B] from hidden and cell [L, B, H + BOUNDS]. Return logits [T, B, R], and both after them."""
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
    """Return `model` ready to run on `threads`, including the calling one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def graph(config: Config, weights: Weights) -> onnx.ModelProto:
    """Return a graph: rows [T, B], hidden and cell [L, B, H + BOUNDS] → logits [T, B, R], and both states after it."""
    from onnx import TensorProto, helper, numpy_helper

    L, H, R = config.num_layers, config.hidden_size, config.vocabulary_size
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    embedding = embedding_of(config, weights)
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
        (w, w_scale), (u, u_scale) = (
            in_bytes(_by_gate(each), 1, LARGEST) for each in (layer.weight_ih, layer.weight_hh)
        )
        b = constant(f"bias{k}", np.concatenate([_bias(layer.bias_ih), _bias(layer.bias_hh)], axis=1))  # [1, 8H]
        states, outputs = [before["hidden"][k], before["cell"][k]], [f"all{k}", after["hidden"][k], after["cell"][k]]
        zero = constant(f"zero{k}", np.zeros(w_scale.shape, np.int8))
        scales = [constant(f"w_scale{k}", w_scale), zero, constant(f"u_scale{k}", u_scale), zero]
        inputs = [f"x{k}", constant(f"w{k}", w), constant(f"u{k}", u), b, "", *states, "", *scales]
        node("DynamicQuantizeLSTM", inputs, outputs, domain="com.microsoft", hidden_size=H + BOUNDS)
        added = k > 0 and config.residual
        node("Squeeze", [f"all{k}", axis], [f"y{k}" if added else f"x{k + 1}"])  # one direction: [T, 1, B, H]
        if added:
            node("Add", [f"x{k}", f"y{k}"], [f"x{k + 1}"])
    if L > 1:
        for part, names in after.items():
            node("Concat", names, [f"{part}_after"], axis=0)
    output = np.pad(weights["output.weight"].T, ((0, BOUNDS), (0, 0)))
    node("MatMul", [f"x{L}", constant("output", output)], ["product"])
    node("Add", ["product", constant("output_bias", weights["output.bias"])], ["logits"])

    value_of, state = helper.make_tensor_value_info, (L, "B", H + BOUNDS)
    read = [value_of("rows", TensorProto.INT64, ("T", "B")), *(value_of(p, TensorProto.FLOAT, state) for p in before)]
    found = [value_of("logits", TensorProto.FLOAT, ("T", "B", R))]
    found += [value_of(f"{part}_after", TensorProto.FLOAT, state) for part in after]
    whole = helper.make_graph(nodes, "afterword", read, found, constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", MICROSOFT)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=IR)


def _by_gate(weight: Array) -> Array:
    """Turn [4H, N] in PyTorch's order of the gates into [1, N, 4H] in ONNX's; the 1 is its number of directions.

    The extra inputs and units have weights of zero.
    """
    gates = weight.reshape(len(GATES), -1, weight.shape[1])[GATES_OF_ONNX]
    gates = np.pad(gates, ((0, 0), (0, BOUNDS), (0, BOUNDS)))
    return gates.reshape(1, -1, gates.shape[2]).swapaxes(1, 2)


def _bias(bias: Array) -> Array:
    """Turn [4H] into [1, 4H] in the same way; the gates of the extra units keep and show their cell state."""
    gates = bias.reshape(len(GATES), -1)[GATES_OF_ONNX]
    kept = np.array([-HIGH, HIGH, HIGH, 0.0], np.float32)  # input, output, forget, candidate
    return np.concatenate([gates, np.tile(kept[:, None], BOUNDS)], axis=1).reshape(1, -1)
