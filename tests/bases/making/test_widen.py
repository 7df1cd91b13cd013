"""Law of widening a base: it predicts what it predicted before, and a run can begin from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import afterword
from bases.making import widen

SAID = "abc cab bac " * 9


def test_a_widened_model_predicts_the_same_and_learns_on(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(SAID * 20)
    settings: dict[str, Any] = {"steps": 2, "batch_size": 2, "seq_length": 8, "ngram": 0, "threads": 1}
    afterword.train(tmp_path / "text.txt", out=tmp_path / "narrow", base="none", hidden_size=8, **settings)
    made = CliRunner().invoke(widen.main, [str(tmp_path / "narrow"), "12", str(tmp_path / "wide")])
    assert made.exit_code == 0, made.output
    narrow, wide = (afterword.load(tmp_path / name) for name in ("narrow", "wide"))
    assert wide.info()["hidden_size"] == 12
    assert wide.score(SAID).nats == pytest.approx(narrow.score(SAID).nats, rel=1e-5)
    afterword.train(tmp_path / "text.txt", out=tmp_path / "run", base=tmp_path / "wide", **settings)
    weights = afterword.load(tmp_path / "run").saved.weights["lstm.weight_hh_l0"]
    assert np.any(weights.reshape(4, 12, 12)[:, :8, 8:])  # the old units read the new ones
