"""A user's mistakes in calls of operations are found by mypy, before anything runs."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afterword.commands import commands, find_operation
from afterword.operations.operation import arguments_of
from afterword.settings import Kind, kinds_of
from tests.processes import finished

ROOT = Path(__file__).parents[2]
WRONG = {int: '"hot"', float: '"hot"', bool: '"yes"', str: "3"}


def call(name: str, *arguments: str) -> str:
    return f"afterword.{find_operation(name).__name__}({', '.join(arguments)})"


def mistakes(name: str) -> Iterator[str]:
    """Yield calls of an operation, each with one mistake."""
    request: Any = find_operation(name).request
    places = ['"x"' for about, _ in arguments_of(request).values() if about.least != 0]
    options: dict[str, Kind] = {field.name: kind for field, kind in kinds_of(request)}
    for option, kind in options.items():
        mistyped = option[:-1] if option[:-1] not in options else option + "s"
        yield call(name, *places, f"{mistyped}=1")
        kinds = [one for one in kind.types if one in WRONG]
        if kind.choices:
            yield call(name, *places, f'{option}="nosuch"')
        elif len(kinds) == 1 and not kind.several and Any not in kind.types:
            yield call(name, *places, f"{option}={WRONG[kinds[0]]}")
    if places:
        yield call(name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mypy_finds_ten_mistakes_and_no_others(tmp_path: Path) -> None:
    draw = random.Random(40)
    every = [mistake for name in commands() for mistake in mistakes(name)]
    wrong = draw.sample(every, 10)
    right = ['afterword.load("book", engine="fast")', 'afterword.compare("a", ["b", "c"], file="x", lines=True, top=3)']
    wrong += ['afterword.load("book", engine="fst")', 'afterword.load("x").generate(temperature="hot")']
    file = tmp_path / "calls.py"
    file.write_text("\n".join(["import afterword", *right, *wrong, ""]), "utf-8")
    found = finished([sys.executable, "-m", "mypy", "--strict", "--no-error-summary", file], cwd=ROOT)
    lines = {int(line) for line in re.findall(r"calls\.py:(\d+): error", found.stdout.decode())}
    first = 2 + len(right)
    assert lines == set(range(first, first + len(wrong))), found.stdout.decode()
