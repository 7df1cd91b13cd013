"""Benchmarks that can be run: each imports what exists, and draws its tables from the results that are kept."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.unwrap import all_lines_joined, verse_joined
from benchmarks.writing import trigrams

ROOT = Path(__file__).parents[1]
COMMANDS = [
    f"{place.replace('/', '.')}.{path.stem}"
    for place in ("benchmarks", "bases/making")
    for path in sorted((ROOT / place).glob("*.py"))
    if "def main(" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_is_a_command_that_explains_itself(name: str) -> None:
    command = importlib.import_module(name).main
    assert isinstance(command, click.Command)
    found = CliRunner().invoke(command, ["--help"])
    assert found.exit_code == 0, found.output
    assert name in found.output


def drawn(name: str) -> str:
    found = CliRunner().invoke(importlib.import_module(f"benchmarks.{name}").main, ["table"], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_tables_are_drawn_from_the_results_that_are_kept() -> None:
    figures = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert drawn("quality").strip() in figures
    for row in drawn("plan").strip().splitlines():
        assert row in figures or row.startswith("| expected "), row  # which today's plan gives, not that of the grid
    assert drawn("base").startswith("| ")  # its page has a choice of the columns


def test_the_suggestions_of_trigrams_are_ranked_by_the_longest_known_context() -> None:
    suggest = trigrams(re.findall(r"\w+", "a dog ran and a dog ran and a dog sat and the cat sat"))
    assert suggest(["a", "dog"])[:2] == ["ran", "sat"]
    assert suggest(["the", "dog"])[:2] == ["ran", "sat"]  # two words of the text that were never together
    assert suggest([])[0] in ("a", "and", "dog")
    assert len(suggest(["unknown"])) == 7 == len({*suggest(["a", "dog"])})


def test_joined_lines_are_counted_by_what_a_tool_changes() -> None:
    text = "one two\n\nthree four five"
    assert all_lines_joined((text, "one\ntwo\n\nthree\nfour\nfive"), lambda folded: folded) == (0, 3)
    assert all_lines_joined((text, "one\ntwo\n\nthree\nfour\nfive"), lambda folded: text) == (3, 3)
    assert verse_joined("The one\nThe two\n\nhow three\n  The four", lambda text: "The one\nThe two\n\n") == (1, 2)
