"""Tests of `make attack`: its judge sees each fault, and a short attack finds nothing that matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hostile.attack import CASES, CRITICAL, MAJOR, MINOR, Done, attack, compared, contents, judged
from tests.hostile.grammars import Case

FINE = Done(2, "", "error: x.h5 is damaged\n", False, 1.0, 1.0, 10**8)
REFUSED = Case(["info", "x.h5"], names="x", refused=True, outputs=("td",))


@pytest.mark.parametrize(
    ("wrong", "severity"),
    [
        ({"status": 0}, MAJOR),
        ({"status": -11}, MAJOR),
        ({"late": True}, MAJOR),
        ({"memory": 3 * 10**9}, MAJOR),
        ({"status": 1}, MINOR),
        ({"err": "Traceback (most recent call last):\nValueError: x\n"}, MINOR),
        ({"err": "/a/b.py:3: RuntimeWarning: overflow\nerror: x is damaged\n"}, MINOR),
        ({"err": "error: x is damaged\nin two lines\n"}, MINOR),
        ({"err": "error: it is damaged\n"}, MINOR),
        ({"processor": 6.0}, MINOR),
    ],
)
def test_the_judge_finds_each_fault(wrong: dict[str, Any], severity: str) -> None:
    assert not [*judged(REFUSED, FINE)]
    assert severity in [found for found, _ in judged(REFUSED, FINE._replace(**wrong))]


def test_the_judge_finds_changes_of_other_files(tmp_path: Path) -> None:
    for name in ("case/.td.new/mine.txt", "outside/mine.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("mine")
    before = contents(tmp_path)
    (tmp_path / "case" / "td").mkdir()
    assert not [*compared(REFUSED, before, contents(tmp_path))]
    (tmp_path / "case" / ".td.new" / "mine.txt").unlink()
    (tmp_path / "case" / "left").touch()
    (tmp_path / "outside" / "evil.pth").touch()
    assert [severity for severity, _ in compared(REFUSED, before, contents(tmp_path))] == [MAJOR, MINOR, CRITICAL]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_short_attack_finds_nothing_critical_or_major() -> None:
    assert not [one for one in attack(dict.fromkeys(CASES, 4), seed=1) if one.severity in (CRITICAL, MAJOR)]
