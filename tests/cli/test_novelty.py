"""`afterword novelty` through the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.operations.train import train
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

BOOK = "".join(f"The {k}th line of this book, and no more.\n" for k in range(120))
NAMES = "".join(f"{a}{b}{c}\n" for a in "abcd" for b in "aeiou" for c in "klmn")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: book, on a text of numbered lines, and names, on short lines."""
    place = tmp_path_factory.mktemp("novelty")
    for name, text in (("book", BOOK), ("names", NAMES)):
        (place / f"{name}.txt").write_text(text)
        source, out = place / f"{name}.txt", place / name
        train(source, out=out, lines=name == "names", base="none", steps=2, threads=1, hidden_size=8)
    return place


def test_what_is_written_stands_beside_what_was_held_out(place: Path, run: Run) -> None:
    options = ("--temperature", "0.5", "--seed", "2")
    found = records(run("novelty", place / "book", "--num", "3", *options, "--json"))[0]
    assert list(found) == ["learned_from", "judged", "held_out"]
    written = load(place / "book").samples(num=3, seed=2, temperature=0.5)
    assert found["judged"]["characters"] == sum(len(sample.text) for sample in written)
    assert found["held_out"]["shares"]["20"] > 0.5
    shown = fine(run("novelty", place / "book", "-n", "3", *options))
    assert "in copies of 20+" in shown.stdout.decode()


def test_a_file_is_judged_in_place_of_what_is_written(place: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "copied.txt"
    file.write_text("Nobody wrote this. The 17th line of this book, and no more.\nNor this.\n")
    found = json.loads(run("novelty", place / "book", file, "--json").stdout)["judged"]
    assert (found["longest"], found["lines"]) == ("The 17th line of this book, and no more.\n", None)
    file.write_text("")
    assert "the text to look for copies in is empty" in error_line(run("novelty", place / "book", file))


def test_lines_are_told_by_themselves(place: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "more.txt"
    file.write_text("xyz\nqqqqqqq\n")
    found = records(run("novelty", place / "names", file, "--json"))[0]
    assert found["judged"]["lines"] == {"lines": 2, "exact": 0.0, "near": 0.0}
    assert (found["held_out"]["lines"]["exact"], found["held_out"]["lines"]["near"]) == (0, 1)
    assert "but for one character" in run("novelty", place / "names", "-n", "20").stdout.decode()
