"""Time: a run ends on its minute, one from a base with time left trains twice, and any may be given more minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import RunError
from afterword.language_model import LanguageModel
from afterword.learning.recipe import Schedule
from afterword.runs.begin import repeat
from afterword.runs.loop import train_run
from afterword.runs.record import Stage
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.runs.time_left import TimeLeft
from tests.learning.small import RECIPE
from tests.runs.test_run import Clock, Sick, finish, stopped
from tests.torture.runs import outcome

BeginRun = Callable[..., Run]
FIRST = 24  # steps of the first training, which take 1 s each
ASKED: dict[str, Any] = {"base": True, "taught": 0.2, "steps": FIRST, "checkpoint_every": 7}


@pytest.fixture
def begin_timed(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> BeginRun:
    """Begin a run that may train a second time, in so many seconds."""

    def begin(name: str = "run", seconds: float = 40, **asked: Any) -> Run:
        run = begin_run(name, **ASKED | asked)
        limits: dict[str, Any] = {"most_steps": FIRST, "minutes": seconds / 60, "second_training": True}
        run.change_record(plan=replace(run.recipe, **limits, evaluate_every=10, report_every=1))
        return run

    Clock(monkeypatch)
    return begin


@pytest.mark.parametrize("lines", [False, True])
def test_it_keeps_the_best_evaluation_of_both_trainings(begin_timed: BeginRun, lines: bool) -> None:
    run = begin_timed(lines=lines)
    reports = list(train_run(run))
    assert "a second training begins from base" in " ".join(note for report in reports for note in report.notes)
    assert run.record.begun_again == FIRST
    assert run.record.ended is not None
    assert run.record.ended.step == pytest.approx(40, abs=2)
    held_out = {report.step: report.validation for report in reports if report.validation is not None}
    assert {10, 20, FIRST, 30, run.record.ended.step} <= held_out.keys()
    saved = LanguageModel.load(run.folder.path).about["validation"]["nats_per_character"]
    assert saved == pytest.approx(min(held_out.values()), abs=0.001)


@pytest.mark.parametrize(("seconds", "steps", "left"), [(29, FIRST, 17), (32, 32, 20), (40, 40, 28), (100, 48, 36)])
def test_it_takes_the_time_left_or_as_many_steps(
    begin_timed: BeginRun, seconds: float, steps: int, left: float
) -> None:
    run = begin_timed(seconds=seconds)
    reports = list(train_run(run))
    assert reports[-1].step == pytest.approx(steps, abs=1)
    assert reports[-1].seconds_left == 0
    assert run.record.begun_again == (FIRST if steps > FIRST else None)
    assert reports[11].seconds_left == pytest.approx(left, abs=2)  # after 12 s, of both trainings


def test_it_is_repeated_and_resumed_bit_for_bit(begin_timed: BeginRun, tmp_path: Path) -> None:
    whole = finish(begin_timed("whole"))
    expected = outcome(whole.folder.path)
    for stop in (20, FIRST, FIRST + 1, 33):
        for begun in (repeat(whole.folder.path, tmp_path / f"again-{stop}"), begin_timed(f"parted-{stop}")):
            path = stopped(begun, stop).folder.path
            assert begun.stopped
            assert begun.folder.checkpoints[-1] == stop
            assert finish(resume(path)).record.begun_again == FIRST
            assert outcome(path) == expected


@pytest.mark.parametrize(("sick", "back"), [(15, 10), (FIRST, 20), (FIRST + 2, FIRST), (33, 30)])
def test_trouble_leaves_the_first(
    begin_timed: BeginRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sick: int, back: int
) -> None:
    run = begin_timed(seconds=60)
    Sick(monkeypatch, sick, 1)
    finish(run)
    assert (run.record.rollbacks, run.record.begun_again) == ((back,), FIRST)
    again = finish(repeat(run.folder.path, tmp_path / "again"))
    assert outcome(again.folder.path) == outcome(run.folder.path)


def test_more_time_continues_the_training_under_way(begin_timed: BeginRun, tmp_path: Path) -> None:
    whole = finish(begin_timed("whole")).folder.path
    for stop, begun_again in ((20, None), (33, FIRST), (None, FIRST)):
        path = whole if stop is None else stopped(repeat(whole, tmp_path / f"again-{stop}"), stop).folder.path
        assert finish(resume(path, more_minutes=5 / 60)).record.begun_again == begun_again
        again = finish(repeat(path, tmp_path / f"and again-{stop}"))
        assert outcome(again.folder.path) == outcome(path)


def test_more_time_after_one_training_begins_no_second(begin_timed: BeginRun) -> None:
    more = finish(resume(finish(begin_timed(seconds=29)).folder.path, more_minutes=1))
    assert more.record.ended is not None
    assert more.record.ended.step > 2 * FIRST
    assert more.record.begun_again is None


@pytest.mark.parametrize(
    ("asked", "may"),
    [({}, True), ({"dropout": 0.1}, False), ({"schedule": "constant"}, False), ({"steps": 24, "minutes": None}, False)],
)
def test_a_timed_run_of_the_usual_dropout_may_have_it(begin_run: BeginRun, asked: dict[str, Any], may: bool) -> None:
    run = begin_run(**{"base": True, "steps": None, "minutes": 0.5, "dropout": None} | asked)
    run.folder.unlock()
    assert run.recipe.second_training == may
    assert any("a second training" in note for note in run.notes) == may


def test_a_finished_run_may_go_on_more_than_once(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run()
    run.folder.unlock()
    with pytest.raises(RunError, match="has no checkpoint yet"):
        resume(run.folder.path, more_minutes=1)
    Clock(monkeypatch)
    monkeypatch.setattr(TimeLeft, "correction", lambda *_: None)
    path = finish(resume(run.folder.path)).folder.path
    told = resume(path)
    assert told.take_notes() == ("this run has ended: `more_minutes` 5 would train it for longer",)
    told.folder.unlock()
    more = resume(path, more_minutes=3 / 60)
    (note,) = more.take_notes()
    assert note.startswith("the run continues from step 24 to step ")
    finish(more)
    first, second = finish(resume(path, more_minutes=1e-9)).record.stages
    assert first.step == 24
    assert second.steps == second.step + 1 == first.steps + 1


def test_more_minutes_are_minutes_of_training(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    more = resume(finish(begin_run(steps=30)).folder.path, more_minutes=1)
    assert more.record.corrections == ((30, 90),)  # a step takes a second
    assert more.minutes == 1.5
    finish(more)
    assert 85 <= more.seconds <= 95


def test_a_run_that_an_earlier_version_gave_more_steps_goes_on(begin_run: BeginRun, tmp_path: Path) -> None:
    run = finish(begin_run(steps=6))
    stage = Stage(6, 9, None, {"more_steps": 3})
    run.change_record(corrections=((6, 9),), stages=(stage,), ended=None)
    finish(resume(run.folder.path))
    again = finish(repeat(run.folder.path, tmp_path / "again"))
    assert again.folder.read_record().stages == (stage,)
    assert outcome(again.folder.path)["model"] == outcome(run.folder.path)["model"]


MINUTES = 1.0
EVALUATION = 0.5  # seconds


def simulate(planned: int, pace: Callable[[float], float], minutes: float = MINUTES, save: float = 0.0) -> Any:
    """When a run of `planned` steps ends whose steps take so long at each time, and what became of its schedule.

    A save of so many seconds is made by the minute.
    """
    recipe = replace(RECIPE, minutes=minutes, steps=planned, evaluate_every=max(1, planned // 6))
    now, saved, step, schedule = 0.0, 0.0, 0, Schedule(recipe)
    forecast = TimeLeft(recipe, 0, 0.0)
    while step < schedule.steps:
        now, step = now + pace(now), step + 1
        if step % max(1, planned // 400) == 0 and step < schedule.steps:
            forecast.look(step, now)
            if (steps := forecast.correction(schedule.steps)) is not None:
                schedule.correct(step, steps)
        if step % recipe.evaluate_every == 0 or step == schedule.steps:
            now += EVALUATION
            forecast.evaluated(EVALUATION)
        if now - saved >= 60:
            saved = now = now + save
            forecast.saved(save)
    return now, schedule


@settings(deadline=None)
@given(st.integers(100, 5_000), st.floats(0.3, 3), st.floats(0, 55), st.floats(1, 60), st.floats(1.2, 4))
def test_it_ends_on_the_minute_when_disturbed(
    planned: int, wrong: float, comes: float, stays: float, slower: float
) -> None:
    pace = MINUTES * 60 / planned * wrong
    ended, _ = simulate(planned, lambda now: pace * (slower if comes <= now < comes + stays else 1))
    # one more step may not fit, and of the last one nobody knows beforehand how long it takes
    assert ended == pytest.approx(MINUTES * 60, abs=max(0.05 * MINUTES * 60, 2 * pace * slower))


NOISE = np.random.default_rng(0).uniform(0.6, 1.4, 100_000)


@pytest.mark.parametrize(
    ("minutes", "planned", "save", "late", "corrections"),
    [
        (0.3, 900, 0.0, 1.0, 8),
        (1.0, 3_000, 0.0, 1.0, 8),
        (30.0, 60_000, 3.0, 1.0, 8),
        (1.0, 3_000, 0.0, 2.5, 40),  # another process comes and goes
    ],
)
def test_noise_and_slow_saves_take_few_corrections(
    minutes: float, planned: int, save: float, late: float, corrections: int
) -> None:
    noise, mean = iter(NOISE), (minutes * 60 - 6.5 * EVALUATION) / planned
    ended, schedule = simulate(planned, lambda now: mean * next(noise) * (late if 20 < now < 40 else 1), minutes, save)
    assert ended == pytest.approx(minutes * 60, rel=0.03)
    assert len(schedule.corrections) <= corrections


def test_a_steady_run_is_not_corrected_and_one_of_a_few_slow_steps_ends_nearly_on_time() -> None:
    ended, schedule = simulate(1_000, lambda now: (60 - 7 * EVALUATION) / 1_000)
    assert ended == pytest.approx(60, rel=0.03)
    assert schedule.corrections == []
    assert simulate(40, lambda now: 3.0)[0] == pytest.approx(60, rel=0.05)


def forecast_of(looks: dict[int, float], **changes: Any) -> TimeLeft:
    """A forecast that saw so many steps after so many seconds."""
    forecast = TimeLeft(replace(RECIPE, **changes), 0, 0.0)
    for step, seconds in looks.items():
        forecast.look(step, seconds)
    return forecast


def test_a_run_that_may_take_no_more_steps_ends_early_and_one_without_minutes_as_planned() -> None:
    assert forecast_of({20: 1.0, 40: 4.0}, minutes=MINUTES, steps=100, most_steps=120).correction(100) == 120
    assert forecast_of({40: 1.0, 50: 100.0}).correction(100) is None


@pytest.mark.parametrize(("seconds", "steps"), [(20.0, 200), (40.0, 149), (55.0, None)])
def test_a_second_training_takes_the_time_that_is_left(seconds: float, steps: int | None) -> None:
    limits = {"minutes": MINUTES, "steps": 100, "most_steps": 100, "evaluate_every": 1000}
    forecast = forecast_of({50: seconds / 2, 100: seconds}, **limits)
    assert forecast.correction(100) is None
    assert forecast.again(100, MINUTES) == (steps and pytest.approx(steps, abs=5))
