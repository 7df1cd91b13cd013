"""The operations of a program on the disk, one at a time, and the states that a power cut may leave.

`watched` intercepts everything that the process writes, syncs, renames or removes under one folder. A `Disk` takes
these operations and yields every state that a file system may be in after a power cut: what was synced is there; of
the rest, any part may be. It is harsher than real file systems: the names of a folder reach it in any order, contents
in any order of `SECTOR`s, or as zeros.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import itertools
import math
import os
import random
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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


Happens = Callable[[Operation], None]


@contextlib.contextmanager
def watched(root: Path, happens: Happens, without: str = "") -> Iterator[None]:
    """Call `happens(operation)` before each operation under `root`, inside the block.

    `without` names a kind, "sync" or "sync folder", that is left out: as if the program did not have that line.
    """
    top, opened, synced, renamed = os.path.realpath(root), builtins.open, os.fsync, os.rename

    def below(path: Any, folder: int | None = None) -> str:
        """Return the absolute form of `path` if it lies under the root, or else nothing."""
        if isinstance(path, int):
            return ""
        name = os.path.join("" if folder is None else os.path.realpath(f"/proc/self/fd/{folder}"), os.fspath(path))
        absolute = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(name))), os.path.basename(name))
        return absolute if absolute == top or absolute.startswith(top + os.sep) else ""

    def open_file(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        path = below(file)
        if not path or not set(mode) & set("wa+x"):
            return opened(file, mode, *arguments, **named)
        if "w" in mode or not os.path.exists(path):
            happens(Operation("create", path))
        return _File(happens, path, mode.replace("b", ""))

    def fsync(descriptor: int) -> None:
        kind = "sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync"
        if kind != without:
            if path := below(os.path.realpath(f"/proc/self/fd/{descriptor}")):
                happens(Operation(kind, path))
            synced(descriptor)

    def rename(source: Any, target: Any) -> None:
        if (path := below(source)) and os.path.lexists(path):
            happens(Operation("rename", path, to=below(target)))
        renamed(source, target)

    def simple(kind: str) -> Callable[..., None]:
        do = getattr(os, kind)

        def call(path: Any, *arguments: Any, **named: Any) -> None:
            absolute = below(path, named.get("dir_fd"))
            if absolute and os.path.lexists(absolute) != (kind == "mkdir"):
                happens(Operation(kind, absolute, at=arguments[0] if kind == "truncate" else 0))
            do(path, *arguments, **named)

        return call

    replaced: dict[str, Any] = {kind: simple(kind) for kind in ("unlink", "mkdir", "rmdir", "truncate")}
    replaced |= {"remove": replaced["unlink"], "fsync": fsync, "rename": rename, "replace": rename}
    with mock.patch.multiple(os, **replaced), mock.patch.object(builtins, "open", open_file):
        yield


class _File(io.FileIO):
    """A file that tells of its writes."""

    def __init__(self, happens: Happens, path: str, mode: str) -> None:
        super().__init__(path, mode)
        self._happens, self._path = happens, path

    def write(self, content: Any) -> int:
        self._happens(Operation("write", self._path, content=bytes(content), at=self.tell()))
        return super().write(content)

    def truncate(self, size: int | None = None) -> int:
        assert size is not None
        self._happens(Operation("truncate", self._path, at=size))
        return super().truncate(size)


@dataclass
class _Entry:
    """A file or a folder as the disk has it, and its changes since it was synced."""

    content: bytes | None  # None: a folder
    names: dict[str, _Entry] = field(default_factory=dict)
    pending: list[Any] = field(default_factory=list)  # writes (at, content), or changes of names {name: entry or None}

    def now(self, changes: Sequence[Any] | None = None) -> dict[str, _Entry]:
        """Return the names of this folder after `changes`, by default after all of them."""
        names = dict(self.names)
        for change in self.pending if changes is None else changes:
            names |= change
        return {name: entry for name, entry in names.items() if entry is not None}

    def written(self, writes: Sequence[Any]) -> bytes:
        """Return the content of this file after `writes`."""
        data = bytearray(self.content or b"")
        for at, part in writes:
            if part is None:
                del data[at:]
            else:
                data.extend(bytes(max(0, at + len(part) - len(data))))
                data[at : at + len(part)] = part
        return bytes(data)


class Disk:
    """A disk that at first contains what is in `root`, all of it synced."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._entry = _read(Path(self._root))

    def do(self, operation: Operation) -> None:
        """Apply an operation of the program."""
        folder, name = self._place(operation.path)
        if operation.kind in ("create", "mkdir"):
            folder.pending.append({name: _Entry(b"" if operation.kind == "create" else None)})
        elif operation.kind in ("unlink", "rmdir"):
            folder.pending.append({name: None})
        elif operation.kind == "rename":
            target, new_name = self._place(operation.to)
            assert target is folder, "a rename from folder to folder"
            folder.pending.append({new_name: folder.now()[name], name: None})
        else:
            entry = folder.now()[name] if name else folder
            if operation.kind == "write":
                for first in range(0, len(operation.content), SECTOR):
                    entry.pending.append((operation.at + first, operation.content[first : first + SECTOR]))
            elif operation.kind == "truncate":
                entry.pending.append((operation.at, None))
            elif entry.content is None:  # sync folder
                entry.names, entry.pending = entry.now(), []
            else:
                entry.content, entry.pending = entry.written(entry.pending), []

    def _place(self, path: str) -> tuple[_Entry, str]:
        """Return the folder that contains `path`, as the program sees it, and the last name: "" for the root."""
        *folders, last = os.path.relpath(path, self._root).split(os.sep)
        entry = self._entry
        for name in folders:
            entry = entry.now()[name]
        return entry, "" if last == "." else last

    def after_power_cut(self, draw: random.Random) -> Iterator[dict[str, bytes | None]]:
        """Yield every possible state: paths from the root, with the content of a file, or None for a folder."""
        yield from _states(self._entry, draw)


def write_state(state: dict[str, bytes | None], folder: Path) -> None:
    for path, content in sorted(state.items()):
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def _read(path: Path) -> _Entry:
    if path.is_dir():
        return _Entry(None, {child.name: _read(child) for child in path.iterdir()})
    return _Entry(path.read_bytes())


def _contents(entry: _Entry, draw: random.Random) -> list[bytes]:
    """Return what a file may contain: what was synced; with all, the first half or the second half of the later writes;
    with some of their sectors; with their length, but zeros; and with their last sector torn."""
    assert entry.content is not None
    writes, half = entry.pending, len(entry.pending) // 2
    if not writes:
        return [entry.content]
    some = [write for write in writes if draw.random() < 0.5]
    at, last = writes[-1]
    torn = [*writes[:-1], (at, None if last is None else last[: len(last) // 2])]
    found = [entry.written(chosen) for chosen in ([], writes, writes[:half], writes[half:], some, torn)]
    return list(dict.fromkeys([*found, entry.content.ljust(len(found[1]), b"\0")]))


def _states(entry: _Entry, draw: random.Random) -> Iterator[dict[str, bytes | None]]:
    """Yield the states of the folder `entry`."""
    changes = range(len(entry.pending))
    sets = list(itertools.chain.from_iterable(itertools.combinations(changes, n) for n in range(len(changes) + 1)))
    if len(sets) > MOST_STATES:
        sets = [(), tuple(changes), *draw.sample(sets, MOST_STATES - 2)]
    for chosen in sets:
        below: list[list[dict[str, bytes | None]]] = []
        for name, child in entry.now([entry.pending[k] for k in chosen]).items():
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
