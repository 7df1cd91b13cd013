"""`afterword demo`, on a short text, from a tiny base and for a second."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
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
Demo = Callable[[Path], "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run_demo(tmp_path: Path, model: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """Runs it into a folder, on a short text and with a tiny model for the base."""
    play = tmp_path / demo.PLAY.name
    play.write_bytes(gzip.compress(SHORT.encode()))
    monkeypatch.setattr(demo, "PLAY", play)
    monkeypatch.setitem(FOLDERS, demo.BASE, model)
    return lambda out: run("demo", "--out", out, "--minutes", "0.01")


def trained(name: str, out: Path) -> None:
    """Make a run of a text of that `name`."""
    text = out.parent.parent / name
    text.write_text(SHORT)
    train(text, out=out, steps=2, hidden_size=4, threads=1, base="none")


def test_the_demo_shows_what_was_learned_from_where_in_place_of_an_earlier_one(tmp_path: Path, run_demo: Demo) -> None:
    out = tmp_path / "in" / "demo"
    trained("python-help.txt", out)
    trained(demo.PLAY.name, out / demo.FROM_NOTHING)
    page = out / demo.PAGE
    page.write_text("the earlier one's")
    said = fine(run_demo(out)).stdout.decode()
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
    texts: dict[str, str], refused: str, tmp_path: Path, run_demo: Demo
) -> None:
    out = tmp_path / "in" / "demo"
    for place, name in texts.items():
        trained(name, out / place)
    before = sorted(out.rglob("*"))
    assert error_line(run_demo(out)).startswith(f"{out / refused} holds a run")
    assert sorted(out.rglob("*")) == before


def test_the_play_ships_whole() -> None:
    play = gzip.decompress(demo.PLAY.read_bytes()).decode()
    assert play.startswith("JULIUS CAESAR\n\nby William Shakespeare\n")
    assert play.endswith("THE END")
    assert f"\n{demo.PROMPT}" in play
