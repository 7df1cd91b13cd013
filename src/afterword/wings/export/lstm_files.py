"""A model's LSTM as a file for ONNX Runtime or Keras 3, with everything that a program needs to write with it.

The file for Keras is written without Keras: a zip of its layers in JSON and its weights in HDF5. Keras orders the gates
as PyTorch does, but stores matrices transposed and one bias per layer, the sum of PyTorch's two.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from afterword.errors import OptionError
from afterword.model.arrays import Array
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cell import layer_weights
from afterword.model.network.config import Config, embedding_of
from afterword.model.network.graphs import float_graph
from afterword.storage import output

LARGEST_FILE = 2**31 - 2**24  # bytes of weights: a file of ONNX has fewer than 2 GiB
SAYS = "An LSTM that predicts a text token by token. It was trained by Afterword; an n-gram is not included."


def facts_of(model: SavedModel) -> dict[str, Any]:
    """Return what a program needs to write with the LSTM, as JSON values: its text, its sizes and its origin.

    `tokens` are the texts of the rows, or the names of those without: <|end|> for the boundary, <0xE2> for a byte of
    a character. A classic model has no `boundary_id`.
    """
    tokenizer = model.tokenizer
    return {
        "boundary_id": tokenizer.end,
        "tokens": [text or name for text, name in zip(tokenizer.texts, tokenizer.tokens(), strict=False)],
        "unseen": model.unseen,
        "tokenizer": tokenizer.standard(),
        "config": dataclasses.asdict(model.config),
        "about": model.about,
    }


def write_onnx(model: SavedModel, path: Path, _: object = None) -> None:
    """Write the graph that `float_graph` describes, checked by ONNX's own checker. Its metadata is `facts` in JSON.

    Raises OptionError for a model that is too large.
    """
    if 4 * model.config.parameters > LARGEST_FILE:
        raise OptionError("this model is too large for ONNX, whose files have at most 2 GiB")
    from onnx import checker, helper

    graph = float_graph(model.config, model.weights)
    graph.producer_name, graph.doc_string = "afterword", SAYS
    facts = {name: json.dumps(fact, ensure_ascii=False) for name, fact in facts_of(model).items()}
    helper.set_model_props(graph, facts)
    checker.check_model(graph, full_check=True)
    with output(path) as file:
        file.write(graph.SerializeToString(deterministic=True))


def write_keras(model: SavedModel, path: Path, _: object = None) -> None:
    """Write a model of Keras: ids [B, T] → probabilities [B, T, R] of the next id. `facts` are in its metadata.json.

    Each call starts from zeros.
    """
    import h5py

    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for name, weight in _variables(model).items():
            file[name] = weight
    parts: dict[str, str | bytes] = {
        "metadata.json": json.dumps({"keras_version": "3.6.0", "afterword": facts_of(model)}, ensure_ascii=False),
        "config.json": json.dumps(_functional(model.config)),
        "model.weights.h5": weights.getvalue(),
    }
    with output(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # which has no time, unlike a mere name


def _lstms(config: Config) -> list[str]:
    return ["lstm" if k == 0 else f"lstm_{k}" for k in range(config.num_layers)]


def _variables(model: SavedModel) -> dict[str, Array]:
    """Return the weights by their places in the file."""
    weights = model.weights
    found = {"layers/embedding/vars/0": embedding_of(model.config, weights)}
    for k, name in enumerate(_lstms(model.config)):
        layer = layer_weights(weights, k, model.config.cell)
        parts = (layer.weight_ih.T, layer.weight_hh.T, layer.bias_ih + layer.bias_hh)
        found |= {f"layers/{name}/cell/vars/{n}": part for n, part in enumerate(parts)}
    return found | {"layers/dense/vars/0": weights["output.weight"].T, "layers/dense/vars/1": weights["output.bias"]}


def _functional(config: Config) -> dict[str, Any]:
    """Return the network as Keras lists it: each layer with its settings and the layers that it reads."""
    E, H, R = config.embedding_size, config.hidden_size, config.vocabulary_size
    layers: list[dict[str, Any]] = []

    def add(kind: str, name: str, settings: dict[str, Any], *read: str) -> str:
        # Keras replaces tensors with the outputs of these layers, which give the shapes
        outputs = [{"shape": [], "dtype": "float32", "keras_history": [one, 0, 0]} for one in read]
        tensors = [{"class_name": "__keras_tensor__", "config": one} for one in outputs]
        arguments = [tensors] if len(tensors) > 1 else tensors
        nodes: list[dict[str, Any]] = [{"args": arguments, "kwargs": {}}] if read else []
        shared = {"module": "keras.layers", "class_name": kind, "registered_name": None}
        layers.append(shared | {"name": name, "config": {"name": name} | settings, "inbound_nodes": nodes})
        return name

    below = add("InputLayer", "ids", {"batch_shape": [None, None], "dtype": "int32"})
    below = add("Embedding", "embedding", {"input_dim": R, "output_dim": E}, below)
    settings = {"units": H, "return_sequences": True, "stateful": False}
    for k, name in enumerate(_lstms(config)):
        output = add("LSTM", name, settings, below)
        below = add("Add", f"add_{k}", {}, below, output) if k > 0 and config.residual else output
    add("Dense", "dense", {"units": R, "activation": "softmax"}, below)
    ends = {"input_layers": ["ids", 0, 0], "output_layers": ["dense", 0, 0]}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": {"name": "afterword", "trainable": True, "layers": layers} | ends,
    }
