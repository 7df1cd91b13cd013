"""Faults of disks and systems, each of which becomes one StorageError or changes nothing."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.errors import StorageError
from afterword.storage import make_folder, replacing_folder, sync_file


@pytest.mark.parametrize("act", [make_folder, sync_file])
def test_a_place_below_a_file_cannot_be_used(act: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        act(tmp_path / "file" / "below")


def test_a_folder_is_replaced_also_where_files_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, command: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with replacing_folder(tmp_path / "book") as new:
        (new / "text").write_text("new")
    assert (tmp_path / "book" / "text").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "book"]
