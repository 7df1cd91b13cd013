"""Atomic writes of files and folders: written under a temporary name, synced to the disk, and renamed.

A file's name may reach the disk before its content, so the content is synced first and the name after it. A power cut
at any moment leaves the old file or the whole new one; after a write has returned, it leaves the new one.

A temporary name contains a random number and must not exist yet, so that it belongs to nobody else.

    .NAME.0123abcd.part       a new file
    .NAME.0123abcd.new        a new folder
    .NAME.0123abcd.old        the folder that it replaces, between the two renames
    .NAME.0123abcd.afterword  the mark of both folders, which are ours; locked by the process that writes them

So the next process recognises what a killed one left behind, and removes nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from afterword.errors import StorageError

F_FULLFSYNC: int | None = None
if sys.platform != "win32":
    import fcntl

    F_FULLFSYNC = getattr(fcntl, "F_FULLFSYNC", None)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
LARGEST_JSON = 64 * 2**20  # bytes: three times the tokenizer.json of the largest vocabulary
NUMBER = "[0-9a-f]" * 8  # the random number in temporary names, as a pattern
MARK = b"Afterword is replacing a folder here. If it was killed, the next save or run here cleans up.\n"
LARGEST_WEIGHTS = 2**36  # bytes of a file of weights, far more than any model needs
WAIT = 30.0  # seconds, for a folder that another process holds
MISSING = 0.5  # seconds, of them for one that is missing because it is being replaced
KEEPER = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
STREAMS = {Path("/dev/stdout"): 1, Path("/dev/stderr"): 2}  # already open, perhaps in the middle of a file


@contextlib.contextmanager
def replacing(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends; after an error it is removed instead.

    Raises StorageError if the disk is full or `path` cannot be written. If the `size` of the whole file is given, the
    message includes how many more bytes are needed.
    """
    aside = name_aside(path, "part")
    try:
        with open(aside, "xb") as file:
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


def name_aside(path: Path, kind: str) -> Path:
    """Return a temporary name in the folder of `path`. It belongs to nobody else if it does not exist yet."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}.{kind}")


def with_leftovers(*names: str) -> re.Pattern[str]:
    """Return a pattern for file names that match `names`, and for the temporary names of such files."""
    name = "|".join(names)
    return re.compile(rf"{name}|\.(?:{name})\.{NUMBER}\.part")


def remove_leftovers(folder: Path, names: re.Pattern[str]) -> None:
    """Remove a killed process's half-written files whose names match from `folder`. No process may be writing there."""
    for aside in folder.glob(f".*.{NUMBER}.part"):
        with contextlib.suppress(OSError):
            if names.fullmatch(aside.name):
                aside.unlink()


