"""Laws of models made of models: the mean of several has the mean of their weights, a wider one predicts the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import afterword
from bases.making import mean, widen

SAID = "abc cab bac " * 40
SETTINGS: dict[str, Any] = {"batch_size": 2, "seq_length": 8, "ngram": 0, "threads": 1, "steps": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "text.txt").write_text(SAID)
    afterword.train(text=SAID, out=folder / "earlier", base="none", hidden_size=8, **SETTINGS)
    afterword.train(text=SAID, out=folder / "later", base=folder / "earlier", **SETTINGS)
    return folder


def averaged(folder: Path, models: list[str], out: Path) -> Result:
    places = [*(str(folder / name) for name in models), str(out), "--text", str(folder / "text.txt")]
    return CliRunner().invoke(mean.main, places)


@pytest.mark.parametrize("names", [["earlier", "later"], ["earlier", "later", "later"]])
def test_weights_are_the_mean_and_the_cost_is_measured(folder: Path, names: list[str], tmp_path: Path) -> None:
    assert (made := averaged(folder, names, tmp_path / "mean")).exit_code == 0, made.output
    models, model = [afterword.load(folder / name).saved.weights for name in names], afterword.load(tmp_path / "mean")
    for name, weight in model.saved.weights.items():
        assert np.allclose(weight, np.mean([weights[name] for weights in models], axis=0), atol=1e-6)
    cost = model.score(SAID).bits_per_character
    assert model.about["validation"]["bits_per_character"] == pytest.approx(cost, rel=1e-4)
    assert f"{cost:.3f} bits per character" in made.output


def test_what_is_there_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    made = averaged(folder, ["earlier", "later"], tmp_path)
    assert made.exit_code == 2
    assert "name a new folder" in made.output
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_widened_model_predicts_the_same_and_learns_on(folder: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(widen.main, [str(folder / "earlier"), "12", str(tmp_path / "wide")])
    assert made.exit_code == 0, made.output
    narrow, wide = afterword.load(folder / "earlier"), afterword.load(tmp_path / "wide")
    assert wide.info()["hidden_size"] == 12
    assert wide.score(SAID).nats == pytest.approx(narrow.score(SAID).nats, rel=1e-5)
    learned = afterword.train(text=SAID, out=tmp_path / "run", base=tmp_path / "wide", **SETTINGS)
    weights = learned.saved.weights["lstm.weight_hh_l0"]
    assert np.any(weights.reshape(4, 12, 12)[:, :8, 8:])  # the old units read the new ones
