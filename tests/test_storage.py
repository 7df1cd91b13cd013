"""Laws of files that are whole or not there."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from afterword import storage
from afterword.errors import StorageError
from afterword.storage import (
    append,
    locked_folder,
    make_folder,
    read_whole,
    recover_folder,
    remove_leftovers,
    replacing_folder,
    sync_file,
    with_leftovers,
    write_bytes,
)
from tests.tiny import killed_beside
from tests.torture.runs import longest_file


def test_what_is_written_or_added_is_there_whole_or_not_at_all_and_an_error_says_how_much_room_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old\n")
    with longest_file(600), pytest.raises(StorageError, match=r"file: .*; 400 more bytes are needed"):
        write_bytes(path, b"n" * 1000)
    with longest_file(6), pytest.raises(StorageError, match="2 more bytes are needed"):
        append(path, b"two\n")
    append(path, b"three\n")
    assert path.read_bytes() == b"old\nthree\n"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_reading_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"four")
    for path, most in ((tmp_path, 9), (tmp_path / "file", 3), (tmp_path / "missing", 9)):
        with pytest.raises(OSError, match=re.escape(repr(str(path)))):
            read_whole(path, most)


def test_a_place_that_may_not_be_written_is_said_to_be_so_without_a_number_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(storage, "open", refuse, raising=False)
    says = f"^cannot write {tmp_path / 'file'}: Permission denied; make it writable, or choose another place$"
    with pytest.raises(StorageError, match=says):
        write_bytes(tmp_path / "file", b"n" * 1000)


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    mine = {"file", "mine.part", ".hidden", ".notes.part", ".file.part", ".file.123.part", ".other.0123abcd.part"}
    for name in (".file.0123abcd.part", *mine):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, with_leftovers("file"))
    assert {path.name for path in tmp_path.iterdir()} == mine


@pytest.mark.parametrize("kind", ["another text", "a folder", "a link", "a pipe", "not there"])
def test_folders_are_ours_only_by_their_mark(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "book"
    new, old = killed_beside(target)
    for folder in (target, new, old):
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    mark = old.with_suffix(".afterword")
    mark.rename(tmp_path / "mark")
    if kind == "another text":
        mark.write_text("Notes on Afterword")
    elif kind == "a folder":
        mark.mkdir()
    elif kind == "a link":
        mark.symlink_to(tmp_path / "mark")
    elif kind == "a pipe":
        os.mkfifo(mark)
    before = sorted(tmp_path.rglob("*"))
    recover_folder(target, ["notes.txt"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file that is not ours."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "notes.txt").write_text("mine")
    return tmp_path / "book"


def left(place: Path) -> dict[str, str | None]:
    """Return the content of each file below a folder, and None for each folder."""
    return {
        path.relative_to(place).as_posix(): path.read_text() if path.is_file() else None for path in place.rglob("*")
    }


def test_of_two_who_replace_a_folder_at_once_each_leaves_the_others_work_alone(folder: Path) -> None:
    with replacing_folder(folder, ["text"]) as slow:
        (slow / "text").write_text("slow")
        with replacing_folder(folder, ["text"]) as fast:
            (fast / "text").write_text("fast")
        assert (folder / "text").read_text() == "fast"
        assert (slow / "text").read_text() == "slow"
    assert left(folder.parent) == {"book": None, "book/text": "slow", "book/notes.txt": "mine"}


def test_what_waits_for_its_lock_is_not_taken_for_that_of_a_killed_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = storage._lock

    def late(file: IO[bytes]) -> None:
        monkeypatch.setattr(storage, "_lock", hold)
        recover_folder(folder)  # by another process
        hold(file)

    monkeypatch.setattr(storage, "_lock", late)
    with replacing_folder(folder) as new:
        (new / "text").write_text("new")
    assert left(folder.parent) == {"book": None, "book/text": "new", "book/notes.txt": "mine"}


def test_a_folder_that_another_process_put_there_first_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def late(path: Path, to: Path) -> Path:
        if path.suffix == ".new":  # just before the rename
            (tmp_path / "book").mkdir()
            (tmp_path / "book" / "text").write_text("fast")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(StorageError, match="cannot write"), replacing_folder(tmp_path / "book") as slow:
        (slow / "text").write_text("slow")
    assert left(tmp_path) == {"book": None, "book/text": "fast"}


def test_a_mark_for_which_there_is_no_room_is_removed(tmp_path: Path) -> None:
    with longest_file(0), pytest.raises(StorageError, match="cannot write"), replacing_folder(tmp_path / "book"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_also_where_files_cannot_be_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, command: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with replacing_folder(folder) as new:
        (new / "text").write_text("new")
    assert left(folder.parent) == {"book": None, "book/text": "new", "book/notes.txt": "mine"}


def test_a_folder_to_hold_is_waited_for_between_two_renames_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new := killed_beside(tmp_path / "book")[0]).mkdir()
    tried, opened = list[Path](), os.open

    def late(path: Path, flags: int) -> int:
        tried.append(path)
        if tried.count(tmp_path / "book") == 2:
            new.rename(path)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", late)
    for name, times in (("book", 2), ("none", 1)):
        with locked_folder(tmp_path / name):
            assert tried.count(tmp_path / name) == times


def test_a_folder_that_was_missing_for_a_moment_is_held_once_it_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, failures = os.open, [FileNotFoundError()]

    def late(path: Path, flags: int) -> int:
        if failures:  # and the marks of who replaced it are gone when they are looked for
            raise failures.pop()
        return opened(path, flags)

    monkeypatch.setattr(os, "open", late)
    with locked_folder(folder), pytest.raises(BlockingIOError):
        fcntl.flock(opened(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("works", [True, False])
def test_macos_is_asked_to_empty_the_disks_own_cache_and_where_it_cannot_to_sync_as_usual(
    works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, synced = list[int](), list[int]()

    def command(descriptor: int, command: int) -> None:
        asked.append(command)
        if not works:
            raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(storage, "F_FULLFSYNC", 51)
    monkeypatch.setattr(fcntl, "fcntl", command)
    monkeypatch.setattr(os, "fsync", synced.append)
    write_bytes(tmp_path / "file", b"content")
    assert asked == [51, 51]  # the file, then its folder
    assert len(synced) == (0 if works else 2)
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("act", [make_folder, sync_file])
def test_a_place_below_a_file_cannot_be_used(act: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        act(tmp_path / "file" / "below")
