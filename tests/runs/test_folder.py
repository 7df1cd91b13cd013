"""Laws of the run folder's lock, and of where a run cannot be."""

from __future__ import annotations

import errno
import fcntl
import sys
import threading
from pathlib import Path

import pytest

from afterword.errors import RunError, StorageError
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder
from afterword.text.corpus import TextSettings


def test_a_lock_is_held_by_one_and_free_when_it_is_let_go(tmp_path: Path) -> None:
    one, other = RunFolder(tmp_path), RunFolder(tmp_path)
    one.lock()
    with pytest.raises(RunError, match=r"is being trained by another process: wait for it, or choose another out="):
        other.lock()
    one.unlock()
    other.lock()
    other.unlock()
    assert one.is_free  # by the lock's own text it is known as ours


def test_asking_whether_a_run_is_trained_disturbs_nobody(tmp_path: Path) -> None:
    trained, asked, done = RunFolder(tmp_path), RunFolder(tmp_path), threading.Event()
    assert not asked.is_held

    def ask() -> None:
        while not done.is_set():
            _ = asked.is_held

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(100):
            trained.lock()
            trained.unlock()
    finally:
        done.set()
        asking.join()
    assert not asked.is_held
    trained.lock()
    assert asked.is_held
    trained.unlock()


def test_reports_end_where_a_line_is_not_whole(tmp_path: Path) -> None:
    folder, metrics = RunFolder(tmp_path), tmp_path / "metrics.jsonl"
    assert folder.reports() == []
    folder.append_metrics({"step": 1})
    folder.append_metrics({"step": 2})
    whole = metrics.read_bytes()
    for rest in (b'{"step": 3, "sec', b"[]\n", b"\n", b"\xff\n"):
        metrics.write_bytes(whole + rest)
        assert folder.reports() == [{"step": 1}, {"step": 2}]


def test_a_file_system_without_locks_is_said_and_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*arguments: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RunError, match=r"cannot write in .* or lock it: Function not implemented"):
        RunFolder(tmp_path).lock()


def test_a_full_disk_leaves_no_folder(tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for place in (tmp_path / "run", tmp_path / "new" / "run"):
        with pytest.raises(StorageError, match=r"cannot write in .* or lock it: No space left on device"):
            begin([text_file], place, TextSettings(), TrainingSettings(steps=1))
    assert sorted(tmp_path.iterdir()) == [text_file]


def test_training_on_windows_is_refused_with_what_to_do(
    tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(RunError, match="training works on Linux and macOS: on Windows, install Afterword in WSL"):
        begin([text_file], tmp_path / "run", TextSettings(), TrainingSettings(steps=1))
    assert not (tmp_path / "run").exists()
