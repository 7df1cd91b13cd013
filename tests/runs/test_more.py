"""A run gets more time, after its end or before it, and it is all one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import OptionError, RunError
from afterword.language_model import LanguageModel
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, repeat
from afterword.runs.loop import train_run
from afterword.runs.resume import More, resume
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings
from tests.runs.test_run import Clock, finish, stop_at
from tests.torture.runs import outcome

BeginRun = Callable[..., Run]


@pytest.mark.parametrize("kind", [{}, {"lines": True}, {"recipe": "classic"}, {"base": True}])
@pytest.mark.parametrize("stop", [7, 24])
def test_a_run_with_more_steps_is_resumed_and_repeated_to_the_same_bits(
    begin_run: BeginRun, tmp_path: Path, kind: dict[str, Any], stop: int
) -> None:
    for name in ("whole", "parted"):
        for _ in train_run(begin_run(name, **kind), stop_at(stop)):
            pass
    finish(resume(tmp_path / "whole", more=More(more_steps=9)))
    expected = outcome(tmp_path / "whole")
    assert expected["metrics"][-1]["step"] == 33
    for _ in train_run(resume(tmp_path / "parted", more=More(more_steps=9)), stop_at(3)):
        pass
    finish(resume(tmp_path / "parted", exact=True))
    assert outcome(tmp_path / "parted") == expected
    finish(repeat(tmp_path / "whole", tmp_path / "again", exact=True))
    again = outcome(tmp_path / "again")
    for one in (again, expected):
        del one["files"]
    assert again == expected


def test_a_finished_run_says_how_to_go_on_and_may_do_so_twice(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    path = run.folder.path
    told = resume(path)
    assert told.take_notes() == ("this run has ended: `more_minutes` 5 would train it for longer",)
    told.folder.unlock()
    more = resume(path, more=More(more_epochs=0.5))
    (note,) = more.take_notes()
    assert note.startswith("the run continues from step 24 to step ")
    finish(more)
    finish(resume(path, more=More(more_steps=1)))
    first, second = more.folder.read_record().stages
    assert first.step == 24
    assert second.steps == second.step + 1 == first.steps + 1
    assert LanguageModel.load(path).generate(max_tokens=3, seed=1).tokens == 3


def test_more_minutes_are_minutes_of_training(text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(steps=30, hidden_size=8, threads=1)
    run = begin([text_file], tmp_path / "run", TextSettings(), settings)
    Clock(monkeypatch)
    finish(run)
    more = resume(tmp_path / "run", more=More(more_minutes=1))
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
