"""How open gates are, on traces made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from afterword.inspection.trace import LONGEST_MEMORY, openness
from afterword.text.characters import ByteTokenizer
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
    found = made(ByteTokenizer.of()).gates("éßéß")
    forget = np.full_like(found.forget, np.exp(-1 / 250))
    [lower, *_] = openness(dataclasses.replace(found, forget=forget))
    assert lower.memory[0] == pytest.approx(125, rel=1e-3)
