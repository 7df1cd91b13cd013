"""What --json prints is JSON for every parser: RFC 8259 knows no NaN and no Infinity, which Python's own writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.output import strict_json
from tests.cli.answers import fine
from tests.cli.conftest import Run


def refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


@pytest.mark.parametrize("command", ["score MODEL TEXT", "inspect MODEL ab"])
def test_every_line_is_read_by_a_strict_parser(command: str, model: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "text").write_text("abc ab\nab c abcab abc", encoding="utf-8")
    words = [{"MODEL": model, "TEXT": tmp_path / "text"}.get(word, word) for word in command.split()]
    printed = fine(run(*words, "--hold", "cell=1e38", "--json")).stdout.decode().splitlines()  # where NaN comes from
    assert all(isinstance(json.loads(text, parse_constant=refused), dict) for text in printed)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1.5, math.nan, (math.inf, -math.inf)], "é": "NaN"}, {"a": [1.5, None, [None, None]], "é": "NaN"}),
        ([{"deep": {"deeper": math.nan}}], [{"deep": {"deeper": None}}]),
        (math.nan, None),
        ({"a": [0.1, True, None, 3]}, {"a": [0.1, True, None, 3]}),
    ],
)
def test_what_is_no_finite_number_is_null_and_all_else_stays(value: Any, written: Any) -> None:
    assert json.loads(strict_json(value), parse_constant=refused) == written
