"""Benchmarks that can be run: each imports what exists, and draws its tables from the results that are kept."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import compare

ROOT = Path(__file__).parents[1]
COMMANDS = [
    *("tests.everywhere", "tests.hostile.attack"),
    *(
        f"{place.replace('/', '.')}.{path.stem}"
        for place in ("benchmarks", "bases/making")
        for path in sorted((ROOT / place).glob("*.py"))
        if "def main(" in path.read_text(encoding="utf-8")
    ),
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
        if row.startswith(("| the plan |", "| plan ÷ ")):  # the page leaves out the settings by hand
            assert all(f"| {cell.strip()} |" in figures for cell in row.split("|") if cell.strip()), row
    assert drawn("base").startswith("| ")  # its page has a choice of the columns


def test_the_page_and_picture_of_make_compare_are_drawn_from_the_rows_that_are_kept() -> None:
    rows, page = compare.newest(), compare.PAGE.read_text(encoding="utf-8")
    assert page.partition(compare.BEGIN)[2].partition(compare.END)[0] == compare.drawn(rows)
    assert compare.PAGE.with_name(compare.PICTURE).read_text(encoding="utf-8") == compare.picture(rows)
