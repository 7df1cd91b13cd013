"""`afterword demo`, on a short text, from a tiny base and for a second."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.bases.installed import FOLDERS
from afterword.cli import main as command
from afterword.language_model import load
from afterword.operations import demo

SHORT = "BRUTUS.\nThe class statement makes a class, and no more.\n" * 90
Demo = Callable[[Path], int]


@pytest.fixture
def run_demo(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """Runs it into a folder, on a short text and with a tiny model for the base; returns the exit status."""
    play = tmp_path / demo.PLAY.name
    play.write_bytes(gzip.compress(SHORT.encode()))
    monkeypatch.setattr(demo, "PLAY", play)
    monkeypatch.setitem(FOLDERS, demo.BASE, model)

    def run_demo(out: Path) -> int:
        return left("demo", "--out", str(out), "--minutes", "0.01")

    return run_demo


def left(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        command.main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def train(name: str, out: Path) -> None:
    """Make a run of a text of that `name`."""
    text = out.parent.parent / name
    text.write_text(SHORT)
    size = ("--hidden-size", "4", "--threads", "1", "--base", "none")
    assert left("train", str(text), "--out", str(out), "--steps", "2", *size) == 0


def test_the_demo_shows_what_was_learned_from_where_in_place_of_an_earlier_one(
    tmp_path: Path, run_demo: Demo, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "in" / "demo"
    train("python-help.txt", out)
    train(demo.PLAY.name, out / demo.FROM_NOTHING)
    page = out / demo.PAGE
    page.write_text("the earlier one's")
    assert run_demo(out) == 0
    said = capfd.readouterr().out
    assert said.count("\nBRUTUS.\n") >= 3  # the samples
    assert f"open {page} in a browser" in said
    assert f"generate {out} --prompt" in said
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    both, alone = load(out), load(out / demo.FROM_NOTHING)
    assert [model.about["corpus"]["sources"] for model in (both, alone)] == [[demo.PLAY.name]] * 2
    assert both.info()["base"]["name"] == demo.BASE
    assert alone.info()["base"] is None


@pytest.mark.parametrize(
    ("texts", "refused"),
    [({"": "own.txt"}, ""), ({"": "python-help.txt", demo.FROM_NOTHING: "own.txt"}, demo.FROM_NOTHING)],
)
def test_no_other_run_is_replaced_nor_anything_begun(
    texts: dict[str, str], refused: str, tmp_path: Path, run_demo: Demo, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "in" / "demo"
    for place, name in texts.items():
        train(name, out / place)
    before = sorted(out.rglob("*"))
    capfd.readouterr()
    assert run_demo(out) == 2
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.startswith(f"error: {out / refused} holds a run")
    assert sorted(out.rglob("*")) == before


def test_the_play_ships_whole() -> None:
    play = gzip.decompress(demo.PLAY.read_bytes()).decode()
    assert play.startswith("JULIUS CAESAR\n\nby William Shakespeare\n")
    assert play.endswith("THE END")
    assert f"\n{demo.PROMPT}" in play


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n The first one of them. The second.", "The first one of them."),
        ("Short. And so it goes on! And", "Short. And so it goes on!"),
        ("no end of it", "no end of it"),
        ("a" * 300, "a" * 200),
        ("", "\n"),
    ],
)
def test_the_first_sentence_is_looked_at(text: str, sentence: str) -> None:
    assert demo.first_sentence(text) == sentence
