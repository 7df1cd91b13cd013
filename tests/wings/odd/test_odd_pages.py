"""What docs/bulk.md and docs/lines.md show of odd lines: batches that are judged, and sessions of events."""

from __future__ import annotations

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
from benchmarks.bulk import code_of_page
from tests.test_docs import DOCS, place, ran

__all__ = ["place"]


def test_a_batch_is_judged_by_the_program_for_other_engines_as_by_the_model(place: Path) -> None:
    Path("normal.txt").write_text("\n".join(f"{k % 7} files copied, {k} left" for k in range(1500)), encoding="utf-8")
    lines = Path("normal.txt").read_text(encoding="utf-8").splitlines()
    model = train("normal.txt", lines=True, base="none", steps=8, hidden_size=8, threads=1)
    afterword.calibrated(model, lines).save("book")
    model, names = LanguageModel.load("book"), dict[str, Any]()
    exec(code_of_page()["Odd lines, labels, texts"][0], names)
    texts = ["3 files copied, 4 left", "", "ERROR: héap\u2028"]
    odd = names["OddScorer"]("book")({"line": np.array([7, 3, 5]), "text": np.array(texts, object)})
    assert [*odd["line"]] == [7, 3, 5]
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
