"""What holds of the plan's rules for every text and every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.planning import tuning

TOKENS = st.integers(2, 10**10)


@given(TOKENS, TOKENS)
def test_a_longer_text_feeds_no_smaller_network(one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    assert tuning.largest_size(shorter) <= tuning.largest_size(longer)
    assert tuning.lanes(shorter, 64)[0] <= tuning.lanes(longer, 64)[0]


@given(TOKENS, st.integers(1, 256))
def test_a_pass_from_a_base_has_enough_steps_unless_the_text_is_too_short(tokens: int, seq_length: int) -> None:
    lanes = tuning.lanes(tokens, seq_length, from_base=True)[0]
    assert 1 <= lanes <= 2 * tuning.lanes(tokens, seq_length)[0]
    assert lanes == 1 or tokens / (lanes * seq_length) >= tuning.STEPS_PER_PASS_FROM_BASE


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_a_longer_pass_allows_no_fewer_steps_and_a_base_no_more_than_none(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    for limit in (tuning.OF_TEXT, tuning.FROM_BASE, tuning.LONG_FROM_BASE):
        assert 1 <= tuning.most_steps(shorter, limit) <= tuning.most_steps(longer, limit)
    of_long, of_any = (tuning.most_steps(one, limit) for limit in (tuning.LONG_FROM_BASE, tuning.FROM_BASE))
    assert of_long <= of_any <= tuning.most_steps(one, tuning.OF_TEXT)


@pytest.mark.parametrize(
    ("tokens", "lines", "passes"), [(299_999, False, 4), (300_000, False, 2), (10**9, False, 2), (10**6, True, 4)]
)
def test_a_long_running_text_is_read_less_often_from_a_base(tokens: int, lines: bool, passes: float) -> None:
    assert tuning.limit_from_base(tokens, lines).passes == passes


@pytest.mark.parametrize(("per_pass", "steps"), [(200, 4_800), (20, 1_000), (2, 128)])
def test_a_short_text_is_read_more_often(per_pass: float, steps: int) -> None:
    assert tuning.most_steps(per_pass, tuning.OF_TEXT) == steps


@given(st.integers(1, 4096), TOKENS, st.floats(0.25, 8), st.floats(0.25, 8))
def test_a_run_from_a_base_learns_faster_from_longer_tokens(size: int, tokens: int, one: float, other: float) -> None:
    shorter, longer = (
        tuning.learning_rate_from_base(size, tokens, round(tokens * characters))[0]
        for characters in sorted((one, other))
    )
    assert 0.001 <= shorter <= longer <= 0.005
    bytes_alone, alone = (tuning.learning_rate_from_base(size, tokens, count) for count in (tokens // 2, tokens))
    assert bytes_alone == alone


@given(st.integers(1, 4096), TOKENS, st.integers(1, 512), st.integers(1, 512))
def test_a_run_from_a_base_learns_faster_in_more_lanes_than_8(size: int, tokens: int, one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    slower, faster, at_8 = (tuning.learning_rate_from_base(size, tokens, tokens, n)[0] for n in (fewer, more, 8))
    assert 0.001 <= at_8 <= slower <= faster <= 0.005
    assert fewer > 8 or slower == at_8


@given(TOKENS, st.floats(1, 1e12), st.floats(1, 1e12))
def test_more_time_makes_no_smaller_network(tokens: int, one: float, other: float) -> None:
    less, more = sorted((one, other))
    smaller = tuning.size_in_time(tokens, lambda size: less / size, 1)[0]
    assert smaller <= tuning.size_in_time(tokens, lambda size: more / size, 1)[0] <= tuning.largest_size(tokens)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_dropout_rises_with_the_passes(one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    assert 0 <= tuning.dropout(fewer)[0] <= tuning.dropout(more)[0] <= 0.6


@given(st.floats(0, 0.99), st.floats(0, 0.99), st.floats(4, 1000))
def test_recurrent_weights_are_dropped_if_more_activations_are_than_in_few_passes(
    one: float, other: float, per_token: float
) -> None:
    less, more = sorted((one, other))
    assert 0 <= tuning.weight_dropout(less, 500, per_token)[0] <= tuning.weight_dropout(more, 500, per_token)[0] <= more
    assert tuning.weight_dropout(tuning.dropout(3.3)[0], 500, per_token)[0] == 0
    assert tuning.weight_dropout(more, 500, 3.9) == tuning.weight_dropout(more, 499, per_token) == (0, "")


@given(st.floats(-5, 1), st.floats(-5, 1), st.floats(0, 16))
def test_a_base_that_knows_more_of_a_text_teaches_more_and_in_few_passes_nothing(
    one: float, other: float, passes: float
) -> None:
    less, more = sorted((one, other))
    assert 0 <= tuning.distillation(less, passes)[0] <= tuning.distillation(more, passes)[0] < 1
    assert tuning.distillation(0.0, passes)[0] == 0
    assert (tuning.distillation(1.0, passes)[0] == 0) == (passes <= tuning.UNTAUGHT_PASSES)


@pytest.mark.parametrize(("length", "lines"), [(0.5, 128), (7, 128), (50, 32), (150, 8), (10_000, 8)])
def test_a_step_reads_about_as_much_of_long_lines_as_of_short_ones(length: float, lines: int) -> None:
    assert tuning.lines_per_step(length)[0] == lines


@pytest.mark.parametrize(
    ("steps", "held_out", "counted"),
    [(10, 5_000, 2_000), (60, 5_000, 5_000), (300, 50_000, 20_000), (3_000, 50_000, 46_080), (60, 900, 900)],
)
def test_a_run_of_seconds_counts_all_of_a_short_held_out_text(steps: int, held_out: int, counted: int) -> None:
    found = tuning.of_steps(steps, 512, held_out)
    assert found["validation_tokens"][0] == counted
    assert found["evaluate_every"][0] <= steps
