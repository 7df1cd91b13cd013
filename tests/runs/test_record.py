"""What a run keeps of itself: read as it was written, also by versions before this one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import RunError
from afterword.model.tensors import read_tensors, write_tensors
from afterword.runs.folder import RunFolder
from afterword.runs.record import Position, Record
from afterword.runs.repeat import repeat
from afterword.runs.resume import resume
from afterword.runs.run import Run
from tests.runs.test_run import finish, stop_at
from tests.torture.runs import outcome

BeginRun = Callable[..., Run]


def stopped(run: Run) -> Path:
    for _ in run.train(stop_at(7)):
        pass
    return run.folder.path


def as_format_1(path: Path) -> None:
    """Rewrite the run in `path` as the first versions wrote it."""
    record = json.loads((path / "run.json").read_text())
    record["format"] = 1
    record["setbacks"] = record.pop("rollbacks")
    record["surroundings"] = [[had["step"], had["parts"]] for had in record.pop("environments")]
    for name in ("stages", "ended"):
        record.pop(name)
    (path / "run.json").write_text(json.dumps(record))
    for checkpoint in (path / "checkpoints").iterdir():
        tensors, position = read_tensors(checkpoint)
        position.pop("format")
        position["setbacks"] = position.pop("rollbacks")
        position["best"] = position["best"] and position["best"]["kept"]["cost"]
        write_tensors(checkpoint, tensors, position)


def test_a_record_and_a_position_are_read_as_they_were_written(begin_run: BeginRun) -> None:
    path = stopped(begin_run())
    loaded = RunFolder(path).load_checkpoint([])
    assert loaded is not None
    position, record = loaded[1], RunFolder(path).read_record()
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert Position.from_json(json.loads(json.dumps(position.to_json()))) == position


@pytest.mark.parametrize("go_on", ["resume", "repeat"])
def test_a_run_of_an_older_version_goes_on_to_the_same_bits(begin_run: BeginRun, tmp_path: Path, go_on: str) -> None:
    whole = begin_run("whole")
    finish(whole)
    path = stopped(begin_run("old"))
    as_format_1(path)
    run = resume(path, exact=True) if go_on == "resume" else repeat(path, tmp_path / "again", exact=True)
    finish(run)
    assert outcome(run.folder.path)["model"] == outcome(whole.folder.path)["model"]
    assert outcome(run.folder.path)["state"] == outcome(whole.folder.path)["state"]


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


@pytest.mark.parametrize("change", [{"plan": {}}, {"environments": [3]}, {"ended": {"step": 1}}, {"unknown": 1}])
def test_a_record_that_makes_no_sense_is_a_damaged_run(begin_run: BeginRun, change: dict[str, Any]) -> None:
    path = stopped(begin_run())
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | change))
    with pytest.raises(RunError, match=r"is damaged: run\.json: "):
        resume(path)
