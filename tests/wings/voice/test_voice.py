"""`afterword voice` through the real command, and in Python."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import afterword
from afterword.operations.train import train
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

OWN = "".join(f"We went to the {k}th hill, and the wind was cold. Nobody spoke.\n\n" for k in range(120))
OTHERS = "".join(f"You may buy {k} pens; ask for a free pack today! It is all yours.\n\n" for k in range(120))
DRAFT = "We went to the old hill, and the wind was cold.\n\nYou may buy pens; ask for a free pack today!\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, a run that began from it, and a draft."""
    place = tmp_path_factory.mktemp("voice")
    (place / "others.txt").write_text(OTHERS)
    (place / "own.txt").write_text(OWN)
    (place / "draft.txt").write_text(DRAFT)
    train(place / "others.txt", out=place / "base", base="none", steps=60, threads=1, hidden_size=16, num_layers=1)
    train(place / "own.txt", out=place / "own", base=place / "base", steps=60, threads=1)
    return place


def test_sentences_of_the_writer_are_closer_than_others(place: Path, run: Run) -> None:
    options = ("--against", place / "base", "--json")
    text, *parts = records(run("voice", place / "own", place / "draft.txt", *options))
    assert [text["part"], *(one["part"] for one in parts)] == ["text", *["paragraph", "sentence"] * 2]
    [mine, theirs] = [one for one in parts if one["part"] == "sentence"]
    assert mine["gain"] > 0 > theirs["gain"]
    assert theirs["place"] == 0
    assert theirs["says"].startswith("less like you than 100% of your own (")
    assert theirs["text"] == DRAFT[theirs["start"] :][: theirs["characters"]]
    assert "".join(word["text"] for word in mine["words"]) == "Wewenttotheoldhillandthewindwascold"
    assert "too short to judge" in text["says"]
    assert text["margin_of_error"] is None
    assert [DRAFT[start:stop] for start, stop in text["copies"]] == [
        "We went to the ",
        " hill, and the wind was cold.",
    ]
    table = fine(run("voice", place / "own", place / "draft.txt", *options[:2], "--csv")).stdout.decode()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [one["text"] for one in rows] == [DRAFT, *(one["text"] for one in parts)]
    shown = fine(run("voice", place / "own", place / "draft.txt", *options[:2])).stdout.decode()
    assert theirs["says"] in shown


def test_a_long_text_has_a_margin_of_error_and_own_text_can_be_given(place: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(OWN[-3000:])
    [text, *_] = afterword.voice(place / "own", tmp_path / "long.txt", own=place / "own.txt", against=place / "base")
    assert "too short" not in text.says
    assert isinstance(text.margin_of_error, float)
    assert text.own_gain == pytest.approx(text.gain, abs=text.margin_of_error + 0.05)


def test_the_page_shows_the_draft_and_only_the_draft(place: Path, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ("--against", place / "base", "--html", page)
    fine(run("voice", place / "own", place / "draft.txt", *options))
    html = page.read_text()
    assert "<script" not in html
    assert "<u>We</u>" in html
    assert "less like you than 100% of your own" in html
    assert "exists already" in error_line(run("voice", place / "own", place / "draft.txt", *options))


def test_wrong_input_gets_its_line(place: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.txt").write_text(" \n\n")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    against = ("--against", place / "base")

    def error(*arguments: str | Path) -> str:
        return error_line(run("voice", *arguments))

    for name in ("empty.txt", "blank.txt"):
        assert "is empty: there is nothing to score" in error(place / "own", tmp_path / name, *against)
        assert f"{name} is empty" in error(place / "own", place / "draft.txt", "--own", tmp_path / name, *against)
        assert "is empty" in error(place / "own", tmp_path / name, "--own", place / "draft.txt")  # before slow work
    assert "invalid" in error(place / "own", tmp_path / "binary", *against)
    nothing = ("--against", tmp_path / "none")
    assert "name the model to compare with: --against" in error(place / "own", place / "draft.txt", *nothing)


def test_a_short_draft_is_read_and_said_to_be_short(place: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("We went to the hill.")
    found = fine(run("voice", place / "own", tmp_path / "short.txt", "--against", place / "base", "--json"))
    assert "20 characters are too short to judge" in json.loads(found.stdout.splitlines()[0])["says"]
