"""Parts of a model that do not fit together, and places that it does not take."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import ModelError, OptionError
from afterword.model.folder import saved
from afterword.model.folder.calibration import check_false_alarms
from afterword.model.folder.defaults import WINDOWS
from afterword.model.folder.saved import SavedModel, check_replaceable, load_model, save_model
from afterword.model.ngram.tables import Ngram
from tests.tiny import save_tiny


@pytest.fixture
def model(tmp_path: Path) -> SavedModel:
    return load_model(save_tiny(tmp_path / "tiny"))


def windowed(model: SavedModel, text: Any) -> dict[str, Any]:
    return {"config": replace(model.config, window=4), "writing": WINDOWS, "text": text}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda model: {"config": replace(model.config, byte_tokens=9)}, "the last shared by 256 tokens; its network"),
        (lambda model: {"unseen": [99]}, "unseen must be rows from 0 to"),
        (lambda model: {"writing": WINDOWS}, "belongs only to a model that reads windows"),
        (lambda model: {"ngram": Ngram.learn(np.arange(9), 9, 8, 8)}, "its n-gram has 9 rows and its tokenizer"),
        (lambda model: {"about": {**model.about, "labels": {}}}, "labels must be null, or count"),
        (lambda model: windowed(model, np.zeros(3, np.int32)), "must be 4 or more rows from 0"),
    ],
)
def test_parts_that_do_not_fit_are_not_saved(wrong: Callable[[Any], Any], why: str, model: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=why):
        save_model(tmp_path / "new", replace(model, **wrong(model)), "# Wrong")
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_and_one_of_other_files_are_not_replaced(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_replaceable(tmp_path / "tiny")
    with pytest.raises(ModelError, match="which is not a model's folder: no model at"):
        check_replaceable(tmp_path)
    monkeypatch.chdir(tmp_path / "tiny")
    with pytest.raises(ModelError, match="the folder is in use; name a new one"):
        check_replaceable(tmp_path / "tiny")


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = saved._read

    def late(place: Path, folder: Path) -> SavedModel:
        monkeypatch.setattr(saved, "_read", read)
        found = read(place, folder)
        shutil.rmtree(folder)
        save_tiny(folder, lines=True)
        return found

    monkeypatch.setattr(saved, "_read", late)
    assert load_model(tmp_path / "tiny").about["lines"]


@pytest.mark.parametrize("rate", [0, 1, 2, float("nan")])
def test_a_rate_of_false_alarms_is_a_probability(rate: float) -> None:
    with pytest.raises(OptionError, match="from 1e-09 to below 1, not"):
        check_false_alarms(rate)
