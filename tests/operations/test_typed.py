"""A user's mistakes in calls of operations are found by mypy, before anything runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.processes import finished

RIGHT = ['load("book", engine="fast")', 'compare("a", ["b", "c"], file="x", lines=True, top=3)', 'train("x", steps=5)']
WRONG = [
    "generate()",  # each operation takes its arguments,
    'score("book", "x", topp=1)',  # its options by their names,
    'generate("book", max_token=9)',
    'train("x", minutes="hot")',  # and each option what it is of
    'train("x", lines="yes")',
    'train("x", steps="5")',
    'train("x", cell="nosuch")',
    'score("book", "x", using="nosuch")',
    'load("book", engine="fst")',
    'load("x").generate(temperature="hot")',
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mypy_finds_mistakes_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "calls.py"
    file.write_text("\n".join(["import afterword", *(f"afterword.{call}" for call in RIGHT + WRONG), ""]), "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)]
    found = finished(command, cwd=Path(__file__).parents[2]).stdout.decode()
    lines = {int(line) for line in re.findall(r"calls\.py:(\d+): error", found)}
    first = 2 + len(RIGHT)
    assert lines == set(range(first, first + len(WRONG))), found
