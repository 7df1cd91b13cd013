"""The LSTM as a graph of ONNX: in float32 for other programs, and with one-byte weights for the engine "fast".

Both are built from the weights, not by tracing, so batch and time stay free.

In the graph of the engine, each column of a weight matrix is scaled by its own largest magnitude and rounded to one of
64 steps in either direction. ONNX Runtime quantizes the activations to a byte as it runs. States, sums, embedding and
softmax stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array, Weights, in_bytes
from afterword.model.network.cell import GATES, layer_weights
from afterword.model.network.config import Config, embedding_of

if TYPE_CHECKING:
    import onnx

GATES_OF_ONNX = [GATES.index(gate) for gate in ("input", "output", "forget", "candidate")]
OPSET, MICROSOFT, IR = 17, 1, 8  # old enough that any ONNX Runtime from 1.16 on reads it
# At most 64 of a byte's 127 steps: processors without VNNI add two products with bytes of up to 255 in 16 bits, and cut
# off what does not fit. That would cost more than rounding does, and make a text depend on the processor. 63.5 is half
# of 127: a file's bytes are halved, and half steps are rounded to even. 64 would round them all away from zero.
LARGEST_STEP = 63.5
# ONNX Runtime scales a product's other factors by the least and the largest number among all lanes. Two extra units in
# each layer are always -1 and 1, which no other unit exceeds, and two extra columns of the embedding are its least and
# largest number. So the scale is always the same, and no lane changes another's digits.
BOUNDS, HIGH = 2, np.float32(40)


def float_graph(config: Config, weights: Weights) -> onnx.ModelProto:
    """Return a graph for programs: ids [B, T], hidden and cell [L, B, H] → log_probabilities [B, T, R] of the next id,
    and hidden_out and cell_out [L, B, H].

    Ids are rows of the network. Probabilities are in nats.
    """
    R = config.vocabulary_size
    graph = _Graph(config)
    graph.node("Transpose", ["ids"], ["rows"], perm=[1, 0])
    graph.node("Gather", [graph.constant("embedding", embedding_of(config, weights)), "rows"], ["x0"])

    def add_layer(k: int, inputs: list[str], outputs: list[str]) -> None:
        layer = layer_weights(weights, k, config.cell)
        w, u = (
            graph.constant(f"{name}{k}", _by_gate(weight)[None])
            for name, weight in (("w", layer.weight_ih), ("u", layer.weight_hh))
        )
        b = graph.constant(f"bias{k}", np.concatenate([_by_gate(layer.bias_ih), _by_gate(layer.bias_hh)])[None])
        x, *states = inputs
        graph.node("LSTM", [x, w, u, b, "", *states], outputs, hidden_size=config.hidden_size)

    graph.add_layers(add_layer)
    graph.add_logits(weights["output.weight"].T, weights["output.bias"])  # [T, B, R]
    graph.node("Transpose", ["logits"], ["logits_by_lane"], perm=[1, 0, 2])
    graph.node("LogSoftmax", ["logits_by_lane"], ["log_probabilities"], axis=-1)
    return graph.model(("ids", "B", "T"), ("log_probabilities", "B", "T", R), config.hidden_size)


def one_byte_graph(config: Config, weights: Weights) -> onnx.ModelProto:
    """Return the graph of the engine: rows [T, B], hidden and cell [L, B, H + BOUNDS] → logits [T, B, R], hidden_out
    and cell_out."""
    H, R = config.hidden_size + BOUNDS, config.vocabulary_size
    graph = _Graph(config)
    embedding = embedding_of(config, weights)
    ends = np.broadcast_to(np.array([embedding.min(), embedding.max()]), (R, BOUNDS))
    embedding = np.concatenate([embedding, ends], axis=1)
    graph.node("Gather", [graph.constant("embedding", embedding), "rows"], ["x0"])  # [T, B, E]

    def add_layer(k: int, inputs: list[str], outputs: list[str]) -> None:
        layer = layer_weights(weights, k, config.cell)
        (w, w_scale), (u, u_scale) = (
            in_bytes(_widened(each), 1, LARGEST_STEP) for each in (layer.weight_ih, layer.weight_hh)
        )
        bias = np.concatenate([_widened_bias(layer.bias_ih), _widened_bias(layer.bias_hh)], axis=1)  # [1, 8H]
        b, zero = graph.constant(f"bias{k}", bias), graph.constant(f"zero{k}", np.zeros(w_scale.shape, np.int8))
        scales = [graph.constant(f"w_scale{k}", w_scale), zero, graph.constant(f"u_scale{k}", u_scale), zero]
        x, *states = inputs
        inputs = [x, graph.constant(f"w{k}", w), graph.constant(f"u{k}", u), b, "", *states, "", *scales]
        graph.node("DynamicQuantizeLSTM", inputs, outputs, domain="com.microsoft", hidden_size=H)

    graph.add_layers(add_layer)
    graph.add_logits(np.pad(weights["output.weight"].T, ((0, BOUNDS), (0, 0))), weights["output.bias"])
    return graph.model(("rows", "T", "B"), ("logits", "T", "B", R), H)


class _Graph:
    """A graph under construction: its nodes and its constants."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    def add_layers(self, add: Callable[[int, list[str], list[str]], None]) -> None:
        """Add all layers: x0 [T, B, E], hidden and cell → xL [T, B, H], hidden_out and cell_out.

        `add` adds layer k alone: [x, hidden, cell] → [outputs, hidden, cell].
        """
        L = self._config.num_layers
        before = {part: [part] if L == 1 else [f"{part}{k}" for k in range(L)] for part in ("hidden", "cell")}
        after = {part: [f"{name}_out" for name in names] for part, names in before.items()}
        if L > 1:
            for part, names in before.items():
                self.node("Split", [part], names, axis=0)
        axis = self.constant("axis", np.array([1]))
        for k in range(L):
            states, states_after = ([part[k] for part in parts.values()] for parts in (before, after))
            add(k, [f"x{k}", *states], [f"all{k}", *states_after])
            added = k > 0 and self._config.residual
            self.node("Squeeze", [f"all{k}", axis], [f"y{k}" if added else f"x{k + 1}"])  # from [T, 1, B, H]
            if added:
                self.node("Add", [f"x{k}", f"y{k}"], [f"x{k + 1}"])
        if L > 1:
            for part, names in after.items():
                self.node("Concat", names, [f"{part}_out"], axis=0)

    def add_logits(self, weight: Array, bias: Array) -> None:
        """Add the last product: xL → logits [T, B, R], by a weight [H, R] and a bias [R]."""
        self.node("MatMul", [f"x{self._config.num_layers}", self.constant("output", weight)], ["product"])
        self.node("Add", ["product", self.constant("output_bias", bias)], ["logits"])

    def model(self, read: Sequence[str | int], found: Sequence[str | int], H: int) -> onnx.ModelProto:
        """Return the whole graph. `read` and `found` are the name and the shape of its first input and first output."""
        from onnx import TensorProto, helper

        def value(type: int, name: str | int, *shape: str | int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(str(name), type, shape)

        number, state = TensorProto.FLOAT, (self._config.num_layers, "B", H)
        inputs = [value(TensorProto.INT64, *read), value(number, "hidden", *state), value(number, "cell", *state)]
        outputs = [value(number, *found), value(number, "hidden_out", *state), value(number, "cell_out", *state)]
        whole = helper.make_graph(self._nodes, "afterword", inputs, outputs, self._constants)
        domains = {node.domain for node in self._nodes}
        opsets = [helper.make_opsetid(domain, MICROSOFT if domain else OPSET) for domain in sorted(domains)]
        return helper.make_model(whole, opset_imports=opsets, ir_version=IR)


def _by_gate(weight: Array) -> Array:
    """Turn [4H, …] in PyTorch's order of the gates into ONNX's order."""
    return weight.reshape(len(GATES), -1, *weight.shape[1:])[GATES_OF_ONNX].reshape(weight.shape)


def _widened(weight: Array) -> Array:
    """Turn [4H, N] in PyTorch's order of the gates into [1, N, 4H] in ONNX's; the 1 is its number of directions.

    The extra inputs and units have weights of zero.
    """
    gates = _by_gate(weight).reshape(len(GATES), -1, weight.shape[1])
    gates = np.pad(gates, ((0, 0), (0, BOUNDS), (0, BOUNDS)))
    return gates.reshape(1, -1, gates.shape[2]).swapaxes(1, 2)


def _widened_bias(bias: Array) -> Array:
    """Turn [4H] into [1, 4H] in the same way; the gates of the extra units keep and show their cell state."""
    gates = _by_gate(bias).reshape(len(GATES), -1)
    kept = np.array([-HIGH, HIGH, HIGH, 0.0], np.float32)  # input, output, forget, candidate
    return np.concatenate([gates, np.tile(kept[:, None], BOUNDS)], axis=1).reshape(1, -1)
