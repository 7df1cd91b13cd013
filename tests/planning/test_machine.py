"""How the time that a step computes is told from the time that it waits for other processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from afterword.learning import optimizer
from afterword.learning.learner import Learner
from afterword.learning.recipe import Recipe
from afterword.planning import machine
from afterword.planning.auto import make_plan, recipe_to_measure
from afterword.planning.training_plan import TrainingSettings
from afterword.text.encoded import EncodedCorpus
from tests.planning.test_plan import encoded_prose


class Clocks:
    """In place of `time`: processor time is a quarter of the clock's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return 4 * self.seconds

    def thread_time(self) -> float:
        return self.seconds


@pytest.mark.parametrize("seconds", [0.001, 0.03, 0.1])
def test_a_step_takes_the_mean_time_of_late_ones_alone_without_waiting_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Here a step takes `seconds` of computing, and each renewal of a root as much again."""
    clocks, learn, renew = Clocks(), Learner.learn, optimizer.inverse_root

    def slow_learn(*given: Any) -> float:
        clocks.seconds += seconds
        return learn(*given)

    def slow_renewal(*given: Any) -> Any:
        clocks.seconds += seconds
        return renew(*given)

    monkeypatch.setattr(Learner, "learn", slow_learn)
    monkeypatch.setattr(optimizer, "inverse_root", slow_renewal)
    monkeypatch.setattr(machine, "time", clocks)
    encoded = encoded_prose(20_000, tmp_path)
    recipe = recipe_to_measure(
        encoded, TrainingSettings(device="cpu", threads=1, hidden_size=16, batch_size=2, seq_length=8)
    )
    measured = machine.step_time(encoded, recipe)
    matrices = 2
    assert measured.alone == pytest.approx(seconds * (1 + matrices / optimizer.RENEW))
    assert measured.now == pytest.approx(4 * measured.alone)


def test_no_size_is_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def step_time(encoded: EncodedCorpus, recipe: Recipe) -> machine.StepTime:
        measured.append(recipe.hidden_size)
        return machine.StepTime(0.01, 0.01)

    monkeypatch.setattr(machine, "step_time", step_time)
    encoded = encoded_prose(20_000, tmp_path)
    for size in (None, 32, 256):
        make_plan(encoded, TrainingSettings(device="cpu", threads=1, base="none", hidden_size=size))
        assert len(measured) == len(set(measured)) > 0
        measured.clear()


@pytest.mark.parametrize(
    ("quota", "threads"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("", 8), (None, 8)]
)
def test_a_container_gets_as_many_threads_as_it_has_time_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, threads: int
) -> None:
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    if quota is not None:
        machine.CPU_QUOTA.write_text(quota)
    assert machine.available_threads() == threads
