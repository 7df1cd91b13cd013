"""The tutorials of docs/: what they promise comes out."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from afterword.cli import main as command

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / f"tutorial-{name}.md").read_text(encoding="utf-8")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The odd lines of the log that the tutorial makes in the working folder, each with its number."""
    monkeypatch.chdir(tmp_path)
    today = runpy.run_path(str(DOCS / "make_log.py"))["today"]
    return sorted((str(k + 1), today[k]) for k in (40, 90, 150, 200, 260))


def odd_lines(printed: str) -> list[tuple[str, str]]:
    return sorted(re.findall(r"^today.log:(\d+): \S+  (.*)$", printed, re.MULTILINE)[:5])


def test_the_log_has_the_lines_that_the_page_shows(log: list[tuple[str, str]]) -> None:
    first = "\n".join(Path("good.log").read_text(encoding="utf-8").splitlines()[:3])
    assert f"```\n{first}\n```" in page("odd")
    assert odd_lines(page("odd")) == log


@pytest.mark.slow
def test_the_odd_lines_come_first(log: list[tuple[str, str]], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["odd", "good.log", "today.log", "--minutes", "0.05"])
    assert left.value.code == 0
    assert odd_lines(capfd.readouterr().out) == log
