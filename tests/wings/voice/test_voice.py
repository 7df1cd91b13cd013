"""`afterword voice` through the real command, and in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.operations.train import train
from tests.cli.answers import printed, records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

OWN = "".join(f"We went to the {k}th hill, and the wind was cold. Nobody spoke.\n\n" for k in range(120))
OTHERS = "".join(f"You may buy {k} pens; ask for a free pack today! It is all yours.\n\n" for k in range(120))
DRAFT = "We went to the old hill, and the wind was cold.\n\nYou may buy pens; ask for a free pack today!\n"
SMALL: dict[str, Any] = {"threads": 1, "batch_size": 8, "seq_length": 64}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, a run that began from it, and a draft."""
    place = tmp_path_factory.mktemp("voice")
    for name, text in (("others", OTHERS), ("own", OWN), ("draft", DRAFT)):
        (place / f"{name}.txt").write_text(text)
    train(place / "others.txt", out=place / "base", base="none", steps=60, hidden_size=16, num_layers=1, **SMALL)
    train(place / "own.txt", out=place / "own", base=place / "base", steps=60, **SMALL)
    return place


def test_sentences_of_the_writer_are_closer_than_others(place: Path, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    asked = ("voice", place / "own", place / "draft.txt", "--against", place / "base")
    text, *parts = records(run(*asked, "--json", "--html", page))
    assert [text["part"], *(one["part"] for one in parts)] == ["text", *["paragraph", "sentence"] * 2]
    [mine, theirs] = [one for one in parts if one["part"] == "sentence"]
    assert mine["gain"] > 0 > theirs["gain"]
    assert theirs["place"] == 0
    assert theirs["says"].startswith("less like you than 100% of your own (")
    assert theirs["text"] == DRAFT[theirs["start"] :][: theirs["characters"]]
    assert "".join(word["text"] for word in mine["words"]) == "Wewenttotheoldhillandthewindwascold"
    assert "94 characters are too short to judge" in text["says"]
    assert text["margin_of_error"] is None
    assert [DRAFT[slice(*copy)] for copy in text["copies"]] == ["We went to the ", " hill, and the wind was cold."]
    assert theirs["says"] in printed(run(*asked))
    html = page.read_text()
    assert "<script" not in html
    assert "<u>We</u>" in html
    assert "less like you than 100% of your own" in html
    assert "exists already" in error_line(run(*asked, "--html", page))


def test_a_long_text_has_a_margin_of_error_and_own_text_can_be_given(place: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(OWN[-3000:])
    [text, *_] = afterword.voice(place / "own", tmp_path / "long.txt", own=place / "own.txt", against=place / "base")
    assert "too short" not in text.says
    assert isinstance(text.margin_of_error, float)
    assert text.own_gain == pytest.approx(text.gain, abs=text.margin_of_error + 0.05)


def test_wrong_input_gets_its_line(place: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "blank.txt").write_text(" \n\n")
    own, draft, blank = place / "own", place / "draft.txt", tmp_path / "blank.txt"
    for arguments, says in (
        ((blank, "--against", place / "base"), "is empty: there is nothing to score"),
        ((draft, "--against", place / "base", "--own", blank), "blank.txt is empty"),
        ((blank, "--own", draft), "is empty"),  # before slow work
        ((draft, "--against", tmp_path / "none"), "name the model to compare with: --against"),
    ):
        assert says in error_line(run("voice", own, *arguments))
