"""Models of Keras and PyTorch, from files that these wrote, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from afterword.errors import ModelError, StorageError
from afterword.interchange.imported import import_model
from afterword.interchange.keras_file import write_keras
from afterword.interchange.keras_reading import NO_ROOM, main, network_in
from afterword.interchange.torch_folder import write_torch
from afterword.language_model import LanguageModel
from afterword.model.folder.card import card
from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.network import log_probabilities
from afterword.operations.train import train
from tests.bases.small import SUBWORDS, base_of

h5py = pytest.importorskip("h5py", reason="the package h5py, which [keras] installs, is missing")

FILES = [Path(__file__).parent / "keras" / name for name in ("number.h5", "one-hot.keras")]
CHARACTERS = "zb a\né"  # in no order


def vocabulary(folder: Path, characters: Any = CHARACTERS) -> Path:
    path = folder / "vocabulary.json"
    path.write_text(json.dumps(list(characters) if isinstance(characters, str) else characters), encoding="utf-8")
    return path


def probabilities(model: SavedModel, characters: str, text: str, boundary: bool) -> Any:
    """Return P of each of `characters` after each of `text`; `boundary`: read after the boundary token."""
    ids = model.tokenizer.encode(text)
    if boundary:
        ids = np.concatenate([model.opening(0), ids])
    network = model.network()
    found = np.exp(log_probabilities(network.read(ids[None], network.start())[0]))[0, boundary:]
    return found[:, model.tokenizer.encode(characters)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_model_of_keras_predicts_what_keras_predicts(path: Path, tmp_path: Path) -> None:
    facts = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    model = import_model(path, vocabulary(tmp_path, facts["characters"]))
    characters = "".join(facts["characters"])
    found = probabilities(model, characters, facts["text"], boundary=False)
    np.testing.assert_allclose(found, facts["probabilities"], rtol=0, atol=1e-5)
    if model.config.num_layers == 1:  # after the boundary token, the state of the first layer is still empty
        found = probabilities(model, characters, facts["text"], boundary=True)
        np.testing.assert_allclose(found, facts["probabilities"], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Keras' own
@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("first", ["ids", "vectors", "numbers"])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", ["sequential", "functional", "no biases", "logits"])
def test_every_network_of_these_layers_is_read_from_keras_own_files(
    ending: str, first: str, depth: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is not installed: make test-keras")
    layers, R, random = keras.layers, len(CHARACTERS), np.random.default_rng(0)
    biases, rows = kind != "no biases", random.integers(0, len(CHARACTERS), (1, 20))
    shape, read = {"ids": ((), rows), "vectors": ((R,), np.eye(R)[rows]), "numbers": ((1,), rows[..., None] / R)}[first]
    stack = [layers.Embedding(R, 3)] if first == "ids" else []
    for _ in range(depth):
        stack += [layers.LSTM(5, return_sequences=True, use_bias=biases, dropout=0.1), layers.Dropout(0.2)]
    stack.append(layers.Dense(R, activation=None if kind == "logits" else "softmax", use_bias=biases))
    model = keras.Sequential([layers.Input((None, *shape)), *stack])
    if kind == "functional":
        x = first_input = layers.Input((None, *shape))
        for layer in stack:
            x = layer(x)
        model = keras.Model(first_input, x)
    model.set_weights([random.normal(0, 0.7, weight.shape) for weight in model.get_weights()])
    model.save(tmp_path / f"model.{ending}")
    expected = np.asarray(model.predict(read.astype("float32"), verbose=0))[0]
    if kind == "logits":
        expected = np.exp(log_probabilities(expected))
    imported = import_model(tmp_path / f"model.{ending}", vocabulary(tmp_path))
    text = "".join(CHARACTERS[row] for row in rows[0])
    found = probabilities(imported, CHARACTERS, text, boundary=False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


class Plain(nn.Module):
    def __init__(self, R: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(R, 3)
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.output = nn.Linear(5, R)


def saved_by_torch(folder: Path, characters: str = CHARACTERS) -> tuple[Path, Plain]:
    torch.manual_seed(0)
    network = Plain(len(characters))
    safetensors.torch.save_file(network.state_dict(), folder / "model.safetensors")
    vocabulary(folder, {character: row for row, character in enumerate(characters)})
    return folder / "model.safetensors", network


def test_a_state_dict_of_pytorch_predicts_what_pytorch_predicts(tmp_path: Path) -> None:
    path, network = saved_by_torch(tmp_path)
    text = "baz éab\n"
    with torch.inference_mode():
        rows = torch.tensor([[CHARACTERS.index(character) for character in text]])
        expected = network.output(network.lstm(network.embedding(rows))[0]).softmax(-1)[0]
    model = import_model(path)
    for boundary in (False, True):
        found = probabilities(model, CHARACTERS, text, boundary)
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)


def test_an_imported_model_writes_scores_shows_its_gates_and_trains_on(tmp_path: Path) -> None:
    imported = import_model(saved_by_torch(tmp_path)[0])
    save_model(tmp_path / "imported", imported, card(imported, []))
    model = LanguageModel.load(tmp_path / "imported")
    assert set(model.generate("b", max_tokens=30, seed=1).text) <= set(CHARACTERS)
    assert model.score("baz é?").bits_per_character > 0
    assert model.gates("baz").forget.shape == (3, 1, 5)
    assert model.info()["recipe"] == "imported"
    assert "trained by another program" in (tmp_path / "imported" / "README.md").read_text(encoding="utf-8")
    (tmp_path / "text").write_text("abba zab.\n" * 50)
    trained = train(tmp_path / "text", base=tmp_path / "imported", steps=2, threads=1)
    assert trained.config.hidden_size == 5
    assert trained.info()["base"]["name"] == "imported"


@pytest.mark.parametrize("sizes", [{"num_layers": 1}, {"num_layers": 3, "residual": True}])
@pytest.mark.parametrize("tokenizer", ["\nabé", SUBWORDS])
def test_an_exported_folder_for_pytorch_comes_back(tokenizer: Any, sizes: dict[str, Any], tmp_path: Path) -> None:
    model = base_of(tokenizer, lines=tokenizer == "\nabé", **sizes).model
    model.about["unwrapped"] = None if model.about["lines"] else 7
    write_torch(model, tmp_path / "book")
    found = import_model(tmp_path / "book" / "model.safetensors")
    assert found.config.num_layers == sizes["num_layers"]
    assert (found.tokenizer, found.unseen) == (model.tokenizer, model.unseen)
    assert found.about["unwrapped"] == model.about["unwrapped"]
    assert (found.about["lines"], found.writing.opening) == (model.about["lines"], model.writing.opening)
    assert all(np.array_equal(found.weights[name], weight) for name, weight in model.weights.items())
    save_model(tmp_path / "again", found, "")
    assert load_model(tmp_path / "again").config.residual == (sizes["num_layers"] > 1)


def test_an_exported_file_of_keras_comes_back_with_its_vocabulary(tmp_path: Path) -> None:
    model = base_of("\nabcd", num_layers=1).model
    write_keras(model, tmp_path / "book.keras")
    found = import_model(tmp_path / "book.keras")
    assert (found.tokenizer, found.unseen) == (model.tokenizer, model.unseen)
    ids = model.tokenizer.encode("abba\ncad")[None]
    expected, got = (one.network().read(ids, one.network().start())[0] for one in (model, found))
    np.testing.assert_allclose(log_probabilities(got), log_probabilities(expected), rtol=0, atol=1e-5)


def test_rows_that_are_no_characters_are_left_out(tmp_path: Path) -> None:
    path, _ = saved_by_torch(tmp_path)
    (tmp_path / "config.json").write_text("of another program")  # which only belongs to a tokenizer.json
    names = ["[UNK]", *CHARACTERS[1:]]
    model = import_model(path, vocabulary(tmp_path, names))
    assert model.tokenizer.characters == "".join(sorted(CHARACTERS[1:]))


@pytest.mark.parametrize(
    ("name", "tensor", "says"),
    [
        ("gru.weight_hh_l0", torch.zeros(15, 5), "'gru.weight_hh_l0' is unknown"),
        ("lstm.weight_hh_l0", torch.zeros(15, 5), r"lstm.weight_hh_l0 has the shape \[15, 5\], not \[20, 5\]"),
        ("lstm.weight_hh_l0", torch.zeros(5), "cannot import"),
        ("lstm.weight_ih_l1", torch.zeros(20, 5), "lstm.weight_ih_l1' is unknown"),
        ("embedding.weight", torch.zeros(6, 0), "embedding_size"),
        ("output.bias", torch.zeros(6, dtype=torch.int64), "output.bias is missing"),
        ("output.bias", torch.full((6,), torch.nan), "numbers that are not finite"),
        ("output.bias", torch.full((6,), 1e300, dtype=torch.float64), "numbers that are not finite"),
    ],
)
def test_another_state_dict_is_refused(name: str, tensor: torch.Tensor, says: str, tmp_path: Path) -> None:
    path, network = saved_by_torch(tmp_path)
    safetensors.torch.save_file({**network.state_dict(), name: tensor}, path)
    with pytest.raises(ModelError, match=says) as refused:
        import_model(path)
    assert "its tensors must be embedding.weight" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (["a"], "has 1 characters, and the model 6 rows"),
        (["a", "b", "c", "d", "e", "ee"], "single characters, each only once"),
        (["a", "b", "c", "d", "e", "e"], "single characters, each only once"),
        (["[UNK]"] * 6, "single characters, each only once"),
        ({"a": 0, "b": 0}, "must be a list of characters"),
        ({"a": {}, "b": []}, "must be a list of characters"),
        ([1, 2, 3, 4, 5, 6], "must be a list of characters"),
        (["a", "b", "c", "d", "e", "\ud800"], "is not JSON"),
        (7, "must be a list of characters"),
        ({"model": {}}, "invalid tokenizer.json"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(content: Any, says: str, tmp_path: Path) -> None:
    path, _ = saved_by_torch(tmp_path)
    with pytest.raises(ModelError, match=says):
        import_model(path, vocabulary(tmp_path, content))


def test_without_a_vocabulary_or_with_another_models_nothing_is_imported(tmp_path: Path) -> None:
    path, _ = saved_by_torch(tmp_path)
    (tmp_path / "vocabulary.json").unlink()
    with pytest.raises(ModelError, match=r"has no vocabulary: name a JSON list .* vocabulary="):
        import_model(path)
    (tmp_path / "tokenizer.json").write_text(SUBWORDS.to_json())
    with pytest.raises(ModelError, match="they do not belong together"):
        import_model(path)
    write_torch(base_of("\nab").model, tmp_path / "book")
    (tmp_path / "book" / "config.json").write_text('{"unseen": 1}')
    with pytest.raises(ModelError, match=r"config\.json is damaged: unseen must be a list"):
        import_model(tmp_path / "book" / "model.safetensors")


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"a": torch.zeros(2)}, tmp_path / "model.pt")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Trap()))
    for name in ("model.pt", "model.pkl"):
        with pytest.raises(ModelError, match="is a pickle, which is never read"):
            import_model(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def changed_keras(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Write `one-hot.keras` with its list of layers changed."""
    path = folder / "changed.keras"
    with zipfile.ZipFile(FILES[1]) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"])
                content = json.dumps(config).encode()
            new.writestr(zipfile.ZipInfo(name), content)
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda layers: layers[1].update(class_name="GRU"), "its layers are GRU Dense"),
        (lambda layers: layers.pop(1), "its layers are Dense; only LSTMs"),
        (lambda layers: layers[1]["config"].update(recurrent_activation="hard_sigmoid"), "; it must be sigmoid"),
        (lambda layers: layers[2]["config"].update(activation="relu"), "must be linear or softmax"),
        (lambda layers: layers.insert(1, {**layers[1]}), "is damaged or not a model of Keras 3"),
        (
            lambda layers: layers[2].update(inbound_nodes=[{"keras_history": ["x", 0, 0]}]),
            "must read only the layer before it",
        ),
        (lambda layers: layers.append(None), "is damaged or not a model of Keras 3"),
    ],
)
def test_another_network_of_keras_is_refused(change: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        network_in(changed_keras(tmp_path, change))


def replaced(folder: Path, place: Callable[[Any, str], object]) -> Path:
    """Write `one-hot.keras` with the bias of its Dense placed otherwise."""
    path, name = folder / "replaced.keras", "layers/dense/vars/1"
    with zipfile.ZipFile(FILES[1]) as old, zipfile.ZipFile(path, "w") as new:
        weights = io.BytesIO(old.read("model.weights.h5"))
        with h5py.File(weights, "a") as file:
            del file[name]
            place(file, name)
        new.writestr("config.json", old.read("config.json"))
        new.writestr("model.weights.h5", weights.getvalue())
    return path


@pytest.mark.parametrize(
    "place",
    [
        lambda file, name: file.create_dataset(name, (2**31,), "f4", chunks=(2**20,), compression="gzip"),  # a bomb
        lambda file, name: file.create_dataset(name, (2**40,), "f4"),  # no byte of it is stored
        lambda file, name: file.create_dataset(name, data=[b"text"]),
        lambda file, name: file.__setitem__(name, h5py.SoftLink("/layers/dense/vars/0")),
        lambda file, name: file.__setitem__(name, h5py.ExternalLink("/etc/passwd", "/")),
        lambda file, name: file.create_dataset(name, (7,), "f4", external=[("/etc/passwd", 0, 28)]),
    ],
)
def test_an_array_that_is_not_stored_in_the_file_as_it_is_is_refused(place: Any, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=r"is not a plain array of numbers|is missing or a link"):
        network_in(replaced(tmp_path, place))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB


def groups(*names: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name in names:
                file.create_group(name)

    return write


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(2**22))


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)  # sparse: takes no space on the disk


def crashing(path: Path) -> None:
    content = bytearray(FILES[0].read_bytes())
    content[1009] = 255  # the type of the attribute model_config: with HDF5 2.0, a segmentation fault
    path.write_bytes(content)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_damaged_file_is_refused_or_read(path: Path, tmp_path: Path) -> None:
    content, place, draw = path.read_bytes(), tmp_path / path.name, random.Random(0)
    known = vocabulary(tmp_path, json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))["characters"])
    for _ in range(2):
        damaged = bytearray(content)
        if draw.random() < 0.2:
            del damaged[draw.randrange(len(damaged)) :]
        for _ in range(draw.choice([1, 3, 20]) if damaged else 0):
            damaged[draw.randrange(len(damaged))] = draw.choice([0, 255, draw.randrange(256)])
        place.write_bytes(damaged)
        with contextlib.suppress(ModelError):  # a changed weight is a weight
            import_model(place, known)


def test_a_full_disk_is_not_taken_for_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*arguments: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr("afterword.interchange.keras_reading.write_bytes", no_room)
    assert main(FILES[0], tmp_path / "out") == NO_ROOM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("weights.hdf5", groups("embedding"), "weights without their layers: save the whole model"),
        ("weights.hdf5", groups("embedding", "attention"), "attention over a window, as textgenrnn's weights do"),
        ("bomb.keras", compressed, r"config\.json is compressed"),
        ("number.h5", crashing, "is damaged or not a model of Keras 3"),
        ("huge.h5", huge, r"cannot read .*huge\.h5: it has 1,099,511,627,776 bytes, and at most"),
        ("empty", Path.touch, "not safetensors"),
        ("folder", Path.mkdir, "is not a file"),
        ("missing.keras", str, "no file at"),
    ],
)
def test_a_file_that_is_no_model_is_refused(name: str, write: Any, says: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    with pytest.raises(ModelError, match=says):
        import_model(tmp_path / name)


def test_a_weight_too_large_for_float32_is_refused(tmp_path: Path) -> None:
    path = replaced(tmp_path, lambda file, name: file.create_dataset(name, data=np.full(7, 1e300)))
    with pytest.raises(ModelError, match=r"output.bias holds numbers that are not finite"):
        network_in(path)
