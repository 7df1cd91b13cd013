"""`afterword.train` as Python calls it: what it takes, and what it shows where."""

from __future__ import annotations

import os
import sys
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
SOME: dict[str, Any] = {"steps": 1, "hidden_size": 8, "threads": 1, "base": "none"}
WORDS = [f"the {k}th line of a book" for k in range(90)]
LABELLED = [f"{'ab'[k % 2]}\t{words}" for k, words in enumerate(WORDS)]


class Place(os.PathLike[str]):
    """A path of another library, which does not tell itself as a string."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("\n".join([*WORDS, ""]))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.usefixtures("book")
def test_it_shows_a_bar_and_its_notes_on_a_terminal_alone() -> None:
    silent = finished([sys.executable, "-c", TRAIN])
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, b"", b"")
    status, shown = on_a_terminal(sys.executable, "-c", TRAIN.replace("steps", "out='again', steps"))
    assert status == 0
    for part in ("100 % ", " ━━━", "note: "):
        assert part in shown


@pytest.mark.usefixtures("book")
def test_who_takes_the_reports_sees_no_bar() -> None:
    call = TRAIN.replace("steps", "on_progress=lambda report: print('step', report.step), steps")
    status, shown = on_a_terminal(sys.executable, "-c", call)
    assert status == 0
    assert shown.split() == [word for step in range(1, 9) for word in ("step", str(step))]


def test_a_base_and_what_is_held_out_are_named_by_any_path(book: Path) -> None:
    part, base = book.with_name("part.txt"), save(book.parent / "friend", base_of("\n abefhiklnot"))
    part.write_text("a line of another book\n" * 20)
    for kind in (str, Path, Place):
        begun = afterword.train(book, steps=1, threads=1, base=kind(base), validation=kind(part))
        assert begun.info()["base"]["name"] == "friend"
        assert begun.config.hidden_size == 6
        assert begun.about["corpus"]["validation"]["characters"] == 460
    alone = afterword.train(book, validation=0.25, **SOME)
    assert alone.info()["base"] is None
    assert alone.about["corpus"]["validation"]["characters"] == 538


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("text", "content", "options"),
    [
        ("\n".join([*WORDS, ""]), WORDS, {}),
        ([*WORDS[:40], "\n".join([*WORDS[40:], ""])], WORDS, {}),
        ((f"{one}\n" for one in WORDS), WORDS, {}),
        (WORDS, WORDS, {"lines": True}),
        ([f"{line}\n" for line in WORDS], WORDS, {"lines": True}),
        ([f"{line}\r\n" for line in LABELLED], LABELLED, {"labels": True}),
    ],
    ids=range(6),
)
def test_a_text_in_memory_is_learned_from_as_its_file(text: Any, content: list[str], options: dict[str, Any]) -> None:
    model = afterword.train(text=text, out="given", **SOME, **options)
    Path("book.txt").write_text("\n".join([*content, ""]))
    afterword.train("book.txt", out="read", **SOME, **options)
    assert RunFolder(Path("given")).read_record().fingerprint == RunFolder(Path("read")).read_record().fingerprint
    assert model.about["corpus"]["sources"] == ["text given in Python"]
    assert "# A model of text given in Python" in Path("given/model/README.md").read_text("utf-8")


def test_each_string_is_one_line_of_a_model_of_lines() -> None:
    kinds: list[dict[str, Any]] = [{"lines": True}, {"labels": True}]
    for options in kinds:
        with pytest.raises(InputError, match=r"string 2 of text= has several lines, and lines= makes"):
            afterword.train(text=[LABELLED[0], "\n".join(LABELLED)], **SOME, **options)


def test_a_run_of_a_text_in_memory_goes_on_and_is_repeated_without_it_or_with_the_same(book: Path) -> None:
    text = book.read_text("utf-8")
    first = afterword.train(text=text, out="given", **SOME)
    more: list[dict[str, Any]] = [{}, {"text": text}]
    for options in more:
        assert afterword.train(resume="given", **options).about["training"]["steps"] == 1
    again = afterword.train(repeat="given", out="again")
    assert again.about["corpus"] == first.about["corpus"]
    for other, says in ((text[1:], "characters, and the text of the run given has"), (text[::-1], "not the same")):
        with pytest.raises(InputError, match=says):
            afterword.train(resume="given", text=other)
