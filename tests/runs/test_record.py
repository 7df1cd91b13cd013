"""A run's record and positions are read as they were written; other formats are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import RunError
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.records import as_record
from afterword.runs.folder import RunFolder
from afterword.runs.loop import train_run
from afterword.runs.record import RunRecord, as_json, as_position
from afterword.runs.resume import resume
from afterword.runs.run import Run
from tests.runs.test_run import stop_at

BeginRun = Callable[..., Run]


def stopped(run: Run) -> Path:
    for _ in train_run(run, stop_at(7)):
        pass
    return run.folder.path


def test_a_record_and_a_position_are_read_as_they_were_written(begin_run: BeginRun) -> None:
    path = stopped(begin_run())
    loaded = RunFolder(path).load_checkpoint([])
    assert loaded is not None
    position, record = loaded[1], RunFolder(path).read_record()
    assert as_record(RunRecord, json.loads(json.dumps(as_json(record)))) == record
    assert as_position(json.loads(json.dumps(as_json(position)))) == position


def test_a_run_of_a_version_to_come_is_refused_in_one_line(begin_run: BeginRun) -> None:
    path = stopped(begin_run())
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"format": 4}))
    with pytest.raises(RunError, match=r"has the format 4, and this Afterword reads 3: upgrade Afterword$"):
        resume(path)
    assert RunFolder(path).is_run


def test_a_checkpoint_of_a_version_to_come_is_named(begin_run: BeginRun) -> None:
    path = stopped(begin_run())
    for checkpoint in (path / "checkpoints").iterdir():
        tensors, position = read_tensors(checkpoint)
        write_tensors(checkpoint, tensors, position | {"format": 4})
    notes: list[str] = []
    with pytest.raises(RunError, match="all checkpoints"):
        RunFolder(path).load_checkpoint(notes)
    assert all("it has the format 4, and this Afterword reads 3" in note for note in notes)


@pytest.mark.parametrize(
    "change", [{"plan": {}}, {"environments": [3]}, {"ended": {"step": 1}}, {"corrections": [["7", 9]]}]
)
def test_a_record_that_makes_no_sense_is_a_damaged_run(begin_run: BeginRun, change: dict[str, Any]) -> None:
    path = stopped(begin_run())
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | change))
    with pytest.raises(RunError, match=r"is damaged: run\.json: "):
        resume(path)


@pytest.mark.parametrize("change", [{"hidden_size": 2**62}, {"num_layers": 0}, {"batch_size": -1}, {"cell": "gru"}])
def test_a_plan_of_a_network_that_cannot_be_is_a_damaged_run(begin_run: BeginRun, change: dict[str, Any]) -> None:
    path = stopped(begin_run())
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"plan": record["plan"] | change}))
    with pytest.raises(RunError, match=rf"is damaged: run\.json: plan\.{next(iter(change))}"):
        resume(path)
