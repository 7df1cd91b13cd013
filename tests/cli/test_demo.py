"""`afterword demo`, on a short text, from a tiny base and for a second."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from afterword.bases.installed import FOLDERS
from afterword.language_model import load
from afterword.operations import demo
from afterword.operations.train import train
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

SHORT = "BRUTUS.\nThe class statement makes a class, and no more.\n" * 90


@pytest.fixture
def out(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the demo of a short text, with a tiny model for the base."""
    play = tmp_path / demo.PLAY.name
    play.write_bytes(gzip.compress(SHORT.encode()))
    monkeypatch.setattr(demo, "PLAY", play)
    monkeypatch.setitem(FOLDERS, demo.BASE, model)
    return tmp_path / "in" / "demo"


def trained(name: str, out: Path) -> None:
    """Make a run of a text of that `name`."""
    text = out.parent.parent / name
    text.write_text(SHORT)
    train(text, out=out, steps=1, hidden_size=4, threads=1, base="none", overwrite=out.exists())


def test_the_demo_shows_what_was_learned_from_where_in_place_of_an_earlier_one(out: Path, run: Run) -> None:
    trained("python-help.txt", out)
    trained(demo.PLAY.name, out / demo.FROM_NOTHING)
    page = out / demo.PAGE
    page.write_text("the earlier one's")
    said = fine(run("demo", "--out", out, "--minutes", "0.002")).stdout.decode()
    assert said.count("\nBRUTUS.\n") >= 3  # the samples
    assert f"open {page} in a browser" in said
    assert f"generate {out} --prompt" in said
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    for place, base in ((out, demo.BASE), (out / demo.FROM_NOTHING, None)):
        assert load(place).about["corpus"]["sources"] == [demo.PLAY.name]
        assert (load(place).info()["base"] or {}).get("name") == base


def test_no_other_run_is_replaced_nor_anything_begun(out: Path, run: Run) -> None:
    trained("python-help.txt", out)
    for taken in (out / demo.FROM_NOTHING, out):
        trained("own.txt", taken)
        before = sorted(out.rglob("*"))
        assert error_line(run("demo", "--out", out)).startswith(f"{taken} holds a run")
        assert sorted(out.rglob("*")) == before


def test_the_play_ships_whole() -> None:
    play = gzip.decompress(demo.PLAY.read_bytes()).decode()
    assert play.startswith("JULIUS CAESAR\n\nby William Shakespeare\n")
    assert play.endswith("THE END")
    assert f"\n{demo.PROMPT}" in play
