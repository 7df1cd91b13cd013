"""A run gets more time, after its end or before it, and it is all one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.errors import RunError
from afterword.language_model import LanguageModel
from afterword.runs.begin import repeat
from afterword.runs.record import Stage
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.runs.time_left import TimeLeft
from tests.runs.test_run import Clock, finish
from tests.torture.runs import outcome

BeginRun = Callable[..., Run]


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
