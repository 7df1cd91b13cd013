"""`afterword novelty` through the real command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_main import error_line

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def book(run: Run, tmp_path: Path) -> Path:
    """A run on a text of numbered lines."""
    text = tmp_path / "book.txt"
    text.write_text("".join(f"The {k}th line of this book, and no more.\n" for k in range(120)))
    done = run(
        "train",
        text,
        "--base",
        "none",
        "--steps",
        "2",
        "--threads",
        "1",
        "--hidden-size",
        "8",
        "--out",
        tmp_path / "book",
    )
    assert done.returncode == 0, done.stderr.decode()
    return tmp_path / "book"


def test_what_is_written_stands_beside_what_was_held_out(book: Path, run: Run) -> None:
    found = json.loads(run("novelty", book, "--num", "3", "--max-tokens", "40", "--seed", "2", "--json").stdout)
    assert list(found) == ["learned_from", "judged", "held_out"]
    assert found["judged"]["characters"] == 120
    assert found["held_out"]["shares"]["20"] > 0.5
    shown = run("novelty", book, "--num", "3", "--max-tokens", "40", "--seed", "2")
    assert shown.returncode == 0, shown.stderr.decode()
    assert "in copies of 20+" in shown.stdout.decode()
    assert run("novelty", book, "-n", "3", "--max-tokens", "40", "--seed", "2").stdout == shown.stdout


def test_a_file_is_judged_in_place_of_what_is_written(book: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "copied.txt"
    file.write_text("Nobody wrote this. The 17th line of this book, and no more.\nNor this.\n")
    found = json.loads(run("novelty", book, file, "--json").stdout)["judged"]
    assert found["longest"] == "The 17th line of this book, and no more.\n"
    assert found["lines"] is None


def test_lines_are_told_by_themselves(run: Run, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{a}{b}{c}\n" for a in "abcd" for b in "aeiou" for c in "klmn"))
    done = run(
        "train",
        names,
        "--lines",
        "--base",
        "none",
        "--steps",
        "2",
        "--threads",
        "1",
        "--hidden-size",
        "8",
        "--out",
        tmp_path / "names",
    )
    assert done.returncode == 0, done.stderr.decode()
    file = tmp_path / "more.txt"
    file.write_text("xyz\nqqqqqqq\n")
    found = json.loads(run("novelty", tmp_path / "names", file, "--json").stdout)
    assert found["judged"]["lines"] == {"lines": 2, "exact": 0.0, "near": 0.0}
    assert found["held_out"]["lines"]["exact"] == 0
    assert found["held_out"]["lines"]["near"] == 1
    assert "but for one character" in run("novelty", tmp_path / "names", "-n", "20").stdout.decode()


def test_a_mistake_gets_one_line(book: Path, run: Run, tmp_path: Path) -> None:
    assert "is not available: give the folder of its run" in error_line(run("novelty", book / "model"))
    assert "no such folder" in error_line(run("novelty", tmp_path / "nothing"))
    assert "--num and FILE exclude each other" in error_line(run("novelty", book, "book.txt", "-n", "3"))
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    assert "the text to look for copies in is empty" in error_line(run("novelty", book, empty))
