"""`afterword export`: each file, in its own tool, computes what NumPy computes, or one line says why there is none."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest

import afterword
from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.cell import sigmoid
from afterword.model.network.config import Config
from afterword.model.network.engines import runtime
from afterword.model.network.network import log_probabilities
from afterword.text.vocabularies import from_json
from afterword.wings.export.browser import PageSettings, write_js
from afterword.wings.export.exports import EXPORTS, ExportFormat
from afterword.wings.export.lstm_files import write_keras, write_onnx
from tests.bases.small import SYMBOLS, base_of, classic_base, random_weights
from tests.browser.chromium import Tab
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.processes import finished
from tests.tiny import save_tiny
from tests.wings.export.test_browser import run

SIZES: list[dict[str, Any]] = [
    {"num_layers": 1},
    {"num_layers": 2, "residual": False},
    {"num_layers": 3, "residual": True},
    {"input": "number", "embedding_size": 1},
]
MIXED = PageSettings(weight_bytes=2)
each = pytest.mark.parametrize("one", EXPORTS, ids=[one.name for one in EXPORTS])
PAGE = Path(__file__).parents[3] / "docs" / "export.md"
TEXT = "abcdé\nabba"
IDS = np.random.default_rng(1).integers(0, 8, (3, 7))


def session(model: SavedModel, folder: Path) -> Any:
    write_onnx(model, folder / "model.onnx")
    return opened(folder / "model.onnx")


def opened(path: Path) -> Any:
    return runtime().InferenceSession(path, providers=["CPUExecutionProvider"])


def run_layers(path: Path, ids: Any) -> Any:
    """Compute what the layers of a file of Keras say for ids [B, T], as Keras documents them."""
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


def test_onnx_runtime_carries_states_from_one_reading_to_the_next_as_numpy_does(tmp_path: Path) -> None:
    model = base_of("\nabcdé", **SIZES[2]).model
    run, network = session(model, tmp_path), model.network()
    state = [model.config.num_layers, "B", 6]
    assert {one.name: one.shape for one in run.get_inputs()} == {"ids": ["B", "T"], "hidden": state, "cell": state}
    outputs = {"log_probabilities": ["B", "T", 8], "hidden_out": state, "cell_out": state}
    assert {one.name: one.shape for one in run.get_outputs()} == outputs
    for lanes in (1, 3):
        known = network.start(lanes)
        hidden, cell = np.zeros_like(known.hidden), np.zeros_like(known.cell)
        for ids in (IDS[:lanes, :1], IDS[:lanes, 1:]):  # the second reading carries the state of the first
            logits, known = network.read(ids, known)
            found, hidden, cell = run.run(None, {"ids": ids, "hidden": hidden, "cell": cell})
            for one, own in ((found, log_probabilities(logits)), (hidden, known.hidden), (cell, known.cell)):
                assert one.shape == own.shape
                np.testing.assert_allclose(one, own, rtol=0, atol=1e-5)


def test_onnx_of_a_classic_model_has_no_boundary_and_names_its_window(tmp_path: Path) -> None:
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


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Keras' own
@pytest.mark.parametrize("sizes", SIZES)
def test_keras_computes_the_same(sizes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is not installed: make test-keras")
    model = base_of("\nabcdé", **sizes).model
    write_keras(model, tmp_path / "model.keras")
    found, network = keras.models.load_model(tmp_path / "model.keras").predict(IDS, verbose=0), model.network()
    expected = np.exp(log_probabilities(network.read(IDS, network.start(len(IDS)))[0]))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_each_file_of_the_lstm_has_the_facts(tmp_path: Path) -> None:
    model = load_model(save_tiny(tmp_path / "tiny", mixed=True))
    write_onnx(model, tmp_path / "a.onnx")
    write_keras(model, tmp_path / "a.keras")
    properties = onnx.load(tmp_path / "a.onnx").metadata_props
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        in_keras = json.loads(archive.read("metadata.json"))["afterword"]
    in_onnx = {one.key: json.loads(one.value) for one in properties}
    for found in (in_onnx, in_keras):
        assert found["tokens"] == ["\n", "a", "b", "c", "d", "é", "<|end|>", "<0x00>"]
        assert found["boundary_id"] == 6
    assert in_onnx["unseen"] == [6, 7]
    assert Config(**in_onnx["config"]) == model.config
    assert in_onnx["about"] == model.about
    assert from_json(json.dumps(in_onnx["tokenizer"])) == model.tokenizer


def by_onnx(path: Path, model: SavedModel, tab: Tab) -> Any:
    state = np.zeros((model.config.num_layers, 1, model.config.hidden_size), np.float32)
    return opened(path).run(["log_probabilities"], {"ids": rows(model)[:, :-1], "hidden": state, "cell": state})[0]


def by_keras(path: Path, model: SavedModel, tab: Tab) -> Any:
    return np.log(run_layers(path, rows(model)[:, :-1]))


def by_node(path: Path, model: SavedModel, tab: Tab) -> Any:
    return run(path.parent, f"return Array.from(await (await load()).score({json.dumps(TEXT)}))", path.read_text())


def by_chromium(path: Path, model: SavedModel, tab: Tab) -> Any:
    tab.open(f"file://{path}")
    return tab.run(f"afterword.score({json.dumps(TEXT)}).then(nats => [...nats])")


READERS = {"html": by_chromium, "js": by_node, "onnx": by_onnx, "keras": by_keras}


def rows(model: SavedModel) -> Any:
    return np.array([[model.tokenizer.end, *model.tokenizer.encode(TEXT)]])


@each
def test_a_file_predicts_as_its_model_does(one: ExportFormat, tmp_path: Path, tab: Tab) -> None:
    model, file = load_model(save_tiny(tmp_path / "tiny", mixed=True)), tmp_path / f"a{one.endings[0]}"
    notes = one.export(model, file, MIXED)
    assert ("without the n-gram" in notes[0]) != one.has_ngram
    check_costs(one, file, model, tab)
    for sizes in [] if one.has_ngram else SIZES:  # test_browser.py tries those with an n-gram
        file.unlink()
        model = base_of("\nabcdé", **sizes).model
        one.export(model, file, MIXED)
        check_costs(one, file, model, tab)


def check_costs(one: ExportFormat, file: Path, model: SavedModel, tab: Tab) -> None:
    whole = LanguageModel(model)
    expected = (whole if one.has_ngram else whole.using("lstm")).score(TEXT).token_nats
    found = READERS[one.name](file, model, tab)
    if np.ndim(found) == 3:  # log-probabilities of all tokens, not yet the cost of each
        found = -found[0, np.arange(len(expected)), rows(model)[0, 1:]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 if one.has_ngram else 1e-4)


@each
def test_equal_models_make_equal_files(one: ExportFormat, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        one.export(base_of("\nab").model, tmp_path / name / "x", MIXED)
    assert (tmp_path / "a/x").read_bytes() == (tmp_path / "b/x").read_bytes()


@each
def test_what_it_cannot_hold_is_refused(one: ExportFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = base_of("\nab").model, tmp_path / "x"
    plain = dataclasses.replace(model.config, cell="rnn")
    with pytest.raises(OptionError, match="an export is only for cell= lstm, not rnn"):
        one.export(dataclasses.replace(model, config=plain, weights=random_weights(plain)), path, MIXED)
    if one.has_ngram:
        with pytest.raises(OptionError, match="a classic model, which reads windows"):
            one.export(classic_base().model, path, MIXED)
    if one.name == "onnx":
        large = dataclasses.replace(model.config, hidden_size=2**15)
        with pytest.raises(OptionError, match="at most 2 GiB"):
            one.export(dataclasses.replace(model, config=large), path, MIXED)
    if one.package:
        monkeypatch.setitem(sys.modules, one.package, None)
        with pytest.raises(OptionError, match=rf"needs the package {one.package}: .*'afterword\[{one.name}\]'"):
            one.export(model, path, MIXED)
    save_model(tmp_path / "held", model, "")
    options: Any = {one.name: path.with_suffix(one.endings[0])}
    with pytest.raises(OptionError, match="a held model cannot be exported"):
        afterword.export(load(tmp_path / "held").hold("forget=1"), **options)
    assert [file.name for file in tmp_path.iterdir()] == ["held"]


@each
def test_the_documentation_says_what_the_table_says(one: ExportFormat) -> None:
    row = f"| `--{one.name} FILE` | {one.writes} | {one.readers} | {'yes' if one.has_ngram else 'no'} |"
    assert row in PAGE.read_text(encoding="utf-8")


ADDED = """
import sys
from afterword.wings.export import exports

