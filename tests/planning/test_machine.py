"""How the time that a step computes is told from the time that it waits for other processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from afterword.learning.batches import Batch
from afterword.learning.learner import Learner
from afterword.planning import machine
from afterword.planning.auto import draft
from afterword.planning.training_plan import TrainingSettings
from tests.planning.test_plan import encoded_prose


class Clocks:
    """In place of `time`: a step computes for 10 ms, and waits another 30 for a processor."""

    def __init__(self) -> None:
        self.steps = 0

    def perf_counter(self) -> float:
        return 0.040 * self.steps

    def thread_time(self) -> float:
        return 0.010 * self.steps


def test_a_step_alone_does_not_wait_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()

    def learn(learner: Learner, batch: Batch, learning_rate: float) -> float:
        clocks.steps += 1
        return 0.0

    monkeypatch.setattr(Learner, "learn", learn)
    monkeypatch.setattr(machine, "time", clocks)
    encoded = encoded_prose(20_000, tmp_path)
    recipe = draft(encoded, TrainingSettings(device="cpu", threads=1, hidden_size=16, batch_size=2, seq_length=8))
    measured = machine.step_time(encoded, recipe)
    assert measured.now == pytest.approx(0.040)
    assert measured.alone == pytest.approx(0.010)


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
