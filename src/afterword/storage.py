"""Atomic file writes: written aside, flushed to the disk, and renamed into place.

A file's name may reach the disk before its content, so the content is synced first and the name after it: a power cut
at any moment leaves the file that was there or the whole new one, and once a write has returned, the new one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from afterword.errors import StorageError

if sys.platform != "win32":
    import fcntl

    F_FULLFSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
STREAMS = {Path("/dev/stdout"): 1, Path("/dev/stderr"): 2}  # open already, and perhaps amid a file


@contextlib.contextmanager
def replacing(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """A binary file to write; it takes the place of `path` when the block ends without an error, else it is removed.

    Raises StorageError where the disk is full or the place cannot be written; where the `size` of the whole file is
    known, it says how many more bytes are needed.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "wb") as file:
            yield file
            file.flush()
            _sync(file.fileno())
        os.replace(aside, path)
        sync_folder(path.parent)
    except OSError as error:
        written = aside.stat().st_size if aside.exists() else 0
        raise _storage_error(path, error, 0 if size is None else size - written) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write where a user wants it: `replacing` what `path` leads to, or into a device or a pipe."""
    if is_whole_file(path):
        with replacing(Path(os.path.realpath(path))) as file:
            yield file
    elif path in STREAMS:
        with os.fdopen(os.dup(STREAMS[path]), "wb") as file:
            yield file
    else:
        with open(path, "wb") as file:
            yield file


def is_whole_file(path: Path) -> bool:
    """Whether there is a regular file at `path`, or will be one: no device, no pipe, no standard stream."""
    return path not in STREAMS and (path.is_file() or not path.exists())


def append(path: Path, content: bytes) -> None:
    """Add `content` to the end of the file at `path`, all of it or nothing. It is not synced. Raises StorageError."""
    written = 0
    try:
        with open(path, "ab", buffering=0) as file:
            before = file.tell()
            try:
                while written < len(content):
                    written += file.write(content[written:])
            except OSError:
                file.truncate(before)
                raise
    except OSError as error:
        raise _storage_error(path, error, len(content) - written) from error


def make_folder(path: Path) -> None:
    """Make the folder `path` where there is none yet, and make it survive a power cut. Raises StorageError."""
    try:
        if not path.exists():
            path.mkdir()
            sync_folder(path.parent)
    except OSError as error:
        raise _storage_error(path, error) from error


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`. Nobody may be writing there."""
    for aside in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            aside.unlink()


def sync_file(path: Path) -> None:
    """Make the content of the file at `path` survive a power cut. Raises StorageError."""
    try:
        with open(path, "rb") as file:
            _sync(file.fileno())
    except OSError as error:
        raise _storage_error(path, error) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut. Windows, where models are only used, has no such thing."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Write to the disk what is known of an open file or folder, and on macOS empty the disk's own cache too.

    There `fsync` leaves it in that cache, which a power cut empties. Some file systems have `fsync` alone.
    """
    if F_FULLFSYNC is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, F_FULLFSYNC)
            return
    os.fsync(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` with `content`, whole or not at all."""
    with replacing(path, len(content)) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Replace the file at `path` with `value` as readable JSON."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def _storage_error(path: Path, error: OSError, missing: int = 0) -> StorageError:
    """`missing` is how many bytes could not be written, where it is known."""
    told = f"cannot write {path}: {error.strerror or error}"
    if error.errno in NO_ROOM and missing > 0:
        told += f"; {missing:,} more bytes are needed"
    elif error.errno in FORBIDDEN:
        told += "; make it writable, or choose another place"
    return StorageError(told)
