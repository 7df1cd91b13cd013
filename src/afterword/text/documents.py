"""The sources that a user names become documents: files, the files of folders, pipes and standard input.

`Notes` collects what was done to them, and reports it at the end, one line per kind of note.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import cast

from afterword.commands import attached_files
from afterword.errors import StorageError, TextError
from afterword.wording import count_of, listed_names

OURS = {  # the files of models and runs, and how they begin if others use the name for other things
    **dict.fromkeys(("run.json", "metrics.jsonl", "model.safetensors", "ngram.safetensors"), b""),
    "base.safetensors": b"",
    "config.json": b'{\n  "format": ',
    "tokenizer.json": b'{\n  "version": "1.0",\n  "truncation": null',
    "lock": b"An Afterword run.",
    **{name: one.begins for name, one in attached_files().items()},
}
LONGEST = 200  # characters of the name in an error: perhaps a text was given for its path


class NotTextError(TextError):
    """The bytes are not text in the encoding that was given; `kind` describes them in a few words."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Notes:
    """A record of what was done to which documents. A document that is read again is counted once."""

    def __init__(self) -> None:
        self.skipped: dict[str, set[str]] = defaultdict(set)
        """The names of the files and folders that were left out, by the reason."""
        self.changed: dict[str, set[str]] = defaultdict(set)
        """The names of the documents that were changed, by the change, in which {} is the place of the names."""
        self.replaced: dict[str, int] = {}
        """The number of places that were invalid, by the name of the document, as far as it has been read."""
        self.joined: dict[str, tuple[int, int]] = {}
        """The documents that were unwrapped, by name: how many line ends became spaces, and how many did not."""

    @property
    def line_ends(self) -> tuple[int, int]:
        """The number of line ends that became spaces, and of the others, in all documents that were unwrapped."""
        return sum(ends for ends, _ in self.joined.values()), sum(others for _, others in self.joined.values())

    @property
    def places(self) -> int:
        """The number of places that were replaced with U+FFFD, in all documents."""
        return sum(self.replaced.values())

    def lines(self) -> list[str]:
        """Return one line per kind of note."""
        skipped = [f"skipped ({reason}): {listed_names(names)}" for reason, names in self.skipped.items()]
        changed = [change.format(listed_names(names)) for change, names in self.changed.items()]
        if self.places:
            changed.append(
                f"replaced {count_of(self.places, 'invalid place')} with U+FFFD (�) in {listed_names(self.replaced)}"
            )
        if self.line_ends[0]:
            names = listed_names(name for name, (ends, _) in self.joined.items() if ends)
            ends = count_of(self.line_ends[0], "line")
            changed.append(f"wrapped prose: joined {ends} to the ones before, in {names}; the others are unchanged")
        return skipped + changed


COPIED_AT_ONCE = 1 << 20  # bytes copied at a time
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe"}

Source = str | os.PathLike[str]
"""A text to read: a file, also .gz, a folder, or - for standard input."""
Opened = AbstractContextManager[BufferedIOBase]


@dataclass(frozen=True)
class Document:
    """Something to read."""

    name: str  # for messages
    open: Callable[[], Opened]
    place: str | None = None  # the file's real path, with links followed; None for a pipe


class GivenText(os.PathLike[str]):
    """A text in memory, as a source: it has a name, but no file."""

    def __init__(self, content: bytes) -> None:
        """`content` is the text in UTF-8."""
        self.open = partial(BytesIO, content)

    def __fspath__(self) -> str:
        return "text given in Python"


def find_documents(
    sources: Sequence[Source], why_not: Callable[[Document], str | None], notes: Notes, kept: ExitStack | None = None
) -> list[list[Document]]:
    """Return the documents of each source.

    A folder's documents are the files in it and below it for which `why_not` returns None; for others it returns what
    they are. A pipe can be read only once, unless `kept` is given: its content then goes to a temporary file, which
    `kept` removes. Raises TextError if there is nothing to read, StorageError if there is no room for that file.
    """
    if not sources:
        raise TextError("missing text: name a file, a folder, or - for standard input")
    found = []
    for source, kind in zip(sources, check_sources(sources), strict=True):  # all, before waiting for the first pipe
        if kind == "folder":
            found.append(_find_in_folder(Path(source), why_not, notes))
            continue
        document = Document(source_name(source), _standard_input) if kind == "input" else _document(source)
        if kept is not None and kind != "file":
            with document.open() as stream:
                document = Document(document.name, _keep(stream, kept))
        found.append([document])
    return found


