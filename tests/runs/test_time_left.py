"""A run that was given minutes ends on the minute, whatever the machine's pace does on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.learning.recipe import Schedule
from afterword.runs.time_left import TimeLeft
from tests.learning.small import RECIPE

MINUTES = 1.0
EVALUATION = 0.5  # seconds


def simulate(
    planned: int, seconds_of_step: Callable[[float], float], minutes: float = MINUTES, save: float = 0.0
) -> tuple[float, Schedule]:
    """When a run of `planned` steps ends whose steps take so long at each time, and what became of its schedule.

    A save of so many seconds is made by the minute.
    """
    recipe = dataclasses.replace(RECIPE, minutes=minutes, steps=planned, evaluate_every=max(1, planned // 6))
    now, saved, step, schedule = 0.0, 0.0, 0, Schedule(recipe)
    forecast = TimeLeft(recipe, 0, 0.0)
    while step < schedule.steps:
        now, step = now + seconds_of_step(now), step + 1
        if step % max(1, planned // 400) == 0 and step < schedule.steps:
            forecast.look(step, now)
            steps = forecast.correction(schedule.steps)
            if steps is not None:
                schedule.correct(step, steps)
        if step % recipe.evaluate_every == 0 or step == schedule.steps:
            now += EVALUATION
            forecast.evaluated(EVALUATION)
        if now - saved >= 60:
            now += save
            forecast.saved(save)
            saved = now
    return now, schedule


@settings(deadline=None)
@given(
    st.integers(100, 5_000),
    st.floats(0.3, 3),
    st.floats(0, 55),
    st.floats(1, 60),
    st.floats(1.2, 4),
)
def test_it_ends_on_the_minute_also_where_another_process_comes_and_goes(
    planned: int, wrong: float, comes: float, stays: float, slower: float
) -> None:
    pace = MINUTES * 60 / planned * wrong
    ended, _ = simulate(planned, lambda now: pace * (slower if comes <= now < comes + stays else 1))
    # one more step may not fit, and of the last one nobody knows beforehand how long it takes
    assert ended == pytest.approx(MINUTES * 60, abs=max(0.05 * MINUTES * 60, 2 * pace * slower))


def test_a_steady_run_is_left_alone() -> None:
    planned = 1_000
    ended, schedule = simulate(planned, lambda now: (MINUTES * 60 - 7 * EVALUATION) / planned)
    assert ended == pytest.approx(MINUTES * 60, rel=0.01)
    assert schedule.corrections == []


def test_noise_and_slow_saves_do_not_make_it_waver() -> None:
    noise = np.random.default_rng(0)
    for minutes, planned, save in ((0.3, 900, 0.0), (1.0, 3_000, 0.0), (30.0, 60_000, 3.0)):
        pace = (minutes * 60 - 6.5 * EVALUATION) / planned
        ended, schedule = simulate(planned, lambda now: pace * noise.uniform(0.6, 1.4), minutes, save)  # noqa: B023
        assert ended == pytest.approx(minutes * 60, rel=0.03)
        assert len(schedule.corrections) <= 8


def test_a_process_that_comes_and_goes_takes_few_corrections() -> None:
    noise = np.random.default_rng(1)
    ended, schedule = simulate(3_000, lambda now: 0.019 * noise.uniform(0.7, 1.3) * (2.5 if 20 < now < 40 else 1))
    assert ended == pytest.approx(60, rel=0.02)
    assert len(schedule.corrections) <= 40


def test_a_run_of_few_slow_steps_is_corrected_too() -> None:
    ended, _ = simulate(40, lambda now: 3.0)
    assert ended == pytest.approx(60, rel=0.05)


def test_a_run_that_may_take_no_more_steps_ends_early() -> None:
    recipe = dataclasses.replace(RECIPE, minutes=MINUTES, steps=100, most_steps=120)
    forecast = TimeLeft(recipe, 0, 0.0)
    forecast.look(20, 1.0)
    forecast.look(40, 4.0)
    assert forecast.correction(100) == 120


@pytest.mark.parametrize(("seconds", "steps"), [(20.0, 200), (40.0, 149), (55.0, None)])
def test_a_second_training_takes_the_time_that_is_left_and_no_more_steps_than_the_first(
    seconds: float, steps: int | None
) -> None:
    recipe = dataclasses.replace(RECIPE, minutes=MINUTES, steps=100, most_steps=100, evaluate_every=1000)
    forecast = TimeLeft(recipe, 0, 0.0)
    forecast.look(50, seconds / 2)
    forecast.look(100, seconds)
    assert forecast.correction(100) is None
    assert forecast.again(100, MINUTES) == (steps and pytest.approx(steps, abs=5))


def test_a_run_without_minutes_is_never_corrected() -> None:
    forecast = TimeLeft(RECIPE, 0, 0.0)
    forecast.look(40, 1.0)
    forecast.look(50, 100.0)
    assert forecast.correction(100) is None
