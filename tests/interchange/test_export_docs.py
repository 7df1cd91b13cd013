"""docs/export.md: its programs write with the files that they are about."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.bases.installed import FOLDERS
from afterword.interchange.keras_file import write_keras
from afterword.interchange.onnx_file import write_onnx
from afterword.language_model import load
from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.network import log_probabilities
from tests.bases.small import SYMBOLS, base_of

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
MODULES = Path(__file__).parents[1] / "npm" / "node_modules"
PROMPT = "Once upon a time"
CHARACTERS = "\nOnceupatimé "


def program(language: str, about: str) -> str:
    """Return the page's only program in a language that mentions `about`."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (found,) = (block for block in blocks if about in block)
    return str(found)


def printed(code: str) -> str:
    """Return what Python prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "docs/export.md", "exec"), {})
    return out.getvalue()


def node(folder: Path, script: str) -> str:
    """Return what node prints, which finds ONNX Runtime."""
    if not (MODULES / "onnxruntime-web").exists() or not shutil.which("node"):
        pytest.skip("onnxruntime-web is missing: make npm")
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "main.mjs").write_text(script, encoding="utf-8")
    done = subprocess.run(["node", "main.mjs"], cwd=folder, capture_output=True, encoding="utf-8", timeout=100)
    assert not done.returncode, done.stderr
    return done.stdout


def symbols_and_characters() -> list[SavedModel]:
    return [base_of(CHARACTERS).model, base_of(SYMBOLS).model]


@pytest.mark.parametrize("model", symbols_and_characters())
def test_the_program_for_onnx_runtime_writes(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_onnx(model, tmp_path / "book.onnx")
    check(printed(program("python", "onnxruntime")), model)


@pytest.mark.parametrize("sizes", [{"num_layers": 1}, {"num_layers": 3, "residual": True}, {"cell": "rnn"}])
def test_the_program_for_pytorch_scores_as_the_model_does_and_writes(
    sizes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "book", base_of(f"{CHARACTERS}o", **sizes).model, "")
    bits, _, text = printed(program("python", "model.module")).partition("\n")
    assert float(bits) == pytest.approx(load("book", "lstm").score(PROMPT).bits_per_character, rel=1e-5)
    assert text.startswith(PROMPT)
    assert len(text) >= len(PROMPT) + 50


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Keras' own
@pytest.mark.parametrize("model", symbols_and_characters())
def test_the_program_for_keras_writes(model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="Keras is not installed: make test-keras")
    monkeypatch.chdir(tmp_path)
    write_keras(model, tmp_path / "book.keras")
    check(printed(program("python", "keras.models")), model)


@pytest.mark.slow
@pytest.mark.parametrize("model", symbols_and_characters())
def test_the_program_for_javascript_writes(model: SavedModel, tmp_path: Path) -> None:
    write_onnx(model, tmp_path / "book.onnx")
    check(node(tmp_path, program("js", "onnxruntime-web")), model)


def check(text: str, model: SavedModel) -> None:
    """A text of random weights: it begins with the prompt, and has only characters that training saw."""
    assert text.startswith(PROMPT)
    assert len(text) > len(PROMPT) + 1
    assert set(text) <= set(PROMPT) | set(model.tokenizer.characters)


@pytest.mark.slow
def test_onnx_runtime_in_webassembly_finds_the_probabilities_of_numpy(tmp_path: Path) -> None:
    model = load_model(FOLDERS["english"])
    write_onnx(model, tmp_path / "book.onnx")
    ids = np.minimum(
        model.tokenizer.encode((PROMPT + " there was a king, and he had a daughter.\n") * 4),
        model.config.vocabulary_size - 1,
    )
    read = program("js", "onnxruntime-web").replace('console.log(await write("Once upon a time"));', "")
    script = f"""{read}
const shape = [config.num_layers, 1, config.hidden_size];
const zeros = new ort.Tensor("float32", new Float32Array(shape[0] * shape[2]), shape);
const ids = new ort.Tensor("int64", BigInt64Array.from({ids.tolist()}, BigInt), [1, {len(ids)}]);
const found = await session.run({{ ids, hidden: zeros, cell: zeros }});
console.log(JSON.stringify(Array.from(found.log_probabilities.data)));
"""
    found = np.reshape(json.loads(node(tmp_path, script)), (len(ids), -1))
    network = model.network()
    expected = log_probabilities(network.read(ids[None], network.start())[0])[0]
    np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=0, atol=1e-5)
