"""docs/scoring.md: its commands are run, and print what it shows."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.processes import finished

PAGE = (Path(__file__).parents[1] / "docs" / "scoring.md").read_text(encoding="utf-8")
COMMANDS, SUMMARY, TABLE = PAGE.split("```")[3:8:2]
(SENTENCE,) = re.findall(r'in it, "(.*?)":', PAGE)
NUMBER = re.compile(r"\d+\.\d+|\d+(?=%)")


def alike(printed: str, quoted: str) -> bool:
    """The same but for rounding, which differs from processor to processor."""
    found, expected = (list(map(float, NUMBER.findall(line))) for line in (printed, quoted))
    return NUMBER.sub("#", printed).split() == NUMBER.sub("#", quoted).split() and found == pytest.approx(
        expected, rel=0.01, abs=1
    )


def test_the_commands_of_the_page_work_and_print_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_text(SENTENCE + "\n", encoding="utf-8")
    commands = [line.split("  #")[0] for line in COMMANDS.strip().splitlines()]
    assert len(commands) == 4
    done = [finished([sys.executable, "-m", *shlex.split(command)]) for command in commands]
    assert [one.returncode for one in done] == [0] * 4
    printed, quoted = done[0].stderr.decode().splitlines(), SUMMARY.strip().splitlines()
    assert len(printed) == len(quoted)
    assert all(map(alike, printed, quoted))
    head, *rows = done[0].stdout.decode().splitlines()
    expected = TABLE.strip().splitlines()
    assert all(map(alike, [head.strip(), *rows[37:40]], expected))
    assert Path("letter.html").exists()
    fields = done[3].stdout.decode().splitlines()[0]
    assert fields.startswith("line,column,text,bits,start,text_1,probability_1,")
