"""What a user names as a text becomes documents: files, the files of folders, pipes and standard input."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from afterword.errors import StorageError, TextError
from afterword.text.notes import Notes, named

PIECE = 1 << 20  # bytes copied at a time

Source = str | os.PathLike[str]
Opened = AbstractContextManager[BufferedIOBase]


@dataclass(frozen=True)
class Document:
    """Something to read."""

    name: str  # for messages
    open: Callable[[], Opened]
    place: str | None = None  # the file's real path, links followed; None for what came through a pipe


def find(
    sources: Sequence[Source], why_not: Callable[[Document], str | None], notes: Notes, kept: ExitStack | None = None
) -> list[list[Document]]:
    """The documents of each source.

    Of a folder they are its files, deep ones too, of which `why_not` says None; for others it says what they are.
    What comes through a pipe can be read once; with `kept` again and again, from a temporary file that `kept` removes.
    Raises TextError where there is nothing to read, StorageError where there is no room for what came through a pipe.
    """
    if not sources:
        raise TextError("missing text: name a file, a folder, or - for standard input")
    kinds = _kinds(sources)  # all are looked at before the first pipe is waited for
    found = []
    for source, kind in zip(sources, kinds, strict=True):
        if kind == "folder":
            found.append(_find_in_folder(Path(source), why_not, notes))
            continue
        document = Document(source_name(source), _standard_input) if kind == "input" else _document(Path(source))
        if kept is not None and kind != "file":
            with document.open() as stream:
                document = Document(document.name, _keep(stream, kept))
        found.append([document])
    return found


def check_sources(sources: Sequence[Source]) -> None:
    """Raise TextError where one of `sources` cannot be read, or two are the same pipe: before any is read."""
    _kinds(sources)


def is_pipe(source: Source) -> bool:
    """Whether `source`, which can be read, can be read only once."""
    return _kind(source) in ("input", "pipe")


def source_name(source: Source) -> str:
    """What messages call `source`."""
    name = os.fspath(source)
    if name == "-":
        return "standard input"
    return name if name.isprintable() and name else repr(name)


def reason(error: Exception) -> str:
    """Why it failed, in the system's words where it has some."""
    return getattr(error, "strerror", None) or str(error)


def _document(path: Path) -> Document:
    return Document(source_name(path), partial(_open, path), os.path.realpath(path))


def _open(path: Path) -> BufferedIOBase:
    return open(path, "rb")


def _standard_input() -> Opened:
    return nullcontext(cast(BufferedIOBase, sys.stdin.buffer))


def _kind(source: Source) -> str:
    name = source_name(source)
    if os.fspath(source) == "-":
        if sys.stdin is None:
            raise TextError("standard input is closed: name a file, or send a text through a pipe")
        return "input"
    try:
        mode = os.stat(source).st_mode
        if stat.S_ISREG(mode):
            open(source, "rb").close()
    except (OSError, ValueError) as error:
        raise TextError(f"cannot read {name}: {reason(error)}") from None
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISFIFO(mode):
        return "pipe"
    raise TextError(f"cannot read {name}: it is not a file, folder or pipe")


def _kinds(sources: Sequence[Source]) -> list[str]:
    """The `_kind` of each source. Raises TextError also where two are the same pipe, which holds its text once."""
    kinds = [_kind(source) for source in sources]
    seen: set[tuple[int, int]] = set()
    for source in [source for source, kind in zip(sources, kinds, strict=True) if kind in ("input", "pipe")]:
        try:
            status = os.fstat(sys.stdin.buffer.fileno()) if os.fspath(source) == "-" else os.stat(source)
            pipe = status.st_dev, status.st_ino
        except (OSError, ValueError):  # a standard input that is not one of the system's files
            pipe = 0, 0
        if pipe in seen:
            raise TextError(f"{source_name(source)} can be read only once, and was named twice")
        seen.add(pipe)
    return kinds


def _find_in_folder(folder: Path, why_not: Callable[[Document], str | None], notes: Notes) -> list[Document]:
    documents, skipped = [], set()
    for path, why in sorted(_walk(folder)):
        document = _document(path)
        why = why or why_not(document)
        if why is None:
            documents.append(document)
        else:
            notes.skipped(document.name, why)
            skipped.add(f"{path.name} ({why})")
    if not documents:
        has = f": it has only {named(skipped)}" if skipped else ""
        raise TextError(f"{source_name(folder)} is a folder without text files{has}")
    return documents


def _walk(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """What is in `folder` and below it, and why it is not a document, as far as its name and type can tell."""

    def refuse(error: OSError) -> None:
        raise TextError(f"cannot read {source_name(error.filename)}: {reason(error)}")

    for place, folders, files in os.walk(folder, onerror=refuse):
        entered = []
        for name in folders:
            path = Path(place, name)
            if path.is_symlink():
                yield path, "linked folder"
            elif name.startswith("."):
                yield path, "hidden"
            elif (path / "run.json").is_file():  # trained on texts like these
                yield path, "Afterword run"
            else:
                entered.append(name)
        folders[:] = entered
        for name in files:
            path = Path(place, name)
            yield path, "hidden" if name.startswith(".") else None if path.is_file() else "not a file"


def _keep(stream: BufferedIOBase, kept: ExitStack) -> Callable[[], Opened]:
    """Keep all of `stream` in a temporary file without a name; what it returns opens that file from its start."""
    try:
        file = kept.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(stream, file, PIECE)
        file.flush()
    except OSError as error:
        raise StorageError(f"cannot keep a piped text in {tempfile.gettempdir()}: {reason(error)}") from None

    def reopen() -> BufferedIOBase:
        again = os.fdopen(os.dup(file.fileno()), "rb")
        again.seek(0)
        return again

    return reopen
