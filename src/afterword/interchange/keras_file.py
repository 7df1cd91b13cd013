"""A model as a file of Keras 3, written without Keras: a zip of its layers in JSON and its weights in HDF5.

Keras orders the gates as PyTorch does, but stores matrices transposed and one bias per layer, the sum of PyTorch's two.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from afterword.errors import check_installed
from afterword.interchange.facts import facts, notes
from afterword.model.arrays import Array
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cell import layer_weights
from afterword.model.network.config import Config, embedding_of
from afterword.storage import output


def write_keras(model: SavedModel, path: Path) -> list[str]:
    """Write a model of Keras: ids [B, T] → probabilities [B, T, R] of the next id. `facts` are in its metadata.json.

    Each call starts from zeros. Raises OptionError for another cell, or without the package h5py.
    """
    known = notes(model, "a file of Keras")
    check_installed("exporting to Keras needs the package h5py: pip install 'afterword[keras]'", "h5py")
    import h5py

    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for name, weight in _variables(model).items():
            file[name] = weight
    parts: dict[str, str | bytes] = {
        "metadata.json": json.dumps({"keras_version": "3.6.0", "afterword": facts(model)}, ensure_ascii=False),
        "config.json": json.dumps(_functional(model.config)),
        "model.weights.h5": weights.getvalue(),
    }
    with output(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # which has no time, unlike a mere name
    return known


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
