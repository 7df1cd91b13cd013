"""A run's record and positions are read as they were written; other formats are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import RunError
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.records import as_record
from afterword.runs.folder import RunFolder
from afterword.runs.record import RunRecord, as_json, as_position
from afterword.runs.resume import resume


def test_a_record_and_a_position_are_read_as_they_were_written(ended: Path) -> None:
    loaded = RunFolder(ended).load_checkpoint([])
    assert loaded is not None
    position, record = loaded[1], RunFolder(ended).read_record()
    assert as_record(RunRecord, json.loads(json.dumps(as_json(record)))) == record
    assert as_position(json.loads(json.dumps(as_json(position)))) == position


def test_states_that_are_abandoned_or_too_many_are_removed(ended: Path) -> None:
    folder, states = RunFolder(ended), ended / "checkpoints"
    older, newest = folder.checkpoints
    shutil.copy(states / f"step-{older:09}.safetensors", states / "step-000000001.safetensors")
    assert resume(ended).folder.checkpoints == [older, newest]
    loaded = folder.load_checkpoint([], rollbacks=[older])
    assert loaded is not None
    assert [loaded[1].step] == folder.checkpoints == [older]


def test_a_checkpoint_of_a_version_to_come_is_named(ended: Path) -> None:
    for checkpoint in (ended / "checkpoints").iterdir():
        tensors, position = read_tensors(checkpoint)
        write_tensors(checkpoint, tensors, position | {"format": 4})
    notes: list[str] = []
    with pytest.raises(RunError, match="all checkpoints"):
        RunFolder(ended).load_checkpoint(notes)
    assert all("it has the format 4, and this Afterword reads 3" in note for note in notes)


@pytest.mark.parametrize("change", [{"hidden_size": 2**62}, {"num_layers": 0}, {"batch_size": -1}, {"cell": "gru"}])
def test_a_plan_of_a_network_that_cannot_be_is_a_damaged_run(ended: Path, change: dict[str, Any]) -> None:
    record = json.loads((ended / "run.json").read_text())
    (ended / "run.json").write_text(json.dumps(record | {"plan": record["plan"] | change}))
    with pytest.raises(RunError, match=rf"is damaged: run\.json: plan\.{next(iter(change))}"):
        resume(ended)