def check_sources(sources: Sequence[Source]) -> list[str]:
    """Return the kind of each of `sources`: "file", "folder", "pipe" or "input". None of them is read.

    Raises TextError if one cannot be read, or if two are the same pipe, whose text can be read only once.
    """
    kinds = [_kind(source) for source in sources]
    seen: set[tuple[int, int]] = set()
    for source in [source for source, kind in zip(sources, kinds, strict=True) if kind in ("input", "pipe")]:
        try:
            status = os.fstat(sys.stdin.buffer.fileno()) if os.fspath(source) == "-" else os.stat(source)
            pipe = status.st_dev, status.st_ino
        except (OSError, ValueError):  # a standard input that is not one of the system's files
            pipe = 0, 0
        if pipe in seen:
            raise TextError(f"{source_name(source)} can be read only once: name it once")
        seen.add(pipe)
    return kinds


def source_name(source: Source) -> str:
    """Return the name of `source` for messages."""
    name = os.fspath(source)
    if name == "-":
        return "standard input"
    return name if name.isprintable() and name else repr(name)


def reason(error: Exception) -> str:
    """Return why it failed, in the system's words if it has some."""
    return getattr(error, "strerror", None) or str(error)


def _document(source: Source) -> Document:
    if isinstance(source, GivenText):
        return Document(source_name(source), source.open)
    return Document(source_name(source), lambda: open(source, "rb"), os.path.realpath(source))


def _standard_input() -> Opened:
    return nullcontext(cast(BufferedIOBase, sys.stdin.buffer))


def _kind(source: Source) -> str:
    name = source_name(source)
    if isinstance(source, GivenText):
        return "file"
    if os.fspath(source) == "-":
        if sys.stdin is None:
            raise TextError("standard input is closed: name a file, or send a text through a pipe")
        return "input"
    try:
        mode = os.stat(source).st_mode
        if stat.S_ISREG(mode):
            open(source, "rb").close()
    except (OSError, ValueError) as error:
        why = "download it first, then name the file" if name.startswith(("http://", "https://")) else reason(error)
        if " " in name and not os.path.lexists(source):
            why = "there is no such file: give a path (in Python, train(text=…) takes the text itself)"
        raise TextError(f"cannot read {name if len(name) <= LONGEST else f'{name[:60]}…'}: {why}") from None
    if stat.S_IFMT(mode) not in KINDS:
        raise TextError(f"cannot read {name}: it is not a file, folder or pipe")
    return KINDS[stat.S_IFMT(mode)]


def _find_in_folder(folder: Path, why_not: Callable[[Document], str | None], notes: Notes) -> list[Document]:
    if is_ours(folder):
        raise TextError(f"{source_name(folder)} is not a text: it has files of a model or a run of Afterword")
    documents, skipped = [], set()
    for path, refused in sorted(_walk(folder)):
        document = _document(path)
        if (why := refused or why_not(document)) is None:
            documents.append(document)
        else:
            notes.skipped[why].add(document.name)
            skipped.add(f"{path.name} ({why})")
    if not documents:
        has = f": it has only {listed_names(skipped)}" if skipped else ""
        raise TextError(f"{source_name(folder)} is a folder without text files{has}")
    return documents


def is_ours(folder: Source) -> bool:
    """Return whether `folder` has a file of a model or a run of Afterword, be the others missing or damaged."""

    def is_one(place: str, beginning: bytes) -> bool:
        if not (os.path.isfile(place) and os.access(place, os.R_OK)):
            return False
        with open(place, "rb") as file:
            return file.read(len(beginning)) == beginning

    return any(is_one(os.path.join(folder, name), beginning) for name, beginning in OURS.items())


def _walk(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield what is in `folder` and below it, with why it is not a document; None if its name and type allow it."""

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
            elif is_ours(path):  # trained on texts like these
                yield path, "Afterword model or run"
            else:
                entered.append(name)
        folders[:] = entered
        for name in files:
            path = Path(place, name)
            yield path, "hidden" if name.startswith(".") else None if path.is_file() else "not a file"


def _keep(stream: BufferedIOBase, kept: ExitStack) -> Callable[[], Opened]:
    """Copy `stream` to a temporary file without a name. Return a function that opens that file at its start."""
    try:
        file = kept.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(stream, file, COPIED_AT_ONCE)
        file.flush()
    except OSError as error:
        raise StorageError(f"cannot keep a piped text in {tempfile.gettempdir()}: {reason(error)}") from None

    def reopen() -> BufferedIOBase:
        again = os.fdopen(os.dup(file.fileno()), "rb")
        again.seek(0)
        return again

    return reopen