@contextlib.contextmanager
def replacing_folder(folder: Path, ours: Collection[str] = ()) -> Iterator[Path]:
    """Yield a new folder that replaces `folder` when the block ends. After an error, it is removed instead.

    Files of the old folder that `ours` does not name move to the new one. If several processes replace a folder at
    once, one of them wins. Raises StorageError.
    """
    folder = Path(os.path.realpath(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder_aside(folder, ours) as new:
            yield new
            if folder.exists():
                folder.rename(new.with_suffix(".old"))
            new.rename(folder)
            sync_folder(folder.parent)
    except OSError as error:
        raise _storage_error(folder, error) from error


@contextlib.contextmanager
def folder_aside(target: Path, ours: Collection[str] = ()) -> Iterator[Path]:
    """Make an empty folder next to `target`, yield it, and clean up like `recover_folder` when the block ends."""
    recover_folder(target, ours)
    mark, is_made = name_aside(target, "afterword"), False
    try:
        with open(mark, "xb", buffering=0) as file:
            is_made = True
            _lock(file)
            file.write(MARK)
            _sync(file.fileno())
            sync_folder(mark.parent)  # from now on, the two folders are known as ours
            (new := mark.with_suffix(".new")).mkdir()
            yield new
    finally:
        recover_folder(target, ours)
        if is_made:  # another process may have made it: no test can time that
            mark.unlink(missing_ok=True)  # an incomplete one, for which the disk had no room


def recover_folder(target: Path, ours: Collection[str] = ()) -> None:
    """Clean up after processes that ended while they replaced `target`. If it is missing, the old folder returns.

    Otherwise, files of the old folder that `ours` does not name move to `target`. Raises OSError.
    """
    for mark in _marks(target):
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # its process runs, or another one was faster
            with open(mark, "r+b") as file:
                _lock(file)
                _clear(mark.with_suffix(".new"), mark.with_suffix(".old"), target, ours)
            mark.unlink()


def _clear(new: Path, old: Path, target: Path, ours: Collection[str]) -> None:
    if new.is_dir() and not new.is_symlink():
        shutil.rmtree(new)
    if old.is_symlink() or not old.is_dir():
        return
    if not target.exists():
        old.rename(target)
        return
    for entry in old.iterdir():
        if entry.name in ours and not entry.is_dir():
            entry.unlink()
        else:
            taken = os.path.lexists(target / entry.name)
            entry.rename(target / (f"{entry.name}.{os.urandom(4).hex()}" if taken else entry.name))
    old.rmdir()


def folder_before(target: Path) -> Path | None:
    """Return the old folder of a process that is replacing `target`, or was killed while it did; None without one."""
    olds = (mark.with_suffix(".old") for mark in _marks(Path(os.path.realpath(target))))
    return next((old for old in olds if old.is_dir()), None)


def _marks(target: Path) -> list[Path]:
    """Return the marks next to `target`. An incomplete one may not be locked yet; then no folder is next to it."""
    found = []
    for place in target.parent.glob(f".{glob.escape(target.name)}.{NUMBER}.afterword"):
        with contextlib.suppress(OSError):
            if not place.is_symlink() and read_whole(place, len(MARK)) == MARK:
                found.append(place)
    return found


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a temporary folder, which is removed when the block ends. If this process is killed, another removes it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        keeper = [sys.executable, "-IS", "-c", KEEPER, place]
        with subprocess.Popen(keeper, stdin=subprocess.PIPE, start_new_session=True):  # which no Ctrl-C reaches
            yield Path(place)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock `folder` itself for the block, so that no lock file remains. Wait while another process has the lock.

    That process may put a new folder in its place. So the lock is valid only if the path still leads to the locked
    folder. Raises StorageError if that takes longer than `WAIT`.
    """
    until = time.monotonic() + WAIT
    with contextlib.ExitStack() as stack:
        while sys.platform != "win32":
            try:
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                _lock(descriptor, until)
                if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                    break
            except BlockingIOError:
                raise StorageError(f"another process has been changing {folder} for {WAIT:g} s: try again") from None
            except OSError:
                # between two renames it is missing; a folder that is there again needs its lock
                if not (_marks(folder) or folder.exists()) or time.monotonic() > until - WAIT + MISSING:
                    break
        yield


def _lock(file: IO[bytes] | int, until: float = 0.0) -> None:
    """Lock `file` until it is closed. Systems without locks ignore this.

    Raises BlockingIOError if another process still has the lock at the time `until`."""
    while sys.platform != "win32":
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)
        except OSError:
            return None


@contextlib.contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file at a user's `path`: `replacing` what the path leads to, or writing to a device or pipe."""
    whole = replacing(Path(os.path.realpath(path))) if is_whole_file(path) else None
    with whole or open(os.dup(STREAMS[path]) if path in STREAMS else path, "wb") as file:
        yield file


def is_whole_file(path: Path) -> bool:
    """Return whether `path` is a regular file or does not exist: not a device, a pipe or a standard stream."""
    return path not in STREAMS and (path.is_file() or not path.exists())


def read_whole(path: Path, most: int = LARGEST_JSON) -> bytes:
    """Return the content of a file that a user has named, or that belongs to a run or a model, wherever that came from.

    Raises OSError with the file's name if it is missing, is not a regular file (a pipe would never end), or has more
    than `most` bytes.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            return file.read(check_plausible(os.fstat(file.fileno()), most))
    except OSError as error:
        error.filename = path  # a failed read does not set it
        raise


def check_plausible(facts: os.stat_result, most: int) -> int:
    """Return the size of a file in bytes. Raises OSError if it is not a regular file or has more than `most` bytes."""
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if facts.st_size > most:
        raise OSError(errno.EFBIG, f"it has {facts.st_size:,} bytes, and at most {most:,} are allowed")
    return facts.st_size


def append(path: Path, content: bytes) -> None:
    """Add all of `content`, or nothing, to the end of the file at `path`, without syncing. Raises StorageError."""
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
    """Make the folder `path` if it does not exist, so that it survives a power cut. Raises StorageError."""
    try:
        if not path.exists():
            path.mkdir()
            sync_folder(path.parent)
    except OSError as error:
        raise _storage_error(path, error) from error


def sync_file(path: Path) -> None:
    """Make the content of the file at `path` survive a power cut. Raises StorageError."""
    try:
        with open(path, "rb") as file:
            _sync(file.fileno())
    except OSError as error:
        raise _storage_error(path, error) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut. Windows, where models are only used, cannot sync a folder."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Flush an open file or folder to the disk; on macOS also flush the disk's own cache.

    On macOS `fsync` leaves the data in that cache, which a power cut erases. Some file systems have only `fsync`.
    """
    if sys.platform != "win32" and F_FULLFSYNC is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, F_FULLFSYNC)
            return
    os.fsync(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` with `content`, atomically."""
    with replacing(path, len(content)) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Replace the file at `path` with `value` as readable JSON."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def _storage_error(path: Path, error: OSError, missing: int = 0) -> StorageError:
    """Return the error for a failed write; `missing` bytes could not be written, if that is known."""
    message = f"cannot write {path}: {error.strerror or error}"
    if error.errno in NO_ROOM and missing > 0:
        message += f"; {missing:,} more bytes are needed"
    elif error.errno == errno.ENOENT and not path.parent.exists():
        message = f"the folder {path.parent} is gone: it was moved or removed meanwhile"
    elif error.errno in FORBIDDEN:
        message += "; make it writable, or choose another place"
    return StorageError(message)
