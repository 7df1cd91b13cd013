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
    assert rules.lanes(shorter, 64) <= rules.lanes(longer, 64)


@given(TOKENS, st.floats(1, 1e12), st.floats(1, 1e12))
def test_more_time_makes_no_smaller_network(tokens: int, one: float, other: float) -> None:
    less, more = sorted((one, other))
    smaller = rules.size_for(tokens, lambda size: less / size, 1)
    assert smaller <= rules.size_for(tokens, lambda size: more / size, 1) <= rules.largest_size(tokens)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_dropout_rises_with_the_passes(one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    assert 0 <= rules.dropout(fewer) <= rules.dropout(more) <= 0.6


@given(TOKENS, st.floats(1, 1e12), st.floats(1, 1e12))
def test_more_reading_is_expected_to_help_and_never_beyond_all_measure(tokens: int, one: float, other: float) -> None:
    less, more = sorted((one, other))
    for mixed in (True, False):
        ratios = [rules.expected_ratio(tokens, read, mixed=mixed) for read in (less, more)]
        assert ratios == sorted(ratios, reverse=True)
        assert 0.5 < ratios[1] <= ratios[0] < 1.1


@pytest.mark.parametrize(("length", "lines"), [(0.5, 128), (7, 128), (50, 32), (150, 8), (10_000, 8)])
def test_a_step_reads_about_as_much_of_long_lines_as_of_short_ones(length: float, lines: int) -> None:
    assert rules.lines_a_step(length) == lines
