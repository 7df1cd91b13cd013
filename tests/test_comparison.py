"""`make compare`: a peer that fails is a row, finished rows are kept, and the page is what the kept rows say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import commands, compare
from benchmarks.compare import BEGIN, END, Peer, main

PAGE, PICTURE = compare.PAGE, compare.PAGE.with_name(compare.PICTURE)
REPORT = """from compared import Task
task = Task()
task.ready()
task.report(len(task.training) / len(task.held_out), lambda number: number * task.option[0])
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three peers of a few lines, a page and an empty list of results, in a folder of their own."""
    for folder in ("peers", "results"):
        (tmp_path / folder).mkdir()
    shared = (commands.PLACE / "peers" / "compared.py").read_text(encoding="utf-8")
    (tmp_path / "peers" / "compared.py").write_text(shared.replace("LONG_ENOUGH = 2.0", "LONG_ENOUGH = 0.01"))
    (tmp_path / "peers" / "compare_good.py").write_text(REPORT)
    (tmp_path / "peers" / "compare_bad.py").write_text("import sys\nprint('more')\nraise OSError('no | such thing')\n")
    (tmp_path / "page.md").write_text(f"before\n{BEGIN}old\n{END}after\n")
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 600)
    monkeypatch.setattr(commands, "PLACE", tmp_path)
    monkeypatch.setattr(compare, "PLACE", tmp_path)
    monkeypatch.setattr(compare, "PAGE", tmp_path / "page.md")
    peers = (Peer("x", "X", "none.", script="good"), Peer("bad", "Bad", "none."), Peer("none", "**Ours**", "", "good"))
    monkeypatch.setattr(compare, "PEERS", peers)
    return tmp_path


def compared(place: Path, *options: str) -> Any:
    return CliRunner().invoke(main, [str(place / "text.txt"), "--minutes", "0.01", *options], catch_exceptions=False)


def test_a_peer_that_fails_gives_its_reason_and_the_rest_goes_on(place: Path) -> None:
    assert compared(place).exit_code == 0
    page = (place / "page.md").read_text()
    assert page.startswith(f"before\n{BEGIN}")
    assert page.endswith(f"{END}after\n")
    assert "old" not in page
    assert re.search(r"^\| X \| 9\.\d{3} \|.*\| 3 \|$", page, re.M)
    assert "| Bad | not measured: OSError: no ¦ such thing |" in page
    assert "| **Ours** | 9." in page
    assert "\n```\n" + 300 * "x" + "\n```\n" in page
    assert (place / compare.PICTURE).read_text().count("<rect") == 3


def test_the_page_and_its_picture_are_drawn_from_the_rows_that_are_kept() -> None:
    page, rows = PAGE.read_text(encoding="utf-8"), compare.newest()
    assert page.partition(BEGIN)[2].partition(END)[0] == compare.drawn(rows)
    assert not rows or PICTURE.read_text(encoding="utf-8") == compare.picture(rows)
