"""The file of Keras: its layers, run by Keras' equations in NumPy, and, where Keras is installed, by Keras itself."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.interchange.keras_file import write_keras
from afterword.model.folder.saved import SavedModel, load_model
from afterword.model.network.cell import sigmoid
from afterword.model.network.network import log_probabilities
from tests.bases.small import base_of, classic_base, random_weights
from tests.tiny import save_tiny

h5py = pytest.importorskip("h5py", reason="the package h5py, which [keras] installs, is missing")

SIZES: list[dict[str, Any]] = [
    {"num_layers": 1},
    {"num_layers": 2, "residual": False},
    {"num_layers": 3, "residual": True},
    {"input": "number", "embedding_size": 1},
]
IDS = np.random.default_rng(1).integers(0, 8, (3, 7))


def expected(model: SavedModel) -> Any:
    network = model.network()
    return np.exp(log_probabilities(network.read(IDS, network.start(len(IDS)))[0]))


def run_layers(path: Path, ids: Any) -> Any:
    """Compute what the file's layers say for ids [B, T], as Keras documents them."""
    with zipfile.ZipFile(path) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            weights = {layer["name"]: variables(file, layer["name"]) for layer in layers}
    outputs: dict[str, Any] = {}
    for layer in layers:
        tensors = layer["inbound_nodes"][0]["args"] if layer["inbound_nodes"] else []
        read = [tensor["config"]["keras_history"][0] for tensor in np.ravel(tensors)]
        x, own = [outputs[name] for name in read], weights[layer["name"]]
        match layer["class_name"]:
            case "InputLayer":
                found = ids
            case "Embedding":
                found = own[0][x[0]]
            case "Add":
                found = x[0] + x[1]
            case "LSTM":
                kernel, recurrent, bias = own
                hidden = cell = np.zeros((len(ids), len(recurrent)), np.float32)
                steps = []
                for step in x[0].swapaxes(0, 1):
                    i, f, c, o = np.split(step @ kernel + hidden @ recurrent + bias, 4, axis=-1)
                    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
                    hidden = sigmoid(o) * np.tanh(cell)
                    steps.append(hidden)
                found = np.stack(steps, axis=1)
            case "Dense":
                found = np.exp(log_probabilities(x[0] @ own[0] + own[1]))
        outputs[layer["name"]] = found
    return outputs["dense"]


def variables(file: Any, layer: str) -> list[Any]:
    place = file.get(f"layers/{layer}/cell/vars") or file.get(f"layers/{layer}/vars") or {}
    return [place[name][()] for name in sorted(place)]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_layers_of_the_file_are_the_network(sizes: dict[str, Any], tmp_path: Path) -> None:
    model = base_of("\nabcdé", **sizes).model
    assert write_keras(model, tmp_path / "model.keras") == []
    np.testing.assert_allclose(run_layers(tmp_path / "model.keras", IDS), expected(model), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Keras' own
@pytest.mark.parametrize("sizes", SIZES)
def test_keras_computes_the_same(sizes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is not installed: make test-keras")
    model = base_of("\nabcdé", **sizes).model
    write_keras(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(IDS, verbose=0), expected(model), rtol=0, atol=1e-5)
    write_keras(model, tmp_path / "stateful.keras", stateful=True)
    loaded = keras.models.load_model(tmp_path / "stateful.keras")
    for t in range(IDS.shape[1]):  # one call for each step continues the text
        found = keras.ops.convert_to_numpy(loaded(IDS[:1, t : t + 1]))
        np.testing.assert_allclose(found, expected(model)[:1, t : t + 1], rtol=0, atol=1e-5)


def test_the_metadata_has_the_vocabulary_and_the_note_names_the_n_gram(tmp_path: Path) -> None:
    model = load_model(save_tiny(tmp_path / "tiny", mixed=True))
    (note,) = write_keras(model, tmp_path / "model.keras")
    assert "without the n-gram" in note
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        found = json.loads(archive.read("metadata.json"))["afterword"]
    assert found["tokens"] == ["\n", "a", "b", "c", "d", "é", "<|end|>", "<0x00>"]
    assert found["boundary_id"] == 6


def test_equal_models_make_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        write_keras(classic_base().model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_cannot_be_written_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = base_of("\nab").model
    plain = dataclasses.replace(model.config, cell="rnn")
    with pytest.raises(OptionError, match="only LSTMs can be exported"):
        write_keras(dataclasses.replace(model, config=plain, weights=random_weights(plain)), tmp_path / "x")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[keras\]'"):
        write_keras(model, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
