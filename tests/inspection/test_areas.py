"""The area under the curve, against every pair of places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.inspection.units import areas, midranks


@settings(deadline=None, max_examples=40)
@given(
    values=st.lists(st.integers(-3, 3), min_size=2, max_size=40),
    seed=st.integers(0, 99),
)
def test_the_area_is_the_fraction_of_pairs_in_the_right_order(values: list[int], seed: int) -> None:
    mask = np.random.default_rng(seed).random(len(values)) < 0.5
    mask[:2] = True, False
    column = np.array(values, np.float32)[:, None]
    inside, outside = column[mask], column[~mask]
    pairs = [(a > b) + (a == b) / 2 for a in inside[:, 0] for b in outside[:, 0]]
    assert areas(midranks(column), mask)[0] == pytest.approx(np.mean(pairs))
