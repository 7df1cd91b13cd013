"""Laws of the run folder's lock, and of where a run cannot be."""

from __future__ import annotations

import errno
import fcntl
import sys
from pathlib import Path

import pytest

from afterword.errors import RunError
from afterword.planning.settings import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder
from afterword.text.corpus import TextSettings


def test_a_lock_is_held_by_one_and_free_when_it_is_let_go(tmp_path: Path) -> None:
    one, other = RunFolder(tmp_path), RunFolder(tmp_path)
    one.lock()
    with pytest.raises(RunError, match=r"is being trained by another process: wait for it, or choose another --out"):
        other.lock()
    one.unlock()
    other.lock()
    other.unlock()
    assert one.is_free  # by the lock's own text it is known as ours


def test_a_file_system_without_locks_is_said_and_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*arguments: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RunError, match=r"cannot write in .* or lock it: Function not implemented"):
        RunFolder(tmp_path).lock()


def test_training_on_windows_is_refused_with_what_to_do(
    tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(RunError, match="training works on Linux and macOS: on Windows, install Afterword in WSL"):
        begin([text_file], tmp_path / "run", TextSettings(), TrainingSettings(steps=1))
    assert not (tmp_path / "run").exists()
