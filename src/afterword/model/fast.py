"""The network as one graph for ONNX Runtime, each weight of its LSTM in one byte: the engine "fast".

The graph is made in memory when the model is loaded, from the weights that NumPy uses, and one run of it reads all that
is asked for. Each column of a weight matrix is scaled by its own largest number and rounded to one of 64 steps either
way; what the products are taken of, ONNX Runtime rounds to a byte as it goes, by one scale for all lanes that it reads.
States, sums, embedding and softmax stay float32, so that a state from one engine serves the other.

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
LANES = 128  # that are scaled together: a larger batch is cut into parts of so many, which take a thread each


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
        self._session = session(graph(config, weights))
        self._rows = config.vocabulary_size
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self.seconds = time.perf_counter() - began

    def run(self, rows: Ids, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
        """Read rows [T, B] from hidden and cell [L, B, H]: the logits [T, B, R], and hidden and cell after the last."""
        if not rows.size:
            return np.empty((*rows.shape, self._rows), np.float32), hidden, cell
        rows = rows.astype(np.int64, order="C", copy=False)
        if rows.shape[1] <= LANES:
            logits, hidden, cell = self._session.run(None, {"rows": rows, "hidden": hidden, "cell": cell})
            return logits, hidden, cell
        cuts = [slice(first, first + LANES) for first in range(0, rows.shape[1], LANES)]
        fed = [{"rows": rows[:, cut], "hidden": hidden[:, cut], "cell": cell[:, cut]} for cut in cuts]
        found = self._threads.map(lambda part: self._session.run(None, part), fed)
        logits, hidden, cell = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return logits, hidden, cell


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """`model`, ready to run on the thread that asks: to wake a second one costs a single stream more than it brings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def graph(config: Config, weights: Mapping[str, Array], one_byte: bool = True) -> onnx.ModelProto:
    """rows [T, B], hidden [L, B, H] and cell [L, B, H] → logits [T, B, R], hidden_after and cell_after.

    Without `one_byte` the weights stay float32, to compare with.
    """
    from onnx import TensorProto, helper, numpy_helper

    L, H, R = config.num_layers, config.hidden_size, config.vocabulary_size
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    numbers = (np.arange(R)[:, None] / R).astype(np.float32)
    embedding = weights["embedding.weight"] if config.input == "embedding" else numbers
    node("Gather", [constant("embedding", embedding), "rows"], ["x0"])  # [T, B, E]
    parts = {part: [part] if L == 1 else [f"{part}{k}" for k in range(L)] for part in ("hidden", "cell")}
    after = {part: [f"{name}_after" for name in names] for part, names in parts.items()}
    if L > 1:
        for part, names in parts.items():
            node("Split", [part], names, axis=0)
    axis = constant("axis", np.array([1]))
    for k in range(L):
        layer = layer_weights(weights, k)
        W, U = _by_gate(layer.weight_ih), _by_gate(layer.weight_hh)  # ONNX's names are W and R
        bias = np.concatenate([_by_gate(part[:, None]) for part in (layer.bias_ih, layer.bias_hh)], axis=2)[
            0
        ]  # [1, 8H]
        states = [parts["hidden"][k], parts["cell"][k]]
        outputs = [f"all{k}", after["hidden"][k], after["cell"][k]]
        b = constant(f"bias{k}", bias)
        if one_byte:
            (w, w_scale), (u, u_scale) = _bytes(W), _bytes(U)
            zero = constant(f"zero{k}", np.zeros((1, 4 * H), np.int8))
            node(
                "DynamicQuantizeLSTM",
                [
                    *(f"x{k}", constant(f"w{k}", w), constant(f"u{k}", u), b, "", *states, ""),
                    *(constant(f"w_scale{k}", w_scale), zero, constant(f"u_scale{k}", u_scale), zero),
                ],
                outputs,
                domain="com.microsoft",
                hidden_size=H,
            )
        else:
            weights_of_onnx = [constant(f"w{k}", W.swapaxes(1, 2)), constant(f"u{k}", U.swapaxes(1, 2))]
            node("LSTM", [f"x{k}", *weights_of_onnx, b, "", *states], outputs, hidden_size=H)
        added = k > 0 and config.residual
        node("Squeeze", [f"all{k}", axis], [f"y{k}" if added else f"x{k + 1}"])  # one direction: [T, 1, B, H]
        if added:
            node("Add", [f"x{k}", f"y{k}"], [f"x{k + 1}"])
    if L > 1:
        for part, names in after.items():
            node("Concat", names, [f"{part}_after"], axis=0)
    node("MatMul", [f"x{L}", constant("output", weights["output.weight"].T)], ["product"])
    node("Add", ["product", constant("output_bias", weights["output.bias"])], ["logits"])

    def value(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    whole = helper.make_graph(
        nodes,
        "afterword",
        [value("rows", TensorProto.INT64, "T", "B")]
        + [value(part, TensorProto.FLOAT, L, "B", H) for part in ("hidden", "cell")],
        [value("logits", TensorProto.FLOAT, "T", "B", R)]
        + [value(f"{part}_after", TensorProto.FLOAT, L, "B", H) for part in ("hidden", "cell")],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", MICROSOFT)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=IR)


def _by_gate(weight: Array) -> Array:
    """[4H, N] in PyTorch's order of the gates → [1, N, 4H] in ONNX's: the 1 is its number of directions."""
    gates = weight.reshape(len(GATES), -1, weight.shape[1])[GATES_OF_ONNX]
    return gates.reshape(1, -1, weight.shape[1]).swapaxes(1, 2)


def _bytes(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """[1, N, 4H] as whole numbers up to `LARGEST` either way, and the scale [1, 4H] of each column."""
    scale = np.maximum(np.abs(weight).max(axis=1) / LARGEST, np.finfo(np.float32).tiny)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale
