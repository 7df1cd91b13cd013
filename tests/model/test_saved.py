"""Laws of a model's folder: whole, the old one or the new one, and nothing that does not fit."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from afterword.commands import attached_files
from afterword.errors import ModelError, OptionError, StorageError
from afterword.model.arrays import Array, in_bytes
from afterword.model.folder import saved
from afterword.model.folder.attachments import codec_of
from afterword.model.folder.defaults import WINDOWS, WritingDefaults
from afterword.model.folder.saved import (
    CONFIG as CONFIG_FILE,
)
from afterword.model.folder.saved import (
    FILES,
    FORMAT,
    NGRAM,
    OLD,
    TOKENIZER,
    WEIGHTS,
    SavedModel,
    check_replaceable,
    load_model,
    save_model,
)
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.network import Network
from afterword.model.ngram.tables import Ngram
from afterword.storage import temporary_folder
from afterword.text.characters import CharTokenizer
from tests.cases import cases
from tests.sealing import reseal
from tests.tiny import killed_beside, random_weights

CONFIG = Config(vocabulary_size=5, byte_tokens=256, embedding_size=2, hidden_size=3, num_layers=2)


def model(seed: int = 0) -> SavedModel:
    """A tiny model; all that is in it tells its seed."""
    random = np.random.default_rng(seed)
    return SavedModel(
        CONFIG,
        random_weights(CONFIG, 1, seed),
        CharTokenizer.of("abc"),
        unseen=[3, 4],
        about={"seed": seed, "lines": False},
        ngram=Ngram.learn(random.integers(0, 3, 60), CONFIG.vocabulary_size, boundary=3, start=0),
        mixture_weight=0.25,
        attachments={name: one for each in cases("ATTACHMENTS") for name, one in each(seed).items()},
    )


def stored(name: str, content: Any) -> bytes:
    """Return the file of an attachment."""
    with temporary_folder() as place:
        codec_of(name).write(place / name, content)
        return (place / name).read_bytes()


def facts(found: SavedModel) -> dict[str, Any]:
    """Return all of a model in a form that can be compared bit for bit."""
    facts = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    facts["weights"] = {name: (weight.dtype.str, weight.tobytes()) for name, weight in found.weights.items()}
    facts["attachments"] = {name: stored(name, one) for name, one in found.attachments.items()}
    return facts | {"ngram": found.ngram and found.ngram.checksum}


def assert_same(found: SavedModel, expected: SavedModel) -> None:
    assert facts(found) == facts(expected)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "book", model(), "# A card\n")
    return tmp_path / "book"


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert folder.name in message
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_a_model_comes_back_bit_for_bit_and_makes_equal_files(folder: Path, tmp_path: Path) -> None:
    assert_same(load_model(folder), model())
    assert names(folder) == sorted(FILES)
    assert names(folder.parent) == ["book"]
    assert (folder / "README.md").read_text() == "# A card\n"
    save_model(tmp_path / "deep" / "twin", load_model(folder), "# A card\n")
    for name in FILES:
        assert (tmp_path / "deep" / "twin" / name).read_bytes() == (folder / name).read_bytes()
    bold = dataclasses.replace(model(), writing=WritingDefaults(7, 1.5, "boundary", 0.1, 2.0))
    save_model(folder, bold, "")
    assert_same(load_model(folder), bold)


def half(weight: Array) -> Array:
    return weight.astype(np.float16).astype(np.float32)


def in_multiples(weight: Array) -> Array:
    multiples, scale = in_bytes(weight)
    return multiples * scale[:, None]


def in_types(form: Callable[[Array], Array]) -> SavedModel:
    """A model whose matrices are rounded by `form`, and whose biases are rounded to float16."""
    rounded = {name: form(w) if w.ndim == 2 else half(w) for name, w in model().weights.items()}
    return dataclasses.replace(model(), weights=rounded)


@pytest.mark.parametrize(("form", "types"), [(half, {"<f2"}), (in_multiples, {"|i1", "<f4", "<f2"})])
def test_weights_take_the_smallest_type_that_keeps_every_bit_whenever_they_are_saved(
    folder: Path, tmp_path: Path, form: Callable[[Array], Array], types: set[str]
) -> None:
    again = tmp_path / "again"
    save_model(folder, in_types(form), "card")
    tensors, _ = read_tensors(folder / WEIGHTS)
    assert {tensor.dtype.str for tensor in tensors.values()} == types
    assert_same(found := load_model(folder), in_types(form))
    save_model(again, dataclasses.replace(found, attachments={}), "card")
    assert (again / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()


def test_one_weight_that_a_byte_cannot_hold_keeps_its_matrix_in_float32(folder: Path) -> None:
    bytewise = in_types(in_multiples)
    bytewise.weights["output.weight"][2, 1] += 1e-3
    bytewise.weights["embedding.weight"][0] = -0.0
    save_model(folder, bytewise, "")
    tensors, _ = read_tensors(folder / WEIGHTS)
    types = {name: tensors[name].dtype for name in weight_shapes(CONFIG) if tensors[name].ndim == 2}
    assert {name for name, dtype in types.items() if dtype != np.int8} == {"output.weight", "embedding.weight"}
    assert types["output.weight"] == np.float32
    assert_same(load_model(folder), bytewise)


SCALE = r"'output\.weight' is int8, .* with '\.scale': for each row a float32 number above 0, at most 1,000,000"
SCALES = [None, *(np.ones(shape, np.float32) for shape in (4, (5, 1))), *(np.ones(5, t) for t in (np.float64, np.int8))]
SCALES += [np.array([1, 1, x, 1, 1], np.float32) for x in (0, -1, np.nan, np.inf, 2e6)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({"output.weight.scale": scale}, SCALE) for scale in SCALES),
        ({"output.weight": np.full((5, 3), -128, np.int8)}, "must hold multiples from -127 to 127, not -128"),
        ({"output.weight": np.ones((5, 4), np.int8)}, r"output\.weight has the shape \[5, 4\], not \[5, 3\]"),
        ({"output.weight": np.ones((5, 3), np.float32)}, r"'output\.weight\.scale' is unknown"),
        ({"output.weight": np.ones((5, 3), np.int16)}, r"'output\.weight\.scale' is unknown"),
        ({"output.bias": np.ones(5, np.int8)}, "'output.bias' is int8, so it must be a matrix"),
        ({"output.bias": np.ones(5, np.int8), "output.bias.scale": np.ones(5, np.float32)}, "it must be a matrix"),
        ({"\n" * 999: np.ones((5, 3), np.int8)}, "is int8"),
    ],
)
def test_bytes_without_a_valid_scale_per_row_are_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    save_model(folder, in_types(in_multiples), "")
    tensors = read_tensors(folder / WEIGHTS)[0] | changes
    write_tensors(folder / WEIGHTS, {name: tensor for name, tensor in tensors.items() if tensor is not None})
    reseal(folder)
    assert re.search(message, refused(folder))


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-1e6, 1e6, width=32)))
def test_multiples_of_a_scale_come_back_as_the_same_bytes_and_scale(weight: Array) -> None:
    multiples, scale = in_bytes(weight)
    assert multiples.min() >= -127
    assert (scale > 0).all()
    rounded = multiples * scale[:, None]
    assert (np.abs(rounded - weight) <= 0.501 * scale[:, None]).all()
    again, same = in_bytes(rounded)
    assert (again.tobytes(), same.tobytes()) == (multiples.tobytes(), scale.tobytes())


def test_the_scale_of_every_float32_comes_back() -> None:
    largest = (np.arange(2**23, dtype=np.uint32) | 0x3F800000).view(np.float32)[None]  # from 1 to 2: one exponent
    multiples, scale = in_bytes(largest, axis=0)
    np.testing.assert_array_equal(in_bytes(multiples * scale, axis=0)[1], scale)


def test_a_saved_model_takes_the_place_of_the_one_before_also_by_a_link_and_other_files_stay(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    link = folder.parent / "link"
    link.symlink_to(folder)
    for seed, place in ((1, folder), (2, link)):
        save_model(place, model(seed), "")
        assert_same(load_model(folder), model(seed))
    assert link.is_symlink()
    assert (folder / "notes.txt").read_text() == "mine"
    assert names(folder.parent) == ["book", "link"]


def test_after_a_kill_between_the_two_renames_the_old_model_is_read_and_the_next_save_clears_up(folder: Path) -> None:
    new, old = killed_beside(folder)
    (folder / "notes.txt").write_text("mine")
    folder.rename(old)
    new.mkdir()
    (new / "half").write_text("written")
    assert_same(load_model(folder), model())
    save_model(folder, model(1), "")
    assert_same(load_model(folder), model(1))
    assert names(folder.parent) == ["book"]
    assert names(folder) == sorted([*FILES, "notes.txt"])


def test_after_a_kill_before_the_clearing_the_new_model_is_read_and_the_next_save_clears_up(folder: Path) -> None:
    _, old = killed_beside(folder)
    shutil.copytree(folder, old)
    for name in ("notes.txt", "plan.txt"):
        (old / name).write_text("mine")
    (folder / "plan.txt").write_text("later")  # while the old folder is aside
    save_model(folder, model(1), "")
    assert_same(load_model(folder), model(1))
    assert names(folder.parent) == ["book"]
    assert (folder / "plan.txt").read_text() == "later"
    (kept,) = folder.glob("plan.txt.*")
    assert kept.read_text() == (folder / "notes.txt").read_text() == "mine"
    assert names(folder) == sorted([*FILES, "notes.txt", "plan.txt", kept.name])


@pytest.mark.parametrize("failing", FILES)
def test_a_disk_that_fails_leaves_the_model_before(folder: Path, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, *_: Any) -> None:
        if path.name == failing:
            raise StorageError(f"cannot write {path}: no space left")
        path.write_text("new")

    wings = [import_module(f"afterword.{one.place.partition(':')[0]}") for one in attached_files().values()]
    with monkeypatch.context() as failed:
        for writer in ("write_tensors", "write_bytes", "write_json"):
            for module in (saved, *wings):
                failed.setattr(module, writer, fail, raising=False)
        with pytest.raises(StorageError):
            save_model(folder, model(1), "")
    assert_same(load_model(folder), model())
    assert names(folder.parent) == ["book"]


@pytest.mark.parametrize("when", ["read_tensors", "_read"])
def test_a_reader_never_gets_a_mix_of_two_models_nor_one_that_was_replaced(
    folder: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, seeds = getattr(saved, when), iter([1, 2])

    def while_another_saves(*given: Any) -> Any:
        if when == "read_tensors":  # in the middle; otherwise at the end
            for seed in seeds:
                save_model(folder, model(seed), "")
                break
            return read(*given)
        found = read(*given)
        for seed in seeds:
            save_model(folder, model(seed), "")
            break
        return found

    monkeypatch.setattr(saved, when, while_another_saves)
    assert_same(load_model(folder), model(2))


def test_what_holds_no_model_is_refused_and_a_file_is_never_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "book").write_text("text")
    for name, says in (
        ("nowhere", "no such folder"),
        ("empty", CONFIG_FILE),
        ("book", "it is a file"),
        ("loop", "no model"),
    ):
        assert says in refused(tmp_path / name)
    with pytest.raises(ModelError, match="no model at"):
        load_model(tmp_path / ("n" * 3000))
    with pytest.raises(ModelError, match="it is a file"):
        save_model(tmp_path / "book", model(), "")
    assert (tmp_path / "book").read_text() == "text"


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS, TOKENIZER])
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    for damaged in (b"", bytes(len(content)), content[: len(content) // 2], b"\xe9", b"[" * 100_000):
        path.write_bytes(damaged)
        assert name in refused(folder)
    path.unlink()
    path.mkdir()
    assert name in refused(folder)


WRONG: dict[str, list[Any]] = {
    "format": [None],
    "hidden_size": [4, 2**31, -3],
    "num_layers": [1, 3],
    "vocabulary_size": [6],
    "byte_tokens": [1],
    "cell": ["gru"],
    "unseen": [[5], [-1], [True], "34"],
    "about": [[], *({"labels": wrong} for wrong in (["ham"], {}, {"ham": 0}, {"ham": "3"}, {"a\tb": 3}, {"": 3}))],
    "writing": [None, []],
    "writing.min_p": [..., 1],
    "writing.max_tokens": [-1, True],
    "writing.temperature": [float("nan"), float("inf")],
    "writing.opening": [["newline"], "window"],
    "writing.repetition_penalty": [0.5],
    "writing.new_word_p": [1.5],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_is_not_the_models_is_refused_also_with_its_checksum(folder: Path, name: str) -> None:
    before = (folder / CONFIG_FILE).read_text()
    for value in WRONG[name]:
        config = json.loads(before)
        *outer, inner = name.split(".")
        fields = config[outer[0]] if outer else config
        fields[inner] = value
        if value is ...:
            del fields[inner]
        (folder / CONFIG_FILE).write_text(json.dumps(config))
        reseal(folder)
        assert "has been changed" not in refused(folder)
    (folder / CONFIG_FILE).write_text(json.dumps(json.loads(before) | {"format": FORMAT + 1}))
    assert f"has the format {FORMAT + 1}, and this Afterword reads {OLD} and {FORMAT}" in refused(folder)


def test_the_n_gram_of_a_run_is_written_once_and_taken_over_by_each_better_model(folder: Path) -> None:
    before = (folder / NGRAM).stat().st_ino
    save_model(folder, dataclasses.replace(model(), mixture_weight=0.5), "")
    assert (folder / NGRAM).stat().st_ino == before
    save_model(folder, model(seed=1), "")
    assert (folder / NGRAM).stat().st_ino != before
    assert_same(load_model(folder), model(seed=1))


def test_a_model_without_an_n_gram_predicts_by_its_network(tmp_path: Path) -> None:
    save_model(tmp_path / "plain", dataclasses.replace(model(), ngram=None, mixture_weight=0.0), "")
    assert NGRAM not in names(tmp_path / "plain")
    plain = load_model(tmp_path / "plain")
    assert type(plain.predictor()) is Network
    for wrong, says in (("ngram", "no n-gram"), ("all", "lstm, ngram, both")):
        with pytest.raises(OptionError, match=says):
            plain.predictor(wrong)


def with_bias(model: SavedModel, value: float) -> dict[str, Any]:
    return {"weights": {**model.weights, "output.bias": np.full_like(model.weights["output.bias"], value)}}


def windowed(model: SavedModel, text: Any) -> dict[str, Any]:
    return {"config": dataclasses.replace(model.config, window=4), "writing": WINDOWS, "text": text, "ngram": None}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda model: {"config": dataclasses.replace(model.config, byte_tokens=9)}, "by 256 tokens; its network"),
        (lambda model: with_bias(model, np.nan), r"output\.bias holds numbers that are not finite"),
        (lambda model: with_bias(model, np.inf), r"output\.bias holds numbers that are not finite"),
        (lambda model: {"unseen": [99]}, "unseen must be rows from 0 to"),
        (lambda model: {"writing": WINDOWS}, "belongs only to a model that reads windows"),
        (lambda model: {"ngram": Ngram.learn(np.arange(9), 9, 8, 8)}, "its n-gram has 9 rows and its tokenizer"),
        (lambda model: {"about": {**model.about, "labels": {}}}, "labels must be null, or count"),
        (lambda model: windowed(model, np.zeros(3, np.int32)), "must be 4 or more rows from 0"),
        (lambda model: windowed(model, np.full(4, 9)), "must be 4 or more rows from 0"),
        (lambda model: windowed(model, np.zeros(4)), "must be 4 or more rows from 0"),
    ],
)
def test_parts_that_do_not_fit_are_not_saved(wrong: Callable[[Any], Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=why):
        save_model(tmp_path / "new", dataclasses.replace(model(), **wrong(model())), "# Wrong")
    assert names(tmp_path) == []


def test_a_folder_in_use_and_one_of_other_files_are_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_replaceable(folder)
    with pytest.raises(ModelError, match="which is not a model's folder: no model at"):
        check_replaceable(folder.parent)
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError, match="the folder is in use; name a new one"):
        check_replaceable(folder)
