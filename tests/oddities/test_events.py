"""Sequences of events are told from logs, prose and names."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

import afterword
from afterword.oddities.events import are_events
from tests import logs

PLAY = Path(afterword.__file__).parent / "operations" / "demo-julius-caesar.txt.gz"


def drawn(symbols: Sequence[str], lines: int, longest: int) -> list[str]:
    draw = random.Random(1)
    return [" ".join(draw.choices(symbols, k=draw.randrange(3, longest))) for _ in range(lines)]


@pytest.mark.parametrize(
    ("lines", "is_so"),
    [
        (drawn(["home", "search", "product", "cart", "pay"], 60, 30), True),
        (drawn([f"{k}" for k in range(150)], 800, 100), True),
        (drawn([f"{k}" for k in range(5000)], 8000, 100), False),  # so many symbols are words
        (list(logs.lines(2000, 0)), False),
        ([f"GET /{'abc'[k % 3]} 200 user{k % 7}" for k in range(600)], False),
        ([line for line in gzip.decompress(PLAY.read_bytes()).decode().split("\n") if line.strip()], False),
        (drawn(["anna", "bert"], 500, 4), False),
        (["abba"] * 500, False),
        ([" "], False),
        ([], False),
    ],
)
def test_few_symbols_at_any_place_are_events(lines: Sequence[str], is_so: bool) -> None:
    assert are_events(lines) == is_so
