"""The exported graph against NumPy, in ONNX Runtime."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from afterword.errors import OptionError
from afterword.interchange.onnx_file import write_onnx
from afterword.model.folder.saved import SavedModel, load_model
from afterword.model.network.config import Config
from afterword.model.network.network import log_probabilities
from afterword.text.vocabularies import from_json
from tests.bases.small import base_of, classic_base, random_weights
from tests.tiny import save_tiny

SIZES: list[dict[str, Any]] = [
    {"num_layers": 1},
    {"num_layers": 2, "residual": False},
    {"num_layers": 3, "residual": True},
    {"input": "number", "embedding_size": 1},
]


def session(model: SavedModel, folder: Path) -> onnxruntime.InferenceSession:
    write_onnx(model, folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("sizes", SIZES)
def test_onnx_runtime_finds_the_probabilities_and_the_states_of_numpy(sizes: dict[str, Any], tmp_path: Path) -> None:
    model = base_of("\nabcdé", **sizes).model
    run, network = session(model, tmp_path), model.network()
    random = np.random.default_rng(1)
    for lanes in (1, 3):
        state = network.start(lanes)
        hidden, cell = np.zeros_like(state.hidden), np.zeros_like(state.cell)
        for steps in (1, 7):  # the second reading carries the state of the first
            ids = random.integers(0, model.config.vocabulary_size, (lanes, steps))
            logits, state = network.read(ids, state)
            found, hidden, cell = run.run(None, {"ids": ids, "hidden": hidden, "cell": cell})
            assert found.shape == (lanes, steps, model.config.vocabulary_size)
            np.testing.assert_allclose(found, log_probabilities(logits), rtol=0, atol=1e-5)
            np.testing.assert_allclose(hidden, state.hidden, rtol=0, atol=1e-5)
            np.testing.assert_allclose(cell, state.cell, rtol=0, atol=1e-5)


def test_batch_and_time_are_free_and_the_inputs_and_outputs_have_their_names(tmp_path: Path) -> None:
    model = base_of("\nabcdé").model
    run, L, H, R = session(model, tmp_path), 2, 6, model.config.vocabulary_size
    state = [L, "B", H]
    assert {one.name: one.shape for one in run.get_inputs()} == {"ids": ["B", "T"], "hidden": state, "cell": state}
    found = {one.name: one.shape for one in run.get_outputs()}
    assert found == {"log_probabilities": ["B", "T", R], "hidden_out": state, "cell_out": state}


def test_the_metadata_is_all_that_a_program_needs_to_write(tmp_path: Path) -> None:
    model = load_model(save_tiny(tmp_path / "tiny", mixed=True))
    (note,) = write_onnx(model, tmp_path / "model.onnx")
    assert "without the n-gram" in note
    found = {one.key: json.loads(one.value) for one in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert found["tokens"] == ["\n", "a", "b", "c", "d", "é", "<|end|>", "<0x00>"]
    assert found["boundary_id"] == 6
    assert found["unseen"] == [6, 7]
    assert Config(**found["config"]) == model.config
    assert found["about"] == model.about
    assert from_json(json.dumps(found["tokenizer"])) == model.tokenizer


def test_equal_models_make_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        assert write_onnx(base_of("\nabcdé").model, tmp_path / name) == []
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_classic_model_has_no_boundary_and_names_its_window(tmp_path: Path) -> None:
    model = classic_base().model
    run = session(model, tmp_path)
    ids = np.array([[0, 2, 1, 1, 0]])  # a window, which is read from an empty state
    empty = np.zeros((2, 1, 6), np.float32)
    found = run.run(["log_probabilities"], {"ids": ids, "hidden": empty, "cell": empty})[0]
    network = model.network()
    np.testing.assert_allclose(found[:, -1], log_probabilities(network.advance(ids, network.start())[0]), atol=1e-5)
    metadata = run.get_modelmeta().custom_metadata_map
    assert metadata["boundary_id"] == "null"
    assert json.loads(metadata["config"])["window"] == 5


def test_what_onnx_cannot_hold_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = base_of("\nab").model
    plain = dataclasses.replace(model.config, cell="rnn")
    with pytest.raises(OptionError, match="only LSTMs can be exported"):
        write_onnx(dataclasses.replace(model, config=plain, weights=random_weights(plain)), tmp_path / "x")
    with pytest.raises(OptionError, match="at most 2 GiB"):
        write_onnx(
            dataclasses.replace(model, config=dataclasses.replace(model.config, hidden_size=2**15)), tmp_path / "x"
        )
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[onnx\]'"):
        write_onnx(model, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
