"""`afterword.train` as Python calls it: what it refuses, and what it shows where."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.errors import InputError
from tests.bases.small import base_of, save
from tests.processes import finished
from tests.terminals import on_a_terminal

TRAIN = "import afterword; afterword.train('book.txt', steps=8, hidden_size=8, threads=1)"


class Place(os.PathLike[str]):
    """A path of another library, which does not tell itself as a string."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"the {k}th line of a book\n" for k in range(90)))
    monkeypatch.chdir(tmp_path)
    return path


def test_it_is_silent_where_nobody_looks(book: Path) -> None:
    silent = finished([sys.executable, "-c", TRAIN])
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, b"", b"")


def test_it_shows_a_bar_and_its_notes_on_a_terminal(book: Path) -> None:
    status, shown = on_a_terminal(sys.executable, "-c", TRAIN)
    assert status == 0
    assert "100 % " in shown
    assert " ━━━" in shown  # rich 13.0 puts two spaces before it
    assert "note: " in shown


def test_who_takes_the_reports_sees_no_bar(book: Path) -> None:
    call = TRAIN.replace("steps", "on_progress=lambda report: print('step', report.step), steps")
    status, shown = on_a_terminal(sys.executable, "-c", call)
    assert status == 0
    assert shown.split() == [word for step in range(1, 9) for word in ("step", str(step))]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"texts": None}, "texts= must be a path, not None"),
        ({"texts": ["book.txt", 5]}, "texts= must be a path, not 5"),
        ({"validation": True}, "validation= must be a path, not True"),
        ({"base": b"english"}, "base= must be a path, not b'english'"),
        ({"base": Path("none/here")}, "base: no model at none/here: no such folder"),
        ({"validation": 1.5}, "validation must be a fraction above 0 and below 1"),
    ],
)
def test_arguments_of_the_wrong_type_are_refused_in_plain_words(
    arguments: dict[str, Any], says: str, book: Path
) -> None:
    with pytest.raises(InputError, match=says):
        afterword.train(**{"texts": "book.txt", **arguments})
    assert os.listdir(book.parent) == ["book.txt"]


@pytest.mark.parametrize("kind", [str, Path, Place])
def test_a_base_is_a_name_or_a_path(book: Path, kind: Callable[[Path], Any]) -> None:
    base = save(book.parent / "friend", base_of("\n abefhiklnot"))
    begun = afterword.train(book, steps=1, threads=1, base=kind(base))
    assert begun.info()["base"]["name"] == "friend"
    assert begun.config.hidden_size == 6
    assert afterword.train(book, steps=1, hidden_size=8, threads=1, base="none").info()["base"] is None


def test_validation_is_a_share_or_a_path(book: Path) -> None:
    part = book.with_name("part.txt")
    part.write_text("a line of another book\n" * 20)
    for validation, characters in ((0.25, 538), (part, 460), (Place(part), 460)):
        model = afterword.train(book, steps=1, hidden_size=8, threads=1, validation=validation)
        held_out = model.about["corpus"]["validation"]["characters"]
        assert held_out == characters
