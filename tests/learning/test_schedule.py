"""Laws of the schedule: from nothing to the top and down to nothing, without a jump when the steps are corrected."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.learning.recipe import Schedule
from tests.learning.small import RECIPE


@given(st.integers(1, 1000))
def test_the_way_goes_from_nothing_to_all(steps: int) -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=steps), [])
    shares = [schedule.share(step) for step in range(steps + 1)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert shares == sorted(shares)


@given(st.integers(2, 500), st.data())
def test_a_correction_changes_where_the_way_ends_and_not_where_it_stands(steps: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, steps - 1))
    now = data.draw(st.integers(at + 1, 1000))
    plain, schedule = (Schedule(dataclasses.replace(RECIPE, steps=steps), []) for _ in range(2))
    schedule.correct(at, now)
    assert schedule.share(at) == pytest.approx(plain.share(at))
    assert schedule.share(now) == pytest.approx(1)
    assert schedule.learning_rate(now) == pytest.approx(0, abs=1e-9)


def test_the_rate_rises_during_the_warmup_and_falls_after_it() -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=100, warmup=10), [])
    rates = [schedule.learning_rate(step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) <= RECIPE.learning_rate


def test_a_constant_rate_has_a_warmup_and_no_end() -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=100, warmup=10, schedule="constant"))
    rates = [schedule.learning_rate(step) for step in range(100)]
    schedule.correct(100, 200)  # a run that continues
    rates += [schedule.learning_rate(step) for step in range(100, 200)]
    for begun in (rates[:100], rates[100:]):
        assert begun[:10] == sorted(set(begun[:10]))
        assert set(begun[10:]) == {RECIPE.learning_rate}


def test_corrections_made_again_give_the_same_rates() -> None:
    recipe = dataclasses.replace(RECIPE, steps=100)
    schedule = Schedule(recipe, [])
    schedule.correct(30, 140)
    schedule.correct(90, 120)
    again = Schedule(recipe, schedule.corrections)
    assert [again.learning_rate(s) for s in range(90, 120)] == [schedule.learning_rate(s) for s in range(90, 120)]


def test_after_its_end_a_run_begins_another_way_at_its_highest_rate() -> None:
    schedule = Schedule(RECIPE)
    end = schedule.steps
    schedule.correct(end, 3 * end)
    rates = [schedule.learning_rate(step) for step in range(end, 3 * end)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate, rel=0.05)
    assert rates[-1] < 0.02 * max(rates)
    assert schedule.share(end) == 0
    assert schedule.share(3 * end) == 1
