"""Folders of models and runs that somebody else made: refused in one line, soon, with nothing run and little memory."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from afterword.commands import learned_kinds
from afterword.errors import AfterwordError, ModelError
from afterword.language_model import load
from afterword.model.folder.card import disclosure, metadata
from afterword.model.folder.saved import load_model, recover_model, save_model
from afterword.model.ngram.tables import Ngram
from afterword.runs.folder import RunFolder
from tests.cases import cases
from tests.sealing import reseal
from tests.tiny import killed_beside, save_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "model", mixed=True)


def test_an_n_gram_whose_longer_contexts_have_no_end_is_refused() -> None:
    ngram = Ngram.learn(np.arange(200) % 7, rows=9, boundary=8, start=0)
    tensors = ngram.tensors()
    tensors["3.contexts"] = tensors["3.contexts"].copy()
    tensors["3.contexts"][-1] = 7 << ngram.bits | 8  # nothing ever followed an 8
    with pytest.raises(ModelError, match="a context's end is not a context"):
        Ngram.from_tensors(tensors)
    tensors = ngram.tensors()
    tensors["1.rest"] = np.array([1e-45], np.float32)
    with pytest.raises(ModelError, match="do not fit together"):
        Ngram.from_tensors(tensors)


def test_a_pipe_in_the_place_of_a_runs_lock_does_not_hold_up_who_asks_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    assert not RunFolder(tmp_path).is_locked


@pytest.mark.parametrize(
    "line", ['{"step": 9, "note": "\\ud800"}', "[" * 200_000, '["step"]', '{"step": 9, "note": "\udcff"}']
)
def test_a_report_that_no_answer_can_hold_ends_the_reports(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(f'{{"step": 3}}\n{line}\n'.encode("utf-8", "surrogateescape"))
    assert RunFolder(tmp_path).reports() == [{"step": 3}]


@pytest.mark.parametrize(
    "name", ["lines", "recipe", "labels", "base", "corpus", "training", "validation", *learned_kinds()]
)
def test_a_fact_of_another_type_is_refused_when_the_model_is_loaded(folder: Path, name: str) -> None:
    says = rf"the model at {folder} is damaged: [^\n]+; take a fresh copy"
    says += f"|{learned_kinds()[name].refused}" if name in learned_kinds() else ""
    values, refused = json.loads((folder / "config.json").read_text()), list[str]()
    for value in ("text", 3, 0.5, True, [1], [], {"name": 1}, {"name": "english"}, {"a": 0.5}):
        values["about"][name] = value
        (folder / "config.json").write_text(json.dumps(values))
        reseal(folder)
        try:
            model = load(folder)
        except ModelError as error:
            refused.append(str(error))
            continue
        assert model.info()
        assert repr(model)
        assert metadata(model.saved)
        assert disclosure(model.saved)
        for use in cases("USES"):
            with pytest.raises(AfterwordError):
                use(model)
    assert len(refused) >= 5
    assert all(re.fullmatch(says, one) for one in refused)


@pytest.mark.parametrize("missing", [False, True])
def test_a_link_beside_a_model_is_no_earlier_model(folder: Path, tmp_path: Path, missing: bool) -> None:
    mine = save_tiny(tmp_path / "mine")
    before = {path: path.read_bytes() for path in mine.iterdir()}
    model = load_model(folder)
    if missing:
        shutil.rmtree(folder)
    for old in (killed_beside(folder)[1], folder.with_name(f".{folder.name}.old")):
        old.symlink_to(mine)
    recover_model(folder)
    save_model(folder, model, "")
    assert not folder.is_symlink()
    assert {path: path.read_bytes() for path in mine.iterdir()} == before


@pytest.mark.parametrize("writer", ["save", "prepare", "tidy"])
def test_a_users_hidden_files_next_to_ours_are_left_alone(folder: Path, tmp_path: Path, writer: str) -> None:
    model, place = load_model(folder), tmp_path / "place"
    folders = [".new", ".old", ".part", ".td.new", ".td.old", ".td.part", ".model.new", ".model.old", ".run.json.new"]
    names = [f"{one}/{name}" for one in folders for name in ("README.md", "config.json", "corpus/training.bin")]
    names += [".notes.part", ".run.json.1.part", *(f"{one}/.mine.part" for one in ("checkpoints", "corpus", "model"))]
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("mine")
    before = set(place.rglob("*"))
    if writer == "save":
        save_model(place / "td", model, "")
        save_model(place / "td", model, "")
    elif writer == "prepare":
        with RunFolder(place).begin_new() as new:
            new.write_base({"weight": np.ones(1, np.float32)})
    else:
        RunFolder(place).tidy()
    assert before <= set(place.rglob("*"))
    assert {path.read_text() for path in before if path.is_file()} == {"mine"}
