"""`--engine fast` through the real command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.answers import records
from tests.cli.conftest import Run

TOLD = re.compile(rb"engine fast: its graph took \d+\.\d\d s to build\n")


@pytest.mark.parametrize("num", [2, 20])
def test_the_engine_is_in_every_record_and_its_time_on_standard_error(mixed_model: Path, run: Run, num: int) -> None:
    options = ["--seed", "4", "--max-tokens", "9", "--num", str(num), "--json"]
    fast, numpy = run("generate", mixed_model, *options, "--engine", "fast"), run("generate", mixed_model, *options)
    assert TOLD.fullmatch(fast.stderr), fast.stderr
    assert numpy.stderr == b""
    found = records(fast)
    assert [list(record) for record in found] == [[*record, "engine"] for record in records(numpy)]
    assert {record["engine"] for record in found} == {"fast"}


@pytest.mark.parametrize("options", [[], ["--lines"], ["--lines", "--top", "1"]])
def test_scores_say_the_engine_in_json_alone(mixed_model: Path, run: Run, tmp_path: Path, options: list[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abcdé\nab\n", encoding="utf-8")
    command = ["score", str(mixed_model), str(text), *options]
    fast, numpy = run(*command, "--json", "--engine", "fast"), run(*command, "--json")
    assert TOLD.fullmatch(fast.stderr), fast.stderr
    for record, expected in zip(records(fast), records(numpy), strict=True):
        assert record.pop("engine") == "fast"
        assert list(record) == list(expected)
        assert record["bits_per_character"] == pytest.approx(expected["bits_per_character"], abs=0.1)
    assert b"engine" not in run(*command, "--engine", "fast").stdout
