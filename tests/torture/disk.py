"""The operations of a program on the disk, one at a time, and the states that a power cut may leave.

A `Watch` intercepts everything that the process writes, syncs, renames or removes under one folder. A `Disk` takes
these operations and yields every state that a file system may be in after a power cut: what was synced is there; of
the rest, any part may be. It is harsher than real file systems: the names of a folder reach it in any order, contents
in any order of `SECTOR`s, or as zeros.
"""

from __future__ import annotations

import builtins
import io
import itertools
import math
import os
import random
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock

SECTOR = 512
MOST_STATES = 64  # of a folder's names and of a file's content; if there are more, so many are drawn


@dataclass(frozen=True)
class Operation:
    """kind: create, write, sync or truncate (of a file), mkdir, rmdir, rename, unlink or sync folder."""

    kind: str
    path: str
    to: str = ""  # of a rename
    content: bytes = b""  # of a write
    at: int = 0  # where in the file


class Watch:
    """Calls `happens(operation)` before each operation under `root`, inside its block.

    `without` names a kind, "sync" or "sync folder", that is left out: as if the program did not have that line.
    """

    def __init__(self, root: Path, happens: Callable[[Operation], None], without: str = "") -> None:
        self._root, self._happens, self._without = os.path.realpath(root), happens, without
        self._descriptors: dict[int, str] = {}
        self._patches: list[Any] = []

    def __enter__(self) -> Watch:
        do = {name: getattr(os, name) for name in ("open", "fsync", "unlink", "mkdir", "rmdir", "rename", "truncate")}
        opened = builtins.open

        def open_file(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            path = self._path(file)
            if not path or not set(mode) & set("wa+x"):
                return opened(file, mode, *arguments, **named)
            if "w" in mode or not os.path.exists(path):
                self._happens(Operation("create", path))
            return _File(self._happens, path, mode.replace("b", "").replace("t", ""))

        def open_descriptor(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
            descriptor: int = do["open"](path, flags, *arguments, **named)
            self._descriptors[descriptor] = self._path(path, named.get("dir_fd")) or ""
            return descriptor

        def fsync(descriptor: int) -> None:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            kind = "sync folder" if folder else "sync"
            path = os.path.realpath(f"/proc/self/fd/{descriptor}")
            if kind != self._without:
                if self._path(path):
                    self._happens(Operation(kind, path))
                do["fsync"](descriptor)

        def simple(kind: str, name: str) -> Callable[..., None]:
            def call(path: Any, *arguments: Any, **named: Any) -> None:
                absolute = self._path(path, named.get("dir_fd"))
                if absolute and os.path.lexists(absolute) != (kind == "mkdir"):
                    self._happens(Operation(kind, absolute, at=arguments[0] if kind == "truncate" else 0))
                do[name](path, *arguments, **named)

            return call

        def rename(source: Any, target: Any) -> None:
            path = self._path(source)
            if path and os.path.lexists(path):
                self._happens(Operation("rename", path, to=self._path(target) or os.fspath(target)))
            do["rename"](source, target)

        replaced = {
            "open": open_descriptor,
            "fsync": fsync,
            "unlink": simple("unlink", "unlink"),
            "remove": simple("unlink", "unlink"),
            "mkdir": simple("mkdir", "mkdir"),
            "rmdir": simple("rmdir", "rmdir"),
            "truncate": simple("truncate", "truncate"),
            "rename": rename,
            "replace": rename,
        }
        self._patches = [mock.patch.object(os, name, function) for name, function in replaced.items()]
        self._patches.append(mock.patch.object(builtins, "open", open_file))
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *error: object) -> None:
        for patch in self._patches:
            patch.stop()

    def _path(self, path: Any, folder: int | None = None) -> str | None:
        """Return the absolute form of `path` if it lies under the root."""
        if isinstance(path, int):
            return None
        name = os.fspath(path)
        if folder is not None:
            name = os.path.join(os.path.realpath(f"/proc/self/fd/{folder}"), name)
        absolute = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(name))), os.path.basename(name))
        return absolute if absolute == self._root or absolute.startswith(self._root + os.sep) else None


class _File:
    """A file whose writes go through a `Watch`, with the methods that this program uses."""

    def __init__(self, happens: Callable[[Operation], None], path: str, mode: str) -> None:
        self._happens, self._path, self._raw = happens, path, io.FileIO(path, mode)

    def write(self, content: bytes | memoryview) -> int:
        self._happens(Operation("write", self._path, content=bytes(content), at=self._raw.tell()))
        return self._raw.write(content)

    def truncate(self, size: int) -> int:
        self._happens(Operation("truncate", self._path, at=size))
        return self._raw.truncate(size)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._raw.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


@dataclass
class _Entry:
    """A file or a folder as the disk has it, and its changes since it was synced."""

    content: bytes | None  # None: a folder
    names: dict[str, _Entry] = field(default_factory=dict)
    pending: list[Any] = field(default_factory=list)  # writes (at, content), or changes of names {name: entry or None}


