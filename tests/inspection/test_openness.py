"""How open gates are, on traces made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from afterword.inspection.trace import LONGEST_MEMORY, memories, openness
from afterword.text.characters import CharTokenizer
from tests.inspection.test_gates import TEXT, made

FOUND = made().gates(TEXT)


def test_means_and_units_that_never_open_or_close() -> None:
    forget = np.full_like(FOUND.forget, 0.5)
    forget[:, 0, 2] = 0.05
    forget[:, 1, 3] = 0.95
    forget[4, 1, 5] = 0.01
    lower, upper = openness(dataclasses.replace(FOUND, forget=forget))
    assert lower.gates["forget"].mean == pytest.approx((6 * 0.5 + 0.05) / 7, abs=1e-6)
    assert lower.gates["forget"].shut == [2]
    assert upper.gates["forget"].open == [3]
    assert upper.gates["forget"].shut == []


def test_a_unit_keeps_for_as_many_steps_as_leave_one_eth_of_it() -> None:
    forget = np.full_like(FOUND.forget, np.exp(-1 / 250))
    forget[:, 0, 1] = 1
    forget[:, 0, 2] = 0
    [lower, _] = openness(dataclasses.replace(FOUND, forget=forget))
    assert lower.memory[0] == pytest.approx(250, rel=1e-3)
    assert lower.memory[1] == LONGEST_MEMORY
    assert lower.memory[2] < 0.02
    assert lower.longest[0] == 1
    assert dict(lower.spread()) == {"under 3": 1, "3–10": 0, "10–30": 0, "30–100": 0, "100–300": 5, "over 300": 1}


def test_a_memory_is_a_number_of_characters_also_where_a_character_has_several_tokens() -> None:
    found = made(CharTokenizer.of("a")).gates("éßéß")
    forget = np.full_like(found.forget, np.exp(-1 / 250))
    [lower, *_] = openness(dataclasses.replace(found, forget=forget))
    assert lower.memory[0] == pytest.approx(125, rel=1e-3)


def test_a_memory_is_measured_between_resets() -> None:
    """A cell that keeps inside brackets alone has the memory that it has there, and the longest of all."""
    random, T = np.random.default_rng(0), 6000
    inside, t = np.zeros(T, bool), 0
    while t < T:
        length = int(random.integers(20, 60))
        inside[t + 10 : t + 10 + length] = True
        t += 10 + length + int(random.integers(5, 40))
    forget = np.full((T, 3), 0.97)
    forget[:, 1] = np.where(inside, 0.9986, random.uniform(0.1, 0.9, T))
    forget[:, 2] = np.where(np.arange(T) % 5, 1.0, 0.01)  # keeps everything, but never longer than four steps
    found = memories(forget.astype(np.float32))
    assert found[0] == pytest.approx(-1 / np.log(0.97), rel=1e-3)
    assert found[1] == pytest.approx(-1 / np.log(0.9986), rel=1e-3)
    assert found[2] < 3
    assert -1 / np.log(forget[:, 1]).mean() < 5  # its geometric mean


def test_a_memory_over_a_short_text_is_that_of_all_of_it() -> None:
    assert memories(np.full((3, 1), 0.1, np.float32))[0] == pytest.approx(-1 / np.log(0.1), rel=1e-4)
