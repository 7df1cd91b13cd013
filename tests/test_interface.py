"""Nothing that other programs use is gone or changed since the last release, but for what a person has looked at."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.test_docs import ROOT, generated

RELEASED = Path(__file__).with_name("interface.txt").read_text(encoding="utf-8")
GIVEN = "Commands, and functions of the package"
WIDENED: dict[str, str] = {
    "POST /v1/runs/{id}/resume Nothing → RunSummary": "POST /v1/runs/{id}/resume ResumeRequest → RunSummary",
}
"""Lines of the last release, and what became of them.

What is given may take more: another choice, another type, None. What is answered may not: a program that reads a number
would meet a text; it may be of fewer types. What is both, or a file that one version writes and another reads, stays.
"""


def sections(text: str) -> dict[str, set[str]]:
    """Return the lines below each heading."""
    parts = (part.partition("\n") for part in text.split("## ")[1:])
    return {heading: set(body.strip("`\n").split("\n")) for heading, _, body in parts}


def must(lines: set[str]) -> set[str]:
    """Return the options without a default, which have to be given."""
    return {line for line in lines if " = " not in line}


@pytest.mark.parametrize("heading", sections(RELEASED))
def test_programs_can_rely_on_what_the_last_release_had(heading: str) -> None:
    released, now = sections(RELEASED)[heading], sections(generated().stability())[heading]
    assert len(released) > 10
    assert {WIDENED.get(line, line) for line in released} <= now, "keep these for a release: docs/files.md"
    if heading == GIVEN:
        commands = {line.split()[0] for line in released}
        new = {line for line in must(now) - must(released) if line.split()[0] in commands}
        assert new <= {*WIDENED.values()}, "programs do not give these: let them have a default"


def test_there_are_no_more_public_names_than_the_budget_allows() -> None:
    promised = sum(map(len, sections(generated().stability()).values()))
    budget = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["afterword"]["interface"]
    assert promised <= budget["names"], "take others away first: each one is tested, documented and kept"
