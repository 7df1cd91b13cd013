"""Laws of the mean of models: its weights are the mean of theirs, and its held-out cost is measured, not copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import afterword
from bases.making import mean

SAID = "abc cab bac " * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "text.txt").write_text(SAID * 10)
    settings: dict[str, Any] = {"batch_size": 2, "seq_length": 8, "ngram": 0, "threads": 1}
    afterword.train(folder / "text.txt", out=folder / "earlier", base="none", hidden_size=8, steps=3, **settings)
    afterword.train(folder / "text.txt", out=folder / "later", base=folder / "earlier", steps=3, **settings)
    afterword.train(folder / "text.txt", out=folder / "other", base="none", hidden_size=9, steps=1, **settings)
    return folder


def averaged(folder: Path, models: list[str], out: Path) -> Any:
    places = [*(str(folder / name) for name in models), str(out), "--text", str(folder / "text.txt")]
    return CliRunner().invoke(mean.main, places)


@pytest.mark.parametrize("names", [["earlier", "later"], ["earlier", "later", "later"]])
def test_weights_are_the_mean_and_the_cost_is_measured(folder: Path, names: list[str], tmp_path: Path) -> None:
    assert (made := averaged(folder, names, tmp_path / "mean")).exit_code == 0, made.output
    models, model = [afterword.load(folder / name).saved.weights for name in names], afterword.load(tmp_path / "mean")
    for name, weight in model.saved.weights.items():
        assert np.allclose(weight, np.mean([weights[name] for weights in models], axis=0), atol=1e-6)
    cost = model.score((folder / "text.txt").read_text()).bits_per_character
    assert model.about["validation"]["bits_per_character"] == pytest.approx(cost, rel=1e-4)
    assert f"{cost:.3f} bits per character" in made.output


def test_what_is_there_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    made = averaged(folder, ["earlier", "later"], tmp_path)
    assert made.exit_code == 2
    assert "name a new folder" in made.output
    assert (tmp_path / "README.md").read_text() == "mine"
