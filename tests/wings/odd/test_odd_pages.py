"""What docs/lines.md shows of odd lines: programs that judge lines in bulk, and sessions of events."""

from __future__ import annotations

import ast
import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import afterword
from afterword.language_model import LanguageModel
from afterword.operations.train import train
from benchmarks.bulk import NUMBERING, ODD, RAY, SPARK, TWO
from tests.test_docs import DOCS, place, ran

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


@pytest.mark.slow
def test_the_odd_lines_come_first_and_the_next_event_is_a_whole_one(place: Path) -> None:
    runpy.run_path(str(DOCS / "make_log.py"))
    listed = re.findall(r"^today.log:(\d+): ", ran("odd", "good.log", "today.log"), re.MULTILINE)
    assert {*listed[:5]} == {"41", "91", "151", "201", "261"}
    script = runpy.run_path(str(DOCS / "make_sessions.py"), run_name="__main__")
    printed = ran("odd", "sessions.txt", "today.txt", "--out", "shop")
    assert {"41", "111", "181", "251"} <= {*re.findall(r"^today.txt:(\d+): ", printed, re.MULTILINE)[:10]}
    prompt = ["--prompt", "home search product", "--max-tokens", "1", "--json", "--log-probabilities", "5"]
    (piece,) = json.loads(ran("generate", "shop", *prompt))["pieces"]
    assert {one["text"] for one in piece["alternatives"]} <= {"", *(f" {event}" for event in script["NEXT"])}
    written = ran("generate", "shop", "--num", "100", "--temperature", "1").split()
    unknown = [event for event in written if event not in script["NEXT"]]  # about one in 700 is two events in one
    assert len(unknown) < len(written) / 50
