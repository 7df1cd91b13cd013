"""What --json prints is JSON for every parser: RFC 8259 knows no NaN and no Infinity, which Python's own writes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.cli.output import strict_json
from afterword.operations.every import find_operation, summaries
from afterword.operations.train import train
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.tiny import hourly, long_csv

CASES = [
    ["generate", "MODEL", "--num", "2", "--max-tokens", "3"],
    ["generate", "MODEL", "--temperature", "0", "--max-tokens", "0"],
    ["score", "MODEL", "TEXT"],
    ["score", "MODEL", "TEXT", "--lines"],
    ["score", "MIXED", "TEXT", "TEXT", "--with", "ngram"],
    ["score", "MODEL", "TEXT", "--hold", "cell=1e38"],
    ["score", "MIXED", "TEXT", "--adapt"],
    ["surprises", "MODEL", "TEXT"],
    ["compare", "MODEL", "MIXED", "--file", "TEXT"],
    ["voice", "RUN", "TEXT", "--against", "RUN"],
    ["calibrate", "COPY", "BOOK"],
    ["accept", "CALIBRATED", "The last line of this book."],
    ["odd", "BOOK", "TEXT", "--false-alarms", "0.05"],
    ["inspect", "MODEL", "a"],
    ["inspect", "MODEL", "ab", "--ablate"],
    ["inspect", "MODEL", "ab", "--hold", "cell=1e38"],
    ["units", "MODEL", "TEXT", "--matching", "a"],
    ["horizon", "MODEL", "TEXT"],
    ["horizon", "MODEL", "TEXT", "--places", "2", "--steps", "1", "--no-gradient"],
    ["novelty", "RUN", "TEXT"],
    ["info", "MODEL"],
    ["bases"],
    ["plan", "BOOK", "--steps", "20", "--threads", "1"],
    ["forecast", "TABLE", "--horizon", "2", "--method", "naive"],
]


def refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def test_every_command_that_has_json_is_among_the_cases() -> None:
    left_out = {"demo", "push"}  # which trains for two minutes, and needs a hub
    assert {name for name in summaries() if find_operation(name).records} - left_out == {case[0] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_every_line_is_read_by_a_strict_parser(
    case: list[str], model: Path, mixed_model: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "text").write_text("abc ab\nab c abcab abc", encoding="utf-8")  # as short as horizon takes it
    (tmp_path / "book").write_text("".join(f"The {k}th line of this book.\n" for k in range(600)), encoding="utf-8")
    (tmp_path / "table").write_bytes(long_csv(hourly(0, days=3)))
    places = {"MODEL": model, "MIXED": mixed_model} | {
        name.upper(): tmp_path / name for name in ("text", "book", "table")
    }
    if "COPY" in case:
        places["COPY"] = Path(shutil.copytree(model, tmp_path / "copy"))
    if "CALIBRATED" in case:
        places["CALIBRATED"] = Path(shutil.copytree(model, tmp_path / "calibrated"))
        afterword.calibrate(places["CALIBRATED"], places["BOOK"])
    if "RUN" in case:
        places["RUN"] = tmp_path / "run"
        train(places["BOOK"], base="none", steps=1, hidden_size=8, threads=1, out=places["RUN"])
    printed = fine(run(*(places.get(word, word) for word in case), "--json")).stdout.decode().splitlines()
    assert printed
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
