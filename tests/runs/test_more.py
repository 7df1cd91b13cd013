"""A run gets more time, after its end or before it, and it is all one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.errors import OptionError, RunError
from afterword.language_model import LanguageModel
from afterword.runs.resume import More, resume
from afterword.runs.run import Run
from tests.runs.test_run import Clock, finish

BeginRun = Callable[..., Run]


def test_a_finished_run_says_how_to_go_on_and_may_do_so_twice(ended: Path) -> None:
    told = resume(ended)
    assert told.take_notes() == ("this run has ended: `more_minutes` 5 would train it for longer",)
    told.folder.unlock()
    more = resume(ended, more=More(more_epochs=0.5))
    (note,) = more.take_notes()
    assert note.startswith("the run continues from step 24 to step ")
    finish(more)
    finish(resume(ended, more=More(more_steps=1)))
    first, second = more.folder.read_record().stages
    assert first.step == 24
    assert second.steps == second.step + 1 == first.steps + 1
    assert LanguageModel.load(ended).generate(max_tokens=3, seed=1).tokens == 3


def test_more_minutes_are_minutes_of_training(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run(steps=30)
    Clock(monkeypatch)
    more = resume(finish(run).folder.path, more=More(more_minutes=1))
    assert more.record.corrections == ((30, 90),)  # a step takes a second
    assert more.minutes == 1.5
    finish(more)
    assert 85 <= more.seconds <= 95


def test_more_is_said_once_and_needs_a_state(begin_run: BeginRun) -> None:
    with pytest.raises(OptionError, match="more_minutes= cannot be used with more_steps="):
        More(more_minutes=1, more_steps=1)
    with pytest.raises(OptionError, match="more_steps= must be 1 or more"):
        More(more_steps=0)
    run = begin_run()
    run.folder.unlock()
    with pytest.raises(RunError, match="has no checkpoint yet"):
        resume(run.folder.path, more=More(more_steps=1))
