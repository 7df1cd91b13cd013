"""What holds of the plan's rules for every text and every time, and what is expected of a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.planning import tuning
from afterword.planning.expectation import FEWEST_CHARACTERS, MOST_READ, expectation
from benchmarks.expectation import is_right, runs

TOKENS, PASSES, SIZE, LANES = st.integers(2, 10**10), st.floats(0.1, 1e6), st.integers(1, 4096), st.integers(1, 512)
PER_TOKEN, DROPOUT, READ = st.floats(0.25, 8), st.floats(0, 0.99), st.floats(1, MOST_READ)
RATE = tuning.learning_rate_from_base
LIMITS = {"a base of a long text": tuning.LONG_FROM_BASE, "a base": tuning.FROM_BASE, "nothing": tuning.OF_TEXT}


def rate(per_token: float, size: int, tokens: int, lanes: int = 8) -> float:
    return RATE(size, tokens, round(tokens * per_token), lanes)[0]


def size_in_time(time: float, tokens: int) -> int:
    return tuning.size_in_time(tokens, lambda size: time / size, 1)[0]


# By name: what rises; of what, beside it, and what is fixed; and its bounds.
RISING: dict[str, tuple[Callable[..., float], Any, list[Any], float, float]] = {
    "a network's size with its text": (tuning.largest_size, TOKENS, [], 1, 1e9),
    "a network's size with time": (size_in_time, st.floats(1, 1e12), [TOKENS], 1, 1e9),
    "lanes with the text": (lambda n: tuning.lanes(n, 64)[0], TOKENS, [], 1, 1e9),
    **{
        f"steps from {name} with a pass": (partial(tuning.most_steps, limit=limit), PASSES, [], 1, 1e12)
        for name, limit in LIMITS.items()
    },
    "the rate with the length of tokens": (rate, PER_TOKEN, [SIZE, TOKENS], 0.001, 0.005),
    "the rate with lanes": (lambda n, size, tokens: rate(1, size, tokens, n), LANES, [SIZE, TOKENS], 0.001, 0.005),
    "dropout with passes": (lambda n: tuning.dropout(n)[0], st.floats(0, 1e6), [], 0, 0.6),
    "dropout of weights with that of units": (
        lambda dropout, per_token: tuning.weight_dropout(dropout, 500, per_token)[0],
        DROPOUT,
        [st.floats(4, 1000)],
        0,
        0.99,
    ),
    "what a base teaches with what it knows": (
        lambda gain, passes: tuning.distillation(gain, passes)[0],
        st.floats(-5, 1),
        [st.floats(0, 16)],
        0,
        0.999,
    ),
}


@pytest.mark.parametrize("name", RISING)
@given(data=st.data())
def test_it_rises_within_its_bounds(name: str, data: st.DataObject) -> None:
    rule, of, beside, least, most = RISING[name]
    fixed = [data.draw(one) for one in beside]
    less, more = sorted((data.draw(of), data.draw(of)))
    assert least <= rule(less, *fixed) <= rule(more, *fixed) <= most


@given(PASSES, SIZE, TOKENS, DROPOUT, st.floats(0, 16))
def test_where_rules_are_equal_or_nothing(a_pass: float, size: int, tokens: int, dropout: float, passes: float) -> None:
    steps = [tuning.most_steps(a_pass, limit) for limit in LIMITS.values()]
    assert steps == sorted(steps)
    assert tuning.of_steps(size, 512, tokens)["evaluate_every"][0] <= size
    assert RATE(size, tokens, tokens // 2) == RATE(size, tokens, tokens)  # bytes alone
    assert RATE(size, tokens, tokens, 1)[0] == RATE(size, tokens, tokens, 8)[0]
    assert tuning.size_in_time(tokens, lambda size: 1e12 / size, 1)[0] <= tuning.largest_size(tokens)
    assert tuning.weight_dropout(dropout, 500, 9)[0] <= dropout
    assert tuning.weight_dropout(tuning.dropout(3.3)[0], 500, 9)[0] == 0
    assert tuning.weight_dropout(dropout, 500, 3.9) == tuning.weight_dropout(dropout, 499, 9) == (0, "")
    assert tuning.distillation(0.0, passes)[0] == 0
    assert (tuning.distillation(1.0, passes)[0] == 0) == (passes <= tuning.UNTAUGHT_PASSES)


@given(TOKENS, st.integers(1, 256))
def test_a_pass_from_a_base_has_enough_steps_unless_the_text_is_too_short(tokens: int, seq_length: int) -> None:
    lanes = tuning.lanes(tokens, seq_length, from_base=True)[0]
    assert 1 <= lanes <= 2 * tuning.lanes(tokens, seq_length)[0]
    assert lanes == 1 or tokens / (lanes * seq_length) >= tuning.STEPS_PER_PASS_FROM_BASE


@given(READ, READ)
def test_more_reading_is_expected_to_bring_more_and_nothing_to_be_worse_than_the_n_gram(
    one: float, other: float
) -> None:
    less, more = (expectation(2.0, 10**6, read) for read in sorted((one, other)))
    assert less is not None
    assert more is not None
    for before, after in ((less.low, more.low), (less.likely, more.likely), (less.high, more.high)):
        assert 1.0 < after <= before <= 2.0
    assert more.low < more.likely <= more.high


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # A run of seconds counts all of a short held-out text.
        *((tuning.of_steps(steps, 512, 5_000)["validation_tokens"][0], k) for steps, k in ((10, 2_000), (60, 5_000))),
        *(
            (tuning.of_steps(steps, 512, 50_000)["validation_tokens"][0], k)
            for steps, k in ((300, 20_000), (3_000, 46_080))
        ),
        # A long running text is read less often from a base,
        *((tuning.limit_from_base(tokens, False).passes, k) for tokens, k in ((299_999, 4), (300_000, 2), (10**9, 2))),
        (tuning.limit_from_base(10**6, True).passes, 4),
        # a short one more often,
        *((tuning.most_steps(n, tuning.OF_TEXT), steps) for n, steps in ((200, 4_800), (20, 1_000), (2, 128))),
        # and a step reads about as much of long lines as of short ones.
        *((tuning.lines_per_step(n)[0], k) for n, k in ((0.5, 128), (7, 128), (50, 32), (150, 8), (10_000, 8))),
    ],
)
def test_what_the_rules_say(found: float, expected: float) -> None:
    assert found == expected


def test_nothing_is_expected_of_what_was_never_tried() -> None:
    assert expectation(2.0, FEWEST_CHARACTERS - 1, 10**6) is None
    assert expectation(2.0, 10**6, MOST_READ + 1) is None


def test_as_much_as_is_said_of_the_recorded_runs_was_as_expected() -> None:
    texts: dict[str, list[bool]] = {}
    for result in runs():
        texts.setdefault(result["text"], []).append(is_right(result))
    assert sum(sum(right) / len(right) for right in texts.values()) >= 0.7 * len(texts)
