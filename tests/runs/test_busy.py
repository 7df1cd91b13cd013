"""A run beside other processes: how many threads compute it, and when it begins anew with a smaller network."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from afterword.learning import device
from afterword.learning.learner import Learner
from afterword.planning import machine
from afterword.planning.machine import StepTime
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, repeat
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.runs.threads_now import ThreadsNow
from afterword.text.corpus import TextSettings
from tests.torture.runs import outcome

FREE = {8: 0.02, 4: 0.03, 2: 0.05, 1: 0.09}  # seconds per step, by threads
BUSY = {8: 2.0, 4: 1.0, 2: 0.5, 1: 0.2}
ALIKE = dict.fromkeys(FREE, 0.05)


def worked(threads: ThreadsNow, paces: dict[int, float], seconds: float) -> tuple[float, int]:
    """Return how long the steps of `seconds` would have taken with the best number, and the number at the end."""
    spent, steps, count = 0.0, 0, threads.count
    while spent < seconds:
        spent, steps = spent + paces[count], steps + 1
        count = threads.took(paces[count]) or count
    return steps * min(paces.values()), count


@pytest.mark.parametrize(("first", "then"), [(FREE, BUSY), (BUSY, FREE), (ALIKE, BUSY)])
def test_the_number_of_threads_follows_the_machine(first: dict[int, float], then: dict[int, float]) -> None:
    threads = ThreadsNow(8, 8)
    useful, _ = worked(threads, first, 120)
    assert useful > 0.85 * 120
    useful, count = worked(threads, then, 120)
    assert useful > 0.75 * 120
    assert then[count] == min(then.values())


def test_noise_costs_little() -> None:
    threads, number, spent = ThreadsNow(2, 2), random.Random(0), 0.0
    count, changes = 2, 0
    while spent < 300:
        pace = number.uniform(0.7, 1.3) * {2: 0.05, 1: 0.09}[count]
        spent, other = spent + pace, threads.took(pace)
        changes, count = changes + (other is not None), other or count
    assert changes <= 2
    assert count == 2


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan float32: a kernel that a test was told to use may not have what the processor has."""
    monkeypatch.setattr(device, "_precision_of_this_processor", lambda hidden_size: "float32")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    words = [f"{'abcdefgh'[k % 8]}{k * k % 97}" for k in range(400)]
    path, number = tmp_path / "book.txt", random.Random(1)
    path.write_text(" ".join(number.choice(words) for _ in range(60_000)))
    return path


@pytest.fixture
def begin_run(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Begin a run that is planned for a fast machine."""

    def start(minutes: float, **given: Any) -> Run:
        settings = TrainingSettings(minutes=minutes, base="none", ngram=0, **given)
        return begin([book], tmp_path / "run", TextSettings(), settings)

    monkeypatch.setattr(machine, "step_time", lambda encoded, recipe: StepTime(0.005, 0.005))
    monkeypatch.setattr(machine, "available_threads", lambda: 2)
    return start


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock on which a step of learning takes `now[1]` seconds, and nothing else takes any time."""
    now, whole = [1000.0, 1.0], Learner.learn

    def learn(learner: Learner, *arguments: Any) -> float:
        now[0] += now[1]
        return whole(learner, *arguments)

    monkeypatch.setattr(Learner, "learn", learn)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def finish(run: Run) -> list[str]:
    return [note for progress in train_run(run) for note in progress.notes]


def test_a_run_begins_anew_with_a_smaller_network(
    begin_run: Callable[..., Run], slow_clock: list[float], tmp_path: Path
) -> None:
    run = begin_run(minutes=1.0)
    planned, started = run.recipe, slow_clock[0]
    notes = finish(run)
    [said] = [note for note in notes if "begins anew" in note]
    record = run.record
    assert record.plan.hidden_size * 1.5 <= planned.hidden_size
    assert f"with {record.plan.hidden_size} units instead of {planned.hidden_size}," in said
    assert 0.8 < (record.plan.minutes or 0) < 0.95
    assert 57 < slow_clock[0] - started < 63, "all of the time is used"
    assert run.model is not None
    assert run.model.config.hidden_size == record.plan.hidden_size
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])["step"] < 10
    expected = outcome(tmp_path / "run")
    again = repeat(tmp_path / "run", tmp_path / "again")
    assert not [note for note in finish(again) if "begins anew" in note]
    assert outcome(tmp_path / "again") | {"files": ""} == expected | {"files": ""}


