"""Time: a run ends on its minute, one from a base with time left trains twice, and any may be given more minutes."""

from __future__ import annotations

import dataclasses
import json
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
from afterword.runs.record import Progress, Stage
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
    notes = " ".join(note for progress in train_run(run) for note in progress.notes)
    assert "a second training begins from base" in notes
    assert run.record.begun_again == FIRST
    assert run.record.ended is not None
    assert run.record.ended.step == pytest.approx(40, abs=2)
    reports = [json.loads(line) for line in (run.folder.path / "metrics.jsonl").read_text().splitlines()]
    held_out = {report["step"]: report["validation"] for report in reports if report["validation"] is not None}
    assert {10, 20, FIRST, 30, run.record.ended.step} <= held_out.keys()
    saved = LanguageModel.load(run.folder.path).about["validation"]["nats_per_character"]
    assert saved == pytest.approx(min(held_out.values()), abs=0.001)


@pytest.mark.parametrize(("seconds", "steps"), [(29, FIRST), (32, 32), (40, 40), (100, 2 * FIRST)])
def test_it_takes_the_time_that_is_left_but_not_a_short_one_nor_more_steps_than_the_first(
    begin_timed: BeginRun, seconds: float, steps: int
) -> None:
    run = begin_timed(seconds=seconds)
    *_, last = train_run(run)
    assert last.step == pytest.approx(steps, abs=1)
    assert last.seconds_left == 0
    assert run.record.begun_again == (FIRST if steps > FIRST else None)


def test_the_first_training_reports_the_time_of_both(begin_timed: BeginRun) -> None:
    def left(run: Run) -> float:
        reports: list[Progress] = list(train_run(run))
        return reports[11].seconds_left  # after 12 s

    assert left(begin_timed("short", seconds=40)) == pytest.approx(28, abs=2)
    assert left(begin_timed("long", seconds=100)) == pytest.approx(36, abs=2)


def test_it_is_repeated_and_resumed_bit_for_bit(begin_timed: BeginRun, tmp_path: Path) -> None:
    whole = finish(begin_timed("whole"))
    for stop in (20, FIRST, FIRST + 1, 33):
        for begun in (repeat(whole.folder.path, tmp_path / f"again-{stop}"), begin_timed(f"parted-{stop}")):
            path = stopped(begun, stop).folder.path
            assert begun.stopped
            assert begun.folder.checkpoints[-1] == stop
            assert finish(resume(path)).record.begun_again == FIRST
            assert outcome(path) == outcome(whole.folder.path)


@pytest.mark.parametrize(("sick", "back"), [(15, 10), (FIRST, 20), (FIRST + 2, FIRST), (33, 30)])
def test_trouble_in_the_second_leaves_the_first_as_it_was(
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
        more = finish(resume(path, more_minutes=5 / 60))
        assert more.record.begun_again == begun_again
        again = finish(repeat(path, tmp_path / f"and again-{stop}"))
        assert outcome(again.folder.path) == outcome(path)


def test_more_time_after_one_training_begins_no_second(begin_timed: BeginRun) -> None:
    path = finish(begin_timed(seconds=29)).folder.path
    more = finish(resume(path, more_minutes=1))
    assert more.record.ended is not None
    assert more.record.ended.step > 2 * FIRST
    assert more.record.begun_again is None


@pytest.mark.parametrize(
    ("asked", "may"),
    [({}, True), ({"dropout": 0.1}, False), ({"schedule": "constant"}, False), ({"steps": 24, "minutes": None}, False)],
)
def test_the_plan_allows_it_in_a_timed_run_with_the_usual_dropout(
    begin_run: BeginRun, asked: dict[str, Any], may: bool
) -> None:
    run = begin_run(**{"base": True, "steps": None, "minutes": 0.5, "dropout": None} | asked)
    run.folder.unlock()
    assert run.recipe.second_training == may
    assert any("a second training" in note for note in run.notes) == may


def test_a_finished_run_says_how_to_go_on_and_may_do_so_twice(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)
    monkeypatch.setattr(TimeLeft, "correction", lambda *_: None)
    ended = finish(begin_run()).folder.path
    told = resume(ended)
    assert told.take_notes() == ("this run has ended: `more_minutes` 5 would train it for longer",)
    told.folder.unlock()
    more = resume(ended, more_minutes=3 / 60)
    (note,) = more.take_notes()
    assert note.startswith("the run continues from step 24 to step ")
    finish(more)
    finish(resume(ended, more_minutes=1e-9))
    first, second = more.folder.read_record().stages
    assert first.step == 24
    assert second.steps == second.step + 1 == first.steps + 1
    assert LanguageModel.load(ended).generate(max_tokens=3, seed=1).tokens == 3


def test_more_minutes_are_minutes_of_training(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run(steps=30)
    Clock(monkeypatch)
    more = resume(finish(run).folder.path, more_minutes=1)
    assert more.record.corrections == ((30, 90),)  # a step takes a second
    assert more.minutes == 1.5
    finish(more)
    assert 85 <= more.seconds <= 95


def test_more_time_needs_a_state(begin_run: BeginRun) -> None:
    run = begin_run()
    run.folder.unlock()
    with pytest.raises(RunError, match="has no checkpoint yet"):
        resume(run.folder.path, more_minutes=1)


def test_a_run_that_an_earlier_version_gave_more_steps_goes_on_and_is_repeated(
    begin_run: BeginRun, tmp_path: Path
) -> None:
    run = begin_run(steps=6)
    finish(run)
    stage = Stage(6, 9, None, {"more_steps": 3})
    run.change_record(corrections=((6, 9),), stages=(stage,), ended=None)
    finish(resume(run.folder.path))
    again = finish(repeat(run.folder.path, tmp_path / "again"))
    assert again.folder.read_record().stages == (stage,)
    assert outcome(again.folder.path)["model"] == outcome(run.folder.path)["model"]


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


def pace(minutes: float, planned: int) -> float:
    return (minutes * 60 - 6.5 * EVALUATION) / planned


@pytest.mark.parametrize(
    ("minutes", "planned", "save", "seconds_of_step", "corrections"),
    [
        (1.0, 1_000, 0.0, lambda now, noise: (60 - 7 * EVALUATION) / 1_000, 0),  # a steady run
        (0.3, 900, 0.0, lambda now, noise: pace(0.3, 900) * noise.uniform(0.6, 1.4), 8),
        (1.0, 3_000, 0.0, lambda now, noise: pace(1.0, 3_000) * noise.uniform(0.6, 1.4), 8),
        (30.0, 60_000, 3.0, lambda now, noise: pace(30.0, 60_000) * noise.uniform(0.6, 1.4), 8),
        (1.0, 3_000, 0.0, lambda now, noise: 0.019 * noise.uniform(0.7, 1.3) * (2.5 if 20 < now < 40 else 1), 40),
        (1.0, 40, 0.0, lambda now, noise: 3.0, 40),  # a few slow steps
    ],
)
def test_noise_slow_saves_and_another_process_take_few_corrections(
    minutes: float, planned: int, save: float, seconds_of_step: Callable[..., float], corrections: int
) -> None:
    noise = np.random.default_rng(0)
    ended, schedule = simulate(planned, lambda now: seconds_of_step(now, noise), minutes, save)
    assert ended == pytest.approx(minutes * 60, rel=0.05 if planned == 40 else 0.03)
    assert len(schedule.corrections) <= corrections


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