def write(model, path, settings):
    path.write_text(model.config.network)
    return ["this names the network alone"]

exports.EXPORTS += (exports.ExportFormat("size", (".size",), "its size", "people", write, has_ngram=True),)
import afterword
from afterword.cli.main import main

afterword.export("tiny", size="python.size")
sys.stdout = sys.stderr
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit:
        print("---", file=sys.stderr)
"""


def test_a_format_that_is_added_to_the_table_and_nowhere_else_works(tmp_path: Path) -> None:
    save_tiny(tmp_path / "tiny")
    expected = {
        "export tiny --size command.size": "wrote command.size\nnote: this names the network alone\n",
        "export tiny --size python.size": "error: python.size exists already: name another file",
        "export tiny --size a.txt": "error: a.txt: this file will be SIZE, so its name must end in .size",
        "export tiny": "the formats are --html, --js, --onnx, --keras, --size",
        "export --help": "write its size, for people",
    }
    done = finished([sys.executable, "-c", ADDED, *expected], cwd=tmp_path, fresh=True)
    for said, says in zip(done.stderr.decode().split("---\n"), [*expected.values(), ""], strict=True):
        assert says in said
    assert (tmp_path / "python.size").read_text() == load(tmp_path / "tiny").config.network


def test_several_formats_are_written_at_once(mixed_model: Path, tmp_path: Path, run: Run) -> None:
    done = fine(run("export", mixed_model, "--onnx", tmp_path / "book.onnx", "--keras", tmp_path / "book.keras"))
    lines = done.stderr.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["wrote", "note:", "wrote", "note:"]
    assert "without the n-gram" in lines[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.keras", "book.onnx"]


def test_an_option_is_for_the_formats_that_take_it(mixed_model: Path, tmp_path: Path, run: Run) -> None:
    both = ("--js", tmp_path / "book.js", "--html", tmp_path / "book.html")
    done = fine(run("export", mixed_model, *both, "--title", "A <book>", "--ngram-megabytes", "0"))
    assert "<h1>A &lt;book&gt;</h1>" in (tmp_path / "book.html").read_text(encoding="utf-8")
    assert done.stderr.count(b"the file reveals the tokens of") == 2
    notes = fine(run("export", mixed_model, "--js", tmp_path / "mixed.js")).stderr.decode()
    assert "all n-grams are kept" in notes
    assert "the file reveals nearly all of the training text, 8 tokens at a time" in notes


def test_types_are_written_but_never_over_a_file_of_the_users(model: Path, tmp_path: Path, run: Run) -> None:
    asked = ("export", model, "--js", tmp_path / "book.mjs", "--overwrite")
    for _ in range(2):
        fine(run(*asked))
        assert "export interface Model" in (tmp_path / "book.d.mts").read_text(encoding="utf-8")
    (tmp_path / "book.d.mts").write_text("mine")
    assert b"book.d.mts exists and is not from export" in fine(run(*asked)).stderr
    assert (tmp_path / "book.d.mts").read_text() == "mine"


MODULES = Path(__file__).parents[2] / "npm" / "node_modules"
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


each_model = pytest.mark.parametrize("model", [base_of(CHARACTERS).model, base_of(SYMBOLS).model])


of_keras = (pytest.mark.slow, pytest.mark.filterwarnings("default"))  # its own warnings


@each_model
@pytest.mark.parametrize(
    ("package", "write", "name"),
    [("onnxruntime", write_onnx, "book.onnx"), pytest.param("keras", write_keras, "book.keras", marks=of_keras)],
)
def test_the_program_for_its_package_writes(
    package: str, write: Any, name: str, model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip(package, reason=f"{package} is not installed: make test-keras")
    monkeypatch.chdir(tmp_path)
    write(model, tmp_path / name)
    check(printed(program("python", f"import {package}")), model)


@pytest.mark.parametrize("sizes", [{"num_layers": 1}, {"num_layers": 3, "residual": True}])
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
@each_model
def test_the_program_for_javascript_writes(model: SavedModel, tmp_path: Path) -> None:
    if not (MODULES / "onnxruntime-web").exists():
        pytest.skip("onnxruntime-web is missing: make npm")
    write_onnx(model, tmp_path / "book.onnx")
    (tmp_path / "node_modules").symlink_to(MODULES)
    shutil.copy(PAGE.with_name("write_onnx.mjs"), tmp_path)
    check(subprocess.check_output(["node", "write_onnx.mjs"], cwd=tmp_path, encoding="utf-8"), model)


def check(text: str, model: SavedModel) -> None:
    """A text of random weights: it begins with the prompt, and has only characters that training saw."""
    assert text.startswith(PROMPT)
    assert len(text) > len(PROMPT) + 1
    assert set(text) <= set(PROMPT) | set(model.tokenizer.characters)


WEB = resources.files("afterword.web")

BUNDLED = """import { load, type Sample } from "./book.js";

