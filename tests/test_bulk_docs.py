"""docs/lines.md: its code compiles, and scores as the model does. The engines themselves run in benchmarks/bulk.py."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.language_model import LanguageModel
from afterword.operations.train import train
from benchmarks.bulk import NUMBERING, ODD, RAY, SPARK, TWO

LINES = [f"{k % 7} files copied, {k} left" for k in range(1500)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the calibrated model `book`."""
    place = tmp_path_factory.mktemp("bulk")
    (place / "normal.txt").write_text("\n".join(LINES), encoding="utf-8")
    model = train(place / "normal.txt", lines=True, steps=8, hidden_size=8, threads=1)
    model.calibrated(LINES).save(place / "book")
    return place


def defined(*codes: str) -> dict[str, Any]:
    """The classes and functions of the page, and what they need of Afterword, without any engine."""
    names: dict[str, Any] = {}
    for code in codes:
        for statement in ast.parse(code).body:
            if isinstance(statement, ast.ClassDef | ast.FunctionDef) or ast.unparse(statement) == "import afterword":
                exec(ast.unparse(statement), names)
    return names


class Frame(dict[str, Any]):
    """As much of pandas' DataFrame as the page needs."""

    def assign(self, **columns: Any) -> Frame:
        return Frame(self | columns)


def test_the_code_of_the_page_compiles_and_says_its_workers_once() -> None:
    for code in (NUMBERING, RAY, ODD, SPARK):
        compile(code, "docs/lines.md", "exec")
    assert RAY.count(TWO) == 1


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.chdir(folder)
    return LanguageModel.load("book")


BATCH = {"line": np.array([7, 3, 5]), "text": np.array(["3 files copied, 4 left", "", "ERROR: héap\u2028"], object)}


def test_a_batch_of_the_page_is_scored_as_by_the_model(model: LanguageModel) -> None:
    names = defined(RAY, SPARK)
    found = names["Scorer"]()(BATCH)
    assert found["bits"] == [score.bits for score in model.score_lines(BATCH["text"])]
    (frame,) = names["score"](iter([Frame(BATCH)]))
    assert frame["bits"] == found["bits"]
    for out in (found, frame):
        assert list(out["line"]) == [7, 3, 5]
        assert list(out["text"]) == list(BATCH["text"])


def test_odd_lines_of_a_batch_are_those_of_the_model(model: LanguageModel) -> None:
    found = defined(RAY, ODD)["OddScorer"]()(BATCH)
    expected = model.odd_lines(BATCH["text"], 0.01)
    for name in ("bits", "figure", "p_value", "odd"):
        assert found[name] == [getattr(line, name) for line in expected]
    assert list(found["line"]) == [7, 3, 5]
