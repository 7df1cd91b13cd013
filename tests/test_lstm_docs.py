"""docs/lstm.md: its sums are right, and it agrees with docs/gates.md. The worksheet answers what it asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from afterword.operations.train import train
from benchmarks.subjects import ASKED, TRAIN

DOCS = Path(__file__).parents[1] / "docs"
LESSON, SHEET, GATES = ((DOCS / name).read_text(encoding="utf-8") for name in ("lstm.md", "lstm-sheet.md", "gates.md"))


def gradients(page: str, columns: slice) -> dict[str, list[str]]:
    """The gradients of the page's table by k, without their errors."""
    rows = re.findall(r"^\| ([\d,]+) \| (.*) \|$", page, re.MULTILINE)
    return {k: [cell.split(" ±")[0] for cell in cells.split(" | ")][columns] for k, cells in rows}


def test_the_gradients_are_those_that_the_page_of_the_horizon_measured() -> None:
    here, there = gradients(LESSON, slice(2)), gradients(GATES, slice(2, 4))
    assert len(here) >= 5
    assert here.items() <= there.items()


def test_the_code_computes_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = LESSON.split("```python\n")[1].split("```")[0]
    exec(code, {})
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[1].strip()


def test_the_worksheet_answers_what_it_asks() -> None:
    asked, answered = (re.findall(r"^\d+\. ", part, re.MULTILINE) for part in SHEET.split("<details>"))
    assert asked == answered


@pytest.mark.slow
def test_the_plain_network_expects_no_subject_after_the_first_sentence() -> None:
    assert TRAIN in LESSON
    assert TRAIN.replace("--steps", "--cell rnn --steps").replace("--out subjects", "--out plain") in LESSON
    sizes: dict[str, Any] = {"hidden_size": 128, "batch_size": 16, "dropout": 0.0, "learning_rate": 0.014, "threads": 1}
    plain = train(DOCS / "subjects.txt", cell="rnn", steps=3500, ngram=0, **sizes)
    before, after = (plain.keeps(text, "Divya", after=".") for text in ASKED)
    assert before.expected["Divya"] < 0.3
    assert after.expected["Reena"] > 0.5
