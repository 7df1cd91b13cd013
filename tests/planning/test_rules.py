"""What holds of the plan's rules for every text and every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.planning import rules

TOKENS = st.integers(2, 10**10)


@given(TOKENS, TOKENS)
def test_a_longer_text_feeds_no_smaller_network(one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    assert rules.largest_size(shorter) <= rules.largest_size(longer)
    assert rules.lanes(shorter, 64).value <= rules.lanes(longer, 64).value


@given(TOKENS, st.floats(1, 1e12), st.floats(1, 1e12))
def test_more_time_makes_no_smaller_network(tokens: int, one: float, other: float) -> None:
    less, more = sorted((one, other))
    smaller = rules.size_in_time(tokens, lambda size: less / size, 1).value
    assert smaller <= rules.size_in_time(tokens, lambda size: more / size, 1).value <= rules.largest_size(tokens)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_dropout_rises_with_the_passes(one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    assert 0 <= rules.dropout(fewer).value <= rules.dropout(more).value <= 0.6


@pytest.mark.parametrize(("length", "lines"), [(0.5, 128), (7, 128), (50, 32), (150, 8), (10_000, 8)])
def test_a_step_reads_about_as_much_of_long_lines_as_of_short_ones(length: float, lines: int) -> None:
    assert rules.lines_per_step(length).value == lines
