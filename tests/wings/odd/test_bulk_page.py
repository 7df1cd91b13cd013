"""The programs of docs/lines.md that judge lines in bulk."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np

import afterword
from afterword.language_model import LanguageModel
from afterword.operations.train import train
from benchmarks.bulk import NUMBERING, ODD, RAY, SPARK, TWO
from tests.test_pages import place

__all__ = ["place"]


class Frame(dict[str, Any]):
    """As much of pandas' DataFrame as the page of bulk scoring needs."""

    def assign(self, **columns: Any) -> Frame:
        return Frame(self | columns)


def test_a_batch_is_scored_by_the_programs_for_other_engines_as_by_the_model(place: Path) -> None:
    """The engines themselves run in benchmarks/bulk.py."""
    Path("normal.txt").write_text("\n".join(f"{k % 7} files copied, {k} left" for k in range(1500)), encoding="utf-8")
    lines = Path("normal.txt").read_text(encoding="utf-8").splitlines()
    model = train("normal.txt", lines=True, base="none", steps=8, hidden_size=8, threads=1)
    afterword.calibrated(model, lines).save("book")
    model, names = LanguageModel.load("book"), dict[str, Any]()
    for code in (NUMBERING, RAY, ODD, SPARK):
        compile(code, "docs/lines.md", "exec")
        for statement in ast.parse(code).body:  # without any engine
            if isinstance(statement, ast.ClassDef | ast.FunctionDef) or ast.unparse(statement) == "import afterword":
                exec(ast.unparse(statement), names)
    assert RAY.count(TWO) == 1
    texts = ["3 files copied, 4 left", "", "ERROR: héap\u2028"]
    batch = {"line": np.array([7, 3, 5]), "text": np.array(texts, object)}
    scored, odd = names["Scorer"]()(batch), names["OddScorer"]()(batch)
    (frame,) = names["score"](iter([Frame(batch)]))
    assert [*scored["bits"]] == [*frame["bits"]] == [score.bits for score in model.score_lines(texts)]
    for out in (scored, frame, odd):
        assert [*out["line"]] == [7, 3, 5]
    expected = afterword.odd_lines(model, texts, 0.01)
    for name in ("bits", "figure", "p_value", "odd"):
        assert [*odd[name]] == [getattr(line, name) for line in expected]