class Disk:
    """A disk that at first contains what is in `root`, all of it synced."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._entry = _read(Path(self._root))

    def do(self, operation: Operation) -> None:
        """Apply an operation of the program."""
        folder, name = self._place(operation.path)
        if operation.kind in ("create", "mkdir"):
            made = _Entry(b"" if operation.kind == "create" else None)
            folder.pending.append({name: made})
        elif operation.kind in ("unlink", "rmdir"):
            folder.pending.append({name: None})
        elif operation.kind == "rename":
            target, new_name = self._place(operation.to)
            assert target is folder, "a rename from folder to folder"
            folder.pending.append({new_name: _now(folder)[name], name: None})
        else:
            entry = _now(folder)[name] if name else folder
            if operation.kind == "write":
                for first in range(0, len(operation.content), SECTOR):
                    entry.pending.append((operation.at + first, operation.content[first : first + SECTOR]))
            elif operation.kind == "truncate":
                entry.pending.append((operation.at, None))
            elif entry.content is None:  # sync folder
                entry.names, entry.pending = _now(entry), []
            else:
                entry.content, entry.pending = _with(entry.content, entry.pending), []

    def _place(self, path: str) -> tuple[_Entry, str]:
        """Return the folder that contains `path`, as the program sees it, and the last name: "" for the root."""
        names = os.path.relpath(path, self._root).split(os.sep)
        entry = self._entry
        for name in names[:-1]:
            entry = _now(entry)[name]
        return (entry, names[-1]) if names != ["."] else (self._entry, "")

    def after_power_cut(self, draw: random.Random) -> Iterator[dict[str, bytes | None]]:
        """Yield every possible state: paths from the root, with the content of a file, or None for a folder."""
        yield from _states(self._entry, draw)


def write_state(state: dict[str, bytes | None], folder: Path) -> None:
    """Write the state to `folder`."""
    for path, content in sorted(state.items()):
        place = folder / path
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)


def _read(path: Path) -> _Entry:
    if path.is_dir():
        return _Entry(None, {child.name: _read(child) for child in path.iterdir()})
    return _Entry(path.read_bytes())


def _now(folder: _Entry, changes: Sequence[Any] | None = None) -> dict[str, _Entry]:
    """Return the names of `folder` after `changes`, by default after all of them."""
    names = dict(folder.names)
    for change in folder.pending if changes is None else changes:
        for name, entry in change.items():
            if entry is None:
                names.pop(name, None)
            else:
                names[name] = entry
    return names


def _with(content: bytes, writes: Sequence[Any]) -> bytes:
    data = bytearray(content)
    for at, part in writes:
        if part is None:
            del data[at:]
        else:
            data.extend(bytes(max(0, at + len(part) - len(data))))
            data[at : at + len(part)] = part
    return bytes(data)


def _contents(entry: _Entry, draw: random.Random) -> list[bytes]:
    """Yield what a file may contain: what was synced; with all, the first half or the second half of the later writes;
    with some of their sectors; with their length, but zeros; and with their last sector torn."""
    assert entry.content is not None
    writes, half = entry.pending, len(entry.pending) // 2
    if not writes:
        return [entry.content]
    whole = _with(entry.content, writes)
    some = [write for write in writes if draw.random() < 0.5]
    at, last = writes[-1]
    torn = [*writes[:-1], (at, None if last is None else last[: len(last) // 2])]
    found = [_with(entry.content, chosen) for chosen in ([], writes, writes[:half], writes[half:], some, torn)]
    return list(dict.fromkeys([*found, entry.content.ljust(len(whole), b"\0")]))


def _states(entry: _Entry, draw: random.Random) -> Iterator[dict[str, bytes | None]]:
    """Yield the states of the folder `entry`."""
    changes = range(len(entry.pending))
    sets = list(itertools.chain.from_iterable(itertools.combinations(changes, n) for n in range(len(changes) + 1)))
    if len(sets) > MOST_STATES:
        sets = [(), tuple(changes), *draw.sample(sets, MOST_STATES - 2)]
    for chosen in sets:
        below: list[list[dict[str, bytes | None]]] = []
        for name, child in _now(entry, [entry.pending[k] for k in chosen]).items():
            if child.content is not None:
                below.append([{name: content} for content in _contents(child, draw)])
            else:
                inside = _states(child, draw)
                below.append([{name: None, **{f"{name}/{path}": c for path, c in state.items()}} for state in inside])
        combined: Iterable[tuple[dict[str, bytes | None], ...]] = itertools.product(*below)
        if math.prod(map(len, below)) > MOST_STATES:
            combined = (tuple(draw.choice(states) for states in below) for _ in range(MOST_STATES))
        for parts in combined:
            yield {path: content for part in parts for path, content in part.items()}