const model = await load();
const options = { prompt: "ab", maxTokens: 40, temperature: 1, minP: 0, seed: 3n, stop: ["zz"] };
const sample: Sample = await model.generate(options);
const nats: Float64Array = await model.score("abc", { signal: new AbortController().signal });
const [first]: { text: string; probability: number }[] = await model.next("ab");
console.log(JSON.stringify([sample.text, sample.tokens, nats.length, first.text, (await model.split("ab")).length]));
"""


def tool(name: str, *arguments: object, folder: Path) -> str:
    if not (MODULES / ".bin" / name).exists():
        pytest.skip(f"{name} is missing: make npm")
    done = subprocess.run(
        [MODULES / ".bin" / name, *map(str, arguments)], cwd=folder, capture_output=True, encoding="utf-8"
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    write_js(load_model(save_tiny(tmp_path / "tiny", mixed=True)), tmp_path / "book.js", PageSettings())
    (tmp_path / "main.ts").write_text(BUNDLED, encoding="utf-8")
    return tmp_path / "main.ts"


@pytest.mark.slow
def test_a_bundler_takes_it_and_the_bundle_writes_what_python_writes(bundled: Path) -> None:
    folder = bundled.parent
    tool("esbuild", "main.ts", "--bundle", "--minify", "--format=esm", "--outfile=out.mjs", folder=folder)
    found = json.loads(subprocess.check_output(["node", "out.mjs"], cwd=folder))
    sample = LanguageModel(load_model(folder / "tiny")).generate("ab", max_tokens=40, temperature=1, min_p=0, seed=3)
    assert found[1:3] == [40, 3]
    assert found[0][:10] == sample.text[:10]


@pytest.mark.slow
def test_its_types_suit_a_strict_program(bundled: Path) -> None:
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler")
    tool("tsc", *options, "main.ts", folder=bundled.parent)
    bundled.write_text(BUNDLED.replace("maxTokens: 40", 'maxTokens: "40"'), encoding="utf-8")
    with pytest.raises(AssertionError, match="not assignable to type 'number"):
        tool("tsc", *options, "main.ts", folder=bundled.parent)


@pytest.mark.slow
def test_the_kernel_is_what_its_source_gives(tmp_path: Path) -> None:
    (tmp_path / "kernel.wat").write_bytes(WEB.joinpath("kernel.wat").read_bytes())
    tool("wat2wasm", "kernel.wat", "-o", "kernel.wasm", folder=tmp_path)
    assert base64.b64decode(WEB.joinpath("kernel.wasm.base64").read_text()) == (tmp_path / "kernel.wasm").read_bytes()
