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
from afterword.runs.folder import RunFolder
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


SOME: dict[str, Any] = {"steps": 2, "hidden_size": 8, "threads": 1, "base": "none"}
WORDS = [f"the {k}th line of a book" for k in range(90)]
FORMS: list[Any] = [
    "\n".join([*WORDS, ""]),
    [*WORDS[:40], "\n".join([*WORDS[40:], ""])],
    (f"{one}\n" for one in WORDS),
]


def fingerprint(run: Path) -> str:
    return str(RunFolder(run).read_record().fingerprint)


@pytest.mark.parametrize("text", FORMS, ids=["one", "several", "a generator"])
def test_a_text_in_memory_is_learned_from_as_its_file(book: Path, text: Any) -> None:
    model = afterword.train(text=text, out="given", **SOME)
    afterword.train(book, out="read", **SOME)
    assert fingerprint(Path("given")) == fingerprint(Path("read"))
    assert model.about["corpus"]["sources"] == ["text given in Python"]
    assert "# A model of text given in Python" in Path("given/model/README.md").read_text("utf-8")


@pytest.mark.parametrize("options", [{"lines": True}, {"labels": True}], ids=str)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"], ids=repr)
def test_each_string_is_a_line_of_a_model_of_lines(book: Path, options: dict[str, Any], ending: str) -> None:
    lines = [f"{'ab'[k % 2]}\tthe {k}th line of a book" for k in range(90)]
    book.write_text("\n".join([*lines, ""]), "utf-8")
    afterword.train(text=[line + ending for line in lines], out="given", **SOME, **options)
    afterword.train(book, out="read", **SOME, **options)
    assert fingerprint(Path("given")) == fingerprint(Path("read"))
    with pytest.raises(InputError, match=r"string 2 of text= has several lines, and lines= makes"):
        afterword.train(text=[lines[0], "\n".join(lines)], **SOME, **options)


def test_a_run_of_a_text_in_memory_goes_on_and_is_repeated_without_it_or_with_the_same(book: Path) -> None:
    text = book.read_text("utf-8")
    first = afterword.train(text=text, out="given", **SOME)
    more: list[dict[str, Any]] = [{}, {"text": text}]
    longer = [afterword.train(resume="given", **options).about for options in more]
    assert [about["training"]["steps"] for about in longer] == [2, 2]
    again = afterword.train(repeat="given", out="again")
    assert again.about["corpus"] == first.about["corpus"]
    for other, says in ((text[1:], "characters, and the text of the run given has"), (text[::-1], "not the same")):
        with pytest.raises(InputError, match=says):
            afterword.train(resume="given", text=other)