def test_a_run_killed_while_it_begins_anew_loses_only_its_first_tenth(
    begin_run: Callable[..., Run], slow_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run(minutes=1.0)
    planned, change = run.recipe, Run.change_record

    def killed(this: Run, **changes: Any) -> None:
        if "plan" in changes:
            raise KeyboardInterrupt
        change(this, **changes)

    monkeypatch.setattr(Run, "change_record", killed)
    with pytest.raises(KeyboardInterrupt):
        finish(run)
    monkeypatch.setattr(Run, "change_record", change)
    again = resume(run.folder.path)
    assert again.saved is None
    assert again.recipe == planned
    slow_clock[1] = 5.0
    finish(again)
    assert again.record.ended is not None


class Killed(BaseException):
    """The end of a process, at a step."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    learn = Learner.learn

    def killed(learner: Learner, *arguments: Any) -> float:
        if learner.step == step:
            monkeypatch.setattr(Learner, "learn", learn)
            raise Killed
        return learn(learner, *arguments)

    monkeypatch.setattr(Learner, "learn", killed)


def test_a_run_killed_in_its_first_tenth_still_begins_anew_and_only_once(
    begin_run: Callable[..., Run], slow_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run(minutes=1.0)
    planned = run.recipe
    kill_at(3, monkeypatch)
    with pytest.raises(Killed):
        finish(run)
    run = resume(run.folder.path)
    kill_at(20, monkeypatch)
    with pytest.raises(Killed):
        finish(run)
    smaller = run.recipe
    assert smaller.hidden_size < planned.hidden_size
    run = resume(run.folder.path)
    slow_clock[1] = 4.0
    assert not [note for note in finish(run) if "begins anew" in note]
    assert run.recipe == smaller


def test_a_run_that_is_late_at_its_first_step_ends(begin_run: Callable[..., Run], slow_clock: list[float]) -> None:
    run = begin_run(minutes=1.0)
    slow_clock[1] = 100.0
    finish(run)
    assert run.record.ended is not None


def test_the_time_to_begin_anew_counts(
    begin_run: Callable[..., Run], slow_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run(minutes=1.0)
    started = slow_clock[0]

    def measured(*_: Any) -> StepTime:
        slow_clock[0] += 3
        return StepTime(0.005, 0.005)

    monkeypatch.setattr(machine, "step_time", measured)
    assert [note for note in finish(run) if "begins anew" in note]
    assert 57 < slow_clock[0] - started < 63


@pytest.mark.parametrize("given", [{"hidden_size": 96}, {"steps": 20, "minutes": None}])
def test_what_was_asked_for_stays(
    given: dict[str, Any], book: Path, tmp_path: Path, slow_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "step_time", lambda encoded, recipe: StepTime(0.005, 0.005))
    settings = TrainingSettings(**{"minutes": 0.5, "base": "none", "ngram": 0, **given})
    run = begin([book], tmp_path / "run", TextSettings(), settings)
    planned = run.recipe
    finish(run)
    assert run.recipe == planned


def counting_threads(monkeypatch: pytest.MonkeyPatch, changes: dict[int, int]) -> list[tuple[int, int]]:
    """Change the number of threads after these steps. Return what grows by the step and the number at each step."""
    counted, learn = list[tuple[int, int]](), Learner.learn

    def counting(learner: Learner, *arguments: Any) -> float:
        counted.append((learner.step, torch.get_num_threads()))
        return learn(learner, *arguments)

    def took(threads: ThreadsNow, seconds: float) -> int | None:
        step, used = counted[-1]
        assert threads.count == used, "it would judge another number than the one that computed the step"
        return threads._change(changes[step + 1]) if step + 1 in changes else None

    monkeypatch.setattr(Learner, "learn", counting)
    monkeypatch.setattr(ThreadsNow, "took", took)
    monkeypatch.setattr(Run, "smaller_recipe", lambda *_: None)
    return counted


def test_changes_of_threads_are_kept_and_repeated(
    begin_run: Callable[..., Run], slow_clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting_threads(monkeypatch, {3: 1, 6: 2, 9: 1})
    run = begin_run(minutes=0.5)
    finish(run)
    assert run.record.threads == ((3, 1), (6, 2), (9, 1))
    first = counted.copy()
    assert dict(first)[2] == run.recipe.threads
    assert [dict(first)[step] for step in (3, 5, 6, 8, 9)] == [1, 1, 2, 2, 1]
    counted.clear()
    finish(repeat(tmp_path / "run", tmp_path / "again"))
    assert counted == first
    assert outcome(tmp_path / "again") | {"files": ""} == outcome(tmp_path / "run") | {"files": ""}


def test_a_resumed_run_judges_the_threads_that_its_record_has(
    begin_run: Callable[..., Run], slow_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting_threads(monkeypatch, {5: 1, 20: 2})
    run = begin_run(minutes=0.5, checkpoint_every=4)
    kill_at(7, monkeypatch)
    with pytest.raises(Killed):
        finish(run)
    del counted[:]
    run = resume(run.folder.path)
    finish(run)
    assert run.record.threads == ((5, 1), (20, 2))
    assert [dict(counted)[step] for step in (4, 5, 7, 19, 20)] == [2, 1, 1, 1, 2]


def test_threads_given_on_the_way_stay_and_are_repeated(
    begin_run: Callable[..., Run], slow_clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting_threads(monkeypatch, {3: 1, 14: 1})
    run = begin_run(minutes=0.5, checkpoint_every=4)
    kill_at(10, monkeypatch)
    with pytest.raises(Killed):
        finish(run)
    run = resume(run.folder.path, {"threads": 2})
    finish(run)
    assert run.record.threads == ((3, 1), (8, 2))
    first = dict(counted)
    del counted[:]
    finish(repeat(tmp_path / "run", tmp_path / "again"))
    assert dict(counted) == first
    assert outcome(tmp_path / "again") | {"files": ""} == outcome(tmp_path / "run") | {"files": ""}
