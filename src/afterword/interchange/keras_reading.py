"""A network from a file of Keras 3, read without Keras: an optional Embedding, LSTMs and a Dense, one above the other.

The file may come from anywhere. Only its layers' names and settings and their weights are read: nothing is executed,
no other file is opened, and no weight takes more memory than it takes in the file. It is read in a process of its own:
one changed byte can make the library for HDF5 crash.

    python -m afterword.interchange.keras_reading FILE OUT    writes the network to OUT, in safetensors
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from afterword.errors import ModelError, StorageError, check_installed
from afterword.model.arrays import Array, as_float32, check_fits
from afterword.model.folder.tensors import read_any_tensors
from afterword.model.network.config import Config, check_weights
from afterword.records import as_record, read_json
from afterword.storage import LARGEST_WEIGHTS, read_whole, write_bytes

LONGEST = 120  # seconds of reading one
NO_MEMORY, NO_ROOM = 3, 4  # exit statuses
# Settings on which the numbers depend, and the values with which they are an Afterword network's; the first is the
# default. Layers without variables change nothing.
SETTINGS: dict[str, dict[str, tuple[Any, ...]]] = {
    "Embedding": {"mask_zero": (False,)},
    "LSTM": {"activation": ("tanh",), "recurrent_activation": ("sigmoid",), "go_backwards": (False,)},
    "Dense": {"activation": ("linear", "softmax")},
    "Activation": {"activation": ("linear", "softmax")},
    "Dropout": {},
    "InputLayer": {},
}


@dataclass(frozen=True)
class KerasLayer:
    """A layer in the JSON of Keras."""

    class_name: str
    config: dict[str, Any]
    inbound_nodes: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.config.get("name"))


@dataclass(frozen=True)
class KerasLayers:
    """The `config` of a Sequential or a Functional."""

    layers: list[KerasLayer]


@dataclass(frozen=True)
class KerasModel:
    """The JSON of a whole model."""

    config: KerasLayers


def read_keras(path: Path) -> tuple[Config, dict[str, Array]]:
    """Return the network in a `.keras` or `.h5` file, whose rows are the outputs of its Dense: see `weight_shapes`.

    Raises ModelError for another network and for a damaged file, OptionError without the package h5py, StorageError if
    a copy of the weights does not fit on the disk.
    """
    check_installed("importing from Keras needs the package h5py: pip install 'afterword[keras]'", "h5py")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "network.safetensors")
        safely = ["-P", "-X", "utf8", "-m", __name__]  # -P: import nothing from the working folder
        command = [sys.executable, *safely, os.path.abspath(path), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=LONGEST)
        except subprocess.TimeoutExpired:
            raise ModelError(f"{path} took more than {LONGEST} s to read: it is damaged") from None
        if done.returncode == ModelError.exit_status:
            raise ModelError(f"cannot import {path}: {done.stderr.strip()}")
        if done.returncode == NO_MEMORY:
            raise MemoryError
        if done.returncode == NO_ROOM:
            raise StorageError(done.stderr.strip())
        if done.returncode:
            raise ModelError(f"{path} is damaged or not a model of Keras 3; take a fresh copy")
        weights, about = read_any_tensors(out)
    return read_json(Config, about["config"]), weights


def main(path: Path, out: Path) -> int:
    """Write the network in `path` to `out`, or an error to standard error, and return the exit status."""
    try:
        config, weights = network_in(path)
        write_bytes(out, safetensors.numpy.save(weights, {"config": json.dumps(dataclasses.asdict(config))}))
    except (ModelError, StorageError) as error:
        print(error, file=sys.stderr)
        return NO_ROOM if isinstance(error, StorageError) else error.exit_status
    except MemoryError:
        return NO_MEMORY
    return 0


def network_in(path: Path) -> tuple[Config, dict[str, Array]]:
    """Do what `read_keras` does, in this process."""
    import h5py

    try:
        check_fits(3 * os.path.getsize(path))
        content = read_whole(path, LARGEST_WEIGHTS)
        if content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                listed, content = _member(archive, "config.json"), _member(archive, "model.weights.h5")
            with h5py.File(io.BytesIO(content), "r") as file:
                return _network(_chain(listed), file, named=False)
        with h5py.File(io.BytesIO(content), "r") as file:
            names = str(list(file) + list(file.get("model_weights", ())))
            if "attention" in names:
                raise ModelError(
                    "it has attention over a window, as textgenrnn's weights do, which no LSTM can replace"
                )
            if not isinstance(listed := file.attrs.get("model_config"), str | bytes):
                raise ModelError("it has weights without their layers: save the whole model, with model.save in Keras")
            return _network(_chain(listed), file, named=True)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # h5py and zipfile raise many kinds
        why = f"{type(error).__name__}: {error}".splitlines()[0][:100]
        raise ModelError(f"it is damaged or not a model of Keras 3 ({why})") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a file of the archive, as Keras stores it: uncompressed, so that no member outgrows the archive."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ModelError(f"its {name} is compressed: save it again in Keras")
    return archive.read(name)


def _chain(listed: str | bytes) -> list[KerasLayer]:
    """Return the layers, each of which reads only the one before it. Raises ModelError."""
    layers = read_json(KerasModel, listed).config.layers
    for below, layer in pairwise(layers):
        read = re.findall(r'"keras_history": \["([^"]*)"', json.dumps(layer.inbound_nodes))
        if layer.inbound_nodes and read != [below.name]:
            raise ModelError(f"its layer {layer.name[:40]} must read only the layer before it")
    for layer in layers:
        for name, allowed in SETTINGS.get(layer.class_name, {}).items():
            if (value := layer.config.get(name, allowed[0])) not in allowed:
                says = " or ".join(map(str, allowed))
                raise ModelError(f"its layer {layer.name[:40]} has {name} {str(value)[:40]}; it must be {says}")
    return layers


def _network(layers: list[KerasLayer], file: Any, named: bool) -> tuple[Config, dict[str, Array]]:
    """Return the network of a chain of layers. `file` has their weights by name or by class. Raises ModelError."""
    layers = [layer for layer in layers if layer.class_name not in ("InputLayer", "Dropout", "Activation")]
    kinds = [layer.class_name for layer in layers]
    if not re.fullmatch("(Embedding )?(LSTM )+Dense", " ".join(kinds)):
        raise ModelError(
            f"its layers are {' '.join(kinds)[:80]}; only LSTMs with an optional Embedding and a Dense are imported"
        )
    found = [_variables(file, layer, named, kinds[:k].count(layer.class_name)) for k, layer in enumerate(layers)]
    output, bias = _with_bias(found.pop(), 1)  # [H, n], [n]
    n = output.shape[1]
    embedding = found.pop(0)[0] if kinds[0] == "Embedding" else _input(found[0][0].shape[0], n)
    weights = {"embedding.weight": embedding, "output.weight": output.T, "output.bias": bias}
    for k, layer in enumerate(found):
        kernel, recurrent, bias = _with_bias(layer, 2)
        weights |= {f"lstm.weight_ih_l{k}": kernel.T, f"lstm.weight_hh_l{k}": recurrent.T}
        weights |= {f"lstm.bias_ih_l{k}": bias, f"lstm.bias_hh_l{k}": np.zeros_like(bias)}
    sizes = {"embedding_size": embedding.shape[1], "hidden_size": output.shape[0], "num_layers": len(found)}
    config = as_record(Config, {"vocabulary_size": n, "byte_tokens": 1} | sizes)
    weights = {name: np.ascontiguousarray(weight) for name, weight in weights.items()}
    check_weights(config, weights)
    return config, weights


def _input(width: int, n: int) -> Array:
    """Return what an LSTM without an Embedding reads for each of n characters: a vector with one 1, or a number."""
    if width == n:
        check_fits(4 * n * n)
        return np.eye(n, dtype=np.float32)
    if width == 1:
        return (np.arange(n)[:, None] / n).astype(np.float32)
    raise ModelError(f"it reads {width} numbers per character; for {n} characters, it must read 1 or {n}")


def _with_bias(variables: list[Array], matrices: int) -> list[Array]:
    """Return the matrices of a layer and its bias, which is zero if it has none."""
    if len(variables) == matrices:
        variables = [*variables, np.zeros(variables[-1].shape[-1], np.float32)]
    if len(variables) != matrices + 1 or any(one.ndim != 2 for one in variables[:-1]):
        raise ModelError("the weights of a layer have an unexpected number or shape")
    return variables


def _variables(file: Any, layer: KerasLayer, named: bool, before: int) -> list[Array]:
    """Return a layer's weights. An `.h5` file has them under the layer's name; other files under its class, with the
    number of layers of that class `before` it."""
    if named:
        place = f"model_weights/{layer.name}"
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in file[place].attrs["weight_names"]]
    else:
        kind = layer.class_name.lower()
        place = f"layers/{kind}_{before}" if before else f"layers/{kind}"
        place += "/cell/vars" if kind == "lstm" else "/vars"
        names = [str(k) for k in range(len(file[place]))]
    return [_weight(file, f"{place}/{name}") for name in names]


def _weight(file: Any, place: str) -> Array:
    """Return a dataset that is stored in the file itself, as it is, so that reading it takes no more memory."""
    import h5py

    group = file
    for part in place.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ModelError(f"{place[:80]} is missing or a link")
        group = group[part]
    plain = isinstance(group, h5py.Dataset) and group.chunks is None and not group.is_virtual and not group.external
    if not (plain and group.dtype.kind == "f" and group.id.get_storage_size() == group.nbytes):
        raise ModelError(f"{place[:80]} is not a plain array of numbers")
    return as_float32(group[()])


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
