"""A run from a base that reaches its limit with time left trains a second time; the mean of both is kept if better."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afterword.language_model import LanguageModel
from afterword.runs.begin import repeat
from afterword.runs.loop import train_run
from afterword.runs.record import Progress
from afterword.runs.resume import resume
from afterword.runs.run import Run
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


@pytest.mark.parametrize("stop", [20, FIRST, FIRST + 1, 33])
def test_it_is_repeated_and_resumed_bit_for_bit(begin_timed: BeginRun, tmp_path: Path, stop: int) -> None:
    whole = finish(begin_timed("whole"))
    again = stopped(repeat(whole.folder.path, tmp_path / "again"), stop)
    assert again.stopped
    assert again.folder.checkpoints[-1] == stop
    resumed = finish(resume(again.folder.path))
    assert resumed.record.begun_again == FIRST
    assert outcome(resumed.folder.path) == outcome(whole.folder.path)
    parted = finish(resume(stopped(begin_timed("parted"), stop).folder.path))
    assert parted.record.begun_again == FIRST
    assert outcome(parted.folder.path) == outcome(whole.folder.path)


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


@pytest.mark.parametrize(("stop", "begun_again"), [(20, None), (33, FIRST), (None, FIRST)])
def test_more_time_continues_the_training_under_way(
    begin_timed: BeginRun, tmp_path: Path, stop: int | None, begun_again: int | None
) -> None:
    path = finish(begin_timed("whole")).folder.path
    if stop is not None:
        path = stopped(repeat(path, tmp_path / "again"), stop).folder.path
    more = finish(resume(path, more_minutes=5 / 60))
    assert more.record.begun_again == begun_again
    again = finish(repeat(path, tmp_path / "and again"))
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
