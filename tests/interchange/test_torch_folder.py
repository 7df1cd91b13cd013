"""The folder for PyTorch: its script is run without Afterword, and its network is NumPy's."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from afterword.errors import OptionError, StorageError
from afterword.interchange.torch_folder import write_torch
from afterword.model.folder.saved import load_model
from tests.bases.small import SUBWORDS, base_of, classic_base, random_weights
from tests.processes import finished
from tests.tiny import save_tiny

SIZES: list[dict[str, Any]] = [
    {"num_layers": 1},
    {"num_layers": 2, "residual": False},
    {"num_layers": 3, "residual": True},
]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_scripts_network_is_numpys(sizes: dict[str, Any], tmp_path: Path) -> None:
    model = base_of("\nabcdé", **sizes).model
    assert write_torch(model, tmp_path / "book") == []
    script = runpy.run_path(str(tmp_path / "book" / "write.py"))
    ids = np.random.default_rng(1).integers(0, model.config.vocabulary_size, (3, 7))
    network, state = model.network(), None
    expected, _ = network.read(ids, network.start(3))
    for part in (slice(0, 1), slice(1, 7)):
        with torch.inference_mode():
            found, state = script["model"](torch.from_numpy(ids[:, part]), state)
        np.testing.assert_allclose(found.numpy(), expected[:, part], rtol=0, atol=1e-5)


@pytest.mark.parametrize("tokenizer", ["\nabcdé", SUBWORDS])
def test_the_script_writes_where_there_is_no_afterword(tokenizer: Any, tmp_path: Path) -> None:
    write_torch(base_of(tokenizer).model, tmp_path / "book")
    code = "import runpy, sys; sys.modules['afterword'] = None; sys.argv[1:] = ['abé\u4e00']; "  # importing it fails
    code += f"runpy.run_path({str(tmp_path / 'book' / 'write.py')!r}, run_name='__main__')"
    done = finished([sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr.decode()
    written = done.stdout.decode()
    assert written.startswith("abé\u4e00")
    assert len(written) > 10


def test_the_folder_has_a_state_dict_and_the_facts(tmp_path: Path) -> None:
    model = load_model(save_tiny(tmp_path / "tiny", mixed=True))
    (note,) = write_torch(model, tmp_path / "book")
    assert "without the n-gram" in note
    assert sorted(os.listdir(tmp_path / "book")) == ["config.json", "model.safetensors", "tokenizer.json", "write.py"]
    with safe_open(tmp_path / "book" / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert set(file.keys()) == set(model.weights)
    found = json.loads((tmp_path / "book" / "config.json").read_text())
    assert (found["boundary_id"], found["unseen"], found["prompt"]) == (6, [6, 7], "\n")


def test_the_script_fits_on_a_screen(tmp_path: Path) -> None:
    write_torch(base_of("\nab").model, tmp_path / "book")
    lines = (tmp_path / "book" / "write.py").read_text().splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 120


def test_what_cannot_be_written_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = base_of("\nab").model
    plain = dataclasses.replace(model.config, cell="rnn")
    with pytest.raises(OptionError, match="only LSTMs can be exported"):
        write_torch(dataclasses.replace(model, config=plain, weights=random_weights(plain)), tmp_path / "x")
    with pytest.raises(OptionError, match="a classic model reads windows"):
        write_torch(classic_base().model, tmp_path / "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OptionError, match="exists already: name a new folder"):
        write_torch(model, tmp_path / "full")

    def fails(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("afterword.interchange.torch_folder.write_json", fails)
    with pytest.raises(StorageError, match="No space left"):
        write_torch(model, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
