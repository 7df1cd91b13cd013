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


def test_the_planted_lines_of_the_log_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    log = runpy.run_path(str(DOCS / "make_log.py"))
    with pytest.raises(SystemExit) as left:
        command.main("odd good.log today.log --minutes 0.05".split())
    assert left.value.code == 0
    found = re.findall(r"^today.log:(\d+): \S+  (.*)$", capfd.readouterr().out, re.MULTILINE)[:5]
    listed = re.findall(r"^today.log:(\d+): \S+  (.*)$", page("odd"), re.MULTILINE)[:5]
    assert sorted(found) == sorted(listed) == sorted((str(k + 1), log["today"][k]) for k in (40, 90, 150, 200, 260))
