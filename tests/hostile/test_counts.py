"""The table of attacks in docs/reliability.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def numbers(table: str) -> dict[str, int]:
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|.*\|$", table, re.MULTILINE)
    return {name: int(number.replace(",", "")) for name, number in rows}


def test_the_tests_hold_at_least_as_many_attacks_as_the_page_says() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").partition("### Attacks")[2]
    printed = subprocess.run(
        [sys.executable, "-m", "tests.hostile"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = numbers(printed.stdout)
    said = numbers(page)
    assert said.keys() == found.keys()
    assert {name: found[name] for name in said if found[name] < said[name]} == {}
