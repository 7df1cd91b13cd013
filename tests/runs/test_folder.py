"""Laws of the run folder: its lock, its record, its deferred writes, and the places and faults that it meets."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
import os
import platform
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from afterword.errors import OptionError, RunError, StorageError
from afterword.learning.validation import Measured
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.model.network.cells import Cell
from afterword.planning.training_plan import TrainingSettings
from afterword.records import as_record
from afterword.runs.begin import begin
from afterword.runs.environment import check_ranks, check_torch, processor
from afterword.runs.folder import RunFolder, locked
from afterword.runs.loop import train_run
from afterword.runs.record import RunRecord, as_json, as_position
from afterword.runs.resume import resume, take_settings
from afterword.runs.run import DeferredWrites, Run
from afterword.storage import append, sync_file
from afterword.text.corpus import TextSettings
from tests.runs.test_run import finish, stopped
from tests.torture.runs import longest_file


def test_asking_whether_a_run_is_trained_disturbs_nobody(tmp_path: Path) -> None:
    trained, asked, done = RunFolder(tmp_path), RunFolder(tmp_path), threading.Event()
    assert not asked.is_locked

    def ask() -> None:
        while not done.is_set():
            _ = asked.is_locked

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(100):
            trained.lock()
            trained.unlock()
    finally:
        done.set()
        asking.join()
    assert not asked.is_locked
    trained.lock()
    assert asked.is_locked
    trained.unlock()


def test_reports_end_where_a_line_is_not_whole(tmp_path: Path) -> None:
    folder, metrics = RunFolder(tmp_path), tmp_path / "metrics.jsonl"
    assert folder.reports() == []
    for step in (1, 2):
        folder.append_metrics({"step": step})
    whole = metrics.read_bytes()
    for rest in (b'{"step": 3, "sec', b"[]\n", b"\n", b"\xff\n"):
        metrics.write_bytes(whole + rest)
        assert folder.reports() == [{"step": 1}, {"step": 2}]


def test_a_file_system_without_locks_is_no_other_process(ended: Path, tmp_path: Path) -> None:
    without = OSError(errno.ENOSYS, "Function not implemented")
    (own := tmp_path / "own").mkdir()
    (own / "lock").touch()  # an empty file of somebody else's, perhaps
    for place in (ended, own, tmp_path):
        before = sorted(place.iterdir())
        with (
            mock.patch.object(fcntl, "flock", side_effect=without),
            pytest.raises(RunError, match=r"cannot write in .* or lock it: Function not implemented"),
        ):
            RunFolder(place).lock()
        assert sorted(place.iterdir()) == before


def test_what_a_failed_write_lacks_is_said_to_the_byte(tmp_path: Path) -> None:
    with longest_file(0), pytest.raises(StorageError, match=r"file: File too large; 1 more bytes are needed$"):
        append(tmp_path / "file", b"x")
    with pytest.raises(StorageError, match=r"^cannot write .*missing: No such file or directory$"):
        sync_file(tmp_path / "missing")


def test_a_full_disk_leaves_no_folder(tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for place in (tmp_path / "run", tmp_path / "new" / "run"):
        with pytest.raises(StorageError, match=r"cannot write in .* or lock it: No space left on device"):
            begin([text_file], place, TextSettings(), TrainingSettings(steps=1))
    assert sorted(tmp_path.iterdir()) == [text_file]


def test_training_on_windows_is_refused(tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(RunError, match="training works on Linux and macOS: on Windows, install Afterword in WSL"):
        begin([text_file], tmp_path / "run", TextSettings(), TrainingSettings(steps=1))
    assert not (tmp_path / "run").exists()


def test_what_fails_waits_and_is_written_before_what_comes_later() -> None:
    written, notes, full = list[str](), list[str](), True
    writes = DeferredWrites(notes)

    def write(what: str) -> None:
        if full:
            raise StorageError(f"cannot write {what}")
        written.append(what)

    for name in ("model", "report 1", "model", "report 2"):
        writes.write(name, partial(write, name))
    assert not writes.write_now(partial(write, "checkpoint"))
    assert writes.trouble
    assert len(notes) == 1
    with pytest.raises(StorageError, match="cannot write report 1"):
        writes.finish()
    full = False
    assert writes.write_now(partial(write, "checkpoint"))
    assert written == ["report 1", "model", "report 2", "checkpoint"]
    assert not writes.trouble
    assert len(notes) == 2
    writes.finish()


def test_a_record_and_a_position_are_read_as_they_were_written(ended: Path) -> None:
    loaded = RunFolder(ended).load_checkpoint([])
    assert loaded is not None
    position, record = loaded[1], RunFolder(ended).read_record()
    assert as_record(RunRecord, json.loads(json.dumps(as_json(record)))) == record
    assert as_position(json.loads(json.dumps(as_json(position)))) == position


def test_states_that_are_abandoned_or_too_many_are_removed(ended: Path) -> None:
    folder, states = RunFolder(ended), ended / "checkpoints"
    older, newest = folder.checkpoints
    shutil.copy(states / f"step-{older:09}.safetensors", states / "step-000000001.safetensors")  # killed before it went
    assert finish(resume(ended)).folder.checkpoints == [older, newest]
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
def test_a_plan_of_a_network_that_cannot_be_or_a_lost_fact_is_a_damaged_run(ended: Path, change: Any) -> None:
    record = json.loads((ended / "run.json").read_text())
    (ended / "run.json").write_text(json.dumps(record | {"plan": record["plan"] | change}))
    with pytest.raises(RunError, match=rf"is damaged: run\.json: plan\.{next(iter(change))}"):
        resume(ended)
    del record["environments"][0]["parts"]["processor"]
    (ended / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is damaged: KeyError: 'processor'"):
        resume(ended)


BeginRun = Callable[..., Run]


@pytest.mark.parametrize(
    ("out", "text", "why"),
    [("x" * 300, "book.txt", "File name too long"), ("run", "run/run.json", "run.json is in .*run: give out= another")],
)
def test_a_run_does_not_begin_there(begin_run: BeginRun, tmp_path: Path, out: str, text: str, why: str) -> None:
    begin_run().folder.unlock()
    with pytest.raises(RunError, match=why):
        begin([tmp_path / text], tmp_path / out, TextSettings(), TrainingSettings(steps=1), overwrite=True)


def test_a_folder_that_cannot_be_made_is_not_held(text_file: Path) -> None:
    with pytest.raises(RunError, match=r"cannot create the folder .*: Not a directory"):
        locked(RunFolder(text_file / "run")).__enter__()


def test_every_rank_needs_a_lane(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run()
    for name, value in {"RANK": "0", "WORLD_SIZE": "1000", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match=r"1000 ranks and a batch_size= of .*: every rank needs a lane of its own"):
        check_ranks(run.recipe)


def test_a_removed_model_is_written_again_when_its_run_continues(begin_run: BeginRun) -> None:
    run = begin_run()
    stopped(run, 13)
    shutil.rmtree(run.folder.model)
    next(iter(train_run(resume(run.folder.path))))
    assert run.folder.model.exists()


def test_a_run_on_another_device_in_the_same_precision_needs_no_note(begin_run: BeginRun) -> None:
    run = begin_run()
    record = replace(run.record, plan=replace(run.recipe, device="cuda", precision="float32"))
    changed, notes = take_settings(run.folder, record, {"device": "cpu"})
    assert (changed.plan.device, notes) == ("cpu", [])


def test_the_n_gram_is_named_only_where_it_carries_the_model(begin_run: BeginRun) -> None:
    run = begin_run()
    run.take_notes()
    for measured in (Measured(1.0, 2.0, None, 1.0), Measured(1.0, 2.0, 1.0, 0.9)):
        run.note_ngram(measured)
        assert run.take_notes() == ()
    suggested: dict[Cell, str] = {"lstm": "more text or a base (`base`)", "rnn": "more text"}
    for cell, help in suggested.items():
        run.record = replace(run.record, plan=replace(run.recipe, most_steps=run.recipe.steps, cell=cell))
        run.note_ngram(Measured(1.0, 2.0, 1.0, 1.0))
        (note,) = run.take_notes()
        assert note.endswith(f"; the {cell.upper()} would gain from {help}")


def test_a_machine_without_pytorch_or_a_named_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "")
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    check_torch()
    assert os.environ["GOMP_SPINCOUNT"] == "2000"
    assert ("THP_MEM_ALLOC_ENABLE" in os.environ) == Path("/sys/kernel/mm/transparent_hugepage").exists()
    monkeypatch.setattr(Path, "read_text", lambda path: "Features : fp asimd\n")  # as on ARM
    assert processor() == (platform.processor() or platform.machine())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="PyTorch, which is not installed"):
        check_torch()
