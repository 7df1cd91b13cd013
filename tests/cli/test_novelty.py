"""`afterword novelty` through the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.operations.train import train
from tests.cli.answers import fine, records
from tests.cli.conftest import Run

BOOK = "".join(f"The {k}th line of this book, and no more.\n" for k in range(120))
NAMES = "".join(f"{a}{b}{c}\n" for a in "abcd" for b in "aeiou" for c in "klmn")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: book, on a text of numbered lines, and names, on short lines."""
    place = tmp_path_factory.mktemp("novelty")
    for name, text in (("book", BOOK), ("names", NAMES)):
        train(text=text, out=place / name, lines=name == "names", base="none", steps=2, threads=1, hidden_size=8)
    return place


def test_what_is_written_or_in_a_file_stands_beside_what_was_held_out(runs: Path, run: Run, tmp_path: Path) -> None:
    options = ("--num", "3", "--temperature", "0.5", "--seed", "2", "--json")
    [found] = records(run("novelty", runs / "book", *options))
    assert list(found) == ["learned_from", "judged", "held_out"]
    samples = load(runs / "book").samples(num=3, seed=2, temperature=0.5)
    assert found["judged"]["characters"] == sum(len(sample.text) for sample in samples)
    assert found["held_out"]["shares"]["20"] > 0.5
    (tmp_path / "copied").write_text("Nobody wrote this. The 17th line of this book, and no more.\nNor this.\n")
    [of_file] = records(run("novelty", runs / "book", tmp_path / "copied", "--json"))
    judged = of_file["judged"]
    assert (judged["longest"], judged["lines"]) == ("The 17th line of this book, and no more.\n", None)
    assert of_file["held_out"] == found["held_out"]


def test_lines_are_judged_by_themselves(runs: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("xyz\nqqqqqqq\n")
    [found] = records(run("novelty", runs / "names", tmp_path / "lines", "--json"))
    assert found["judged"]["lines"] == {"lines": 2, "exact": 0.0, "near": 0.0}
    assert (found["held_out"]["lines"]["exact"], found["held_out"]["lines"]["near"]) == (0, 1)
    assert "but for one character" in fine(run("novelty", runs / "names", "-n", "20")).stdout.decode()
