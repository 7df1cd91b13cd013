"""Files, folders, pipes and standard input become text, split into a training and a validation part.

Everything streams in pieces of about a million characters, twice: `read_corpus` reads it all once, to count, to learn
which characters the training part holds and to find what is wrong before anything is written; `Corpus.pieces` reads it
again, to be encoded. Memory does not grow with the text (in lines mode only with its longest line).

    sources ──► _Document (name, how to open it) ──► _decoded ──► _joined ──► split into (part, piece)
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, cast

import numpy as np

from afterword.errors import OptionError, StorageError, TextError
from afterword.settings import check, setting
from afterword.text.tokenizer import code_points, lower

WIDE_HINT = "(UTF-16 without its mark wants --encoding utf-16-le)"
PIECE = 1 << 20  # bytes read at a time
HEAD = 1 << 16  # bytes that tell whether a file in a folder is a text
MINIMUM = 64  # characters
LARGEST_BPE = 65_536  # tokens
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"}
MARKS |= {codecs.BOM_UTF16_BE: "utf-16"}  # UTF-32 stands first: its little-endian mark begins with UTF-16's
FACTS = {
    "skipped": "skipped {} (hidden, a linked folder, a run, or no text in that encoding)",
    "marked": "read {} as the UTF-16 or UTF-32 that its byte order mark says",
    "mark": "dropped the byte order mark of {}",
    "ends": "turned the CRLF and CR line ends of {} into LF",
}

Part = Literal["training", "validation"]
Source = str | os.PathLike[str]
Texts = Callable[[], Iterator[str]]  # each call reads from the start
Pieces = Callable[[], Iterator[tuple[Part, str]]]
Facts = dict[str, set[str]]  # what was done to which documents; a key of FACTS, names


@dataclass(frozen=True)
class TextSettings:
    """How a text is read, split and cut into tokens."""

    encoding: str = setting("utf-8", "the encoding of the text files", metavar="NAME")
    lowercase: bool = setting(False, "turn the text into lower case")
    lines: bool = setting(False, "every line is a document of its own")
    validation: str | None = setting(
        None, "the share of the text, or a file, that is held out (0.1; none for classic)", metavar="SHARE|FILE"
    )
    vocabulary: str = setting("char", "what a token is", metavar="char|byte|bpe:N")

    def __post_init__(self) -> None:
        check(self)
        check_encoding(self.encoding)
        parse_validation(self.validation)
        parse_vocabulary(self.vocabulary)


def parse_vocabulary(vocabulary: str) -> tuple[str, int]:
    """The kind of tokenizer that `vocabulary` names, and the N of bpe:N (else 0). Raises OptionError."""
    kind, _, size = vocabulary.partition(":")
    if kind == "bpe":
        if not (size.isascii() and size.isdigit() and len(size) < 9 and 0 < int(size) <= LARGEST_BPE):
            raise OptionError(
                f"vocabulary bpe:N wants a number up to {LARGEST_BPE:,}, as in bpe:1000, not {vocabulary}"
            )
        return kind, int(size)
    if vocabulary not in ("char", "byte", "classic"):
        raise OptionError(f"vocabulary must be char, byte or bpe:N, not {vocabulary}")
    return vocabulary, 0


def parse_validation(validation: str | None) -> float | Path:
    """The share of the text, below 1, or the file that `validation` names; None is no share. Raises OptionError."""
    if validation is None:
        return 0.0
    try:
        share = float(validation)
    except ValueError:
        return Path(validation)
    if not 0 < share < 1:
        raise OptionError(f"validation must be a share above 0 and below 1, or a file, not {validation}")
    return share


def check_encoding(encoding: str) -> None:
    """Raise OptionError where Python knows no text encoding of that name."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    except (LookupError, ValueError):
        raise OptionError(f"encoding {encoding!r} is unknown: utf-8, latin-1, cp1252 and utf-16 are some") from None


@dataclass
class Corpus:
    """A text that has been read once, and can be read again in pieces. Close it, or use it in a `with` block."""

    sources: list[str]  # as they were named
    notes: list[str]  # what was done to the text, a line each
    lines: bool
    characters: str  # the distinct characters of the training part, sorted
    training_characters: int  # in lines mode the end of each line counts as one
    validation_characters: int
    _pieces: Pieces = field(repr=False)
    _spooled: ExitStack = field(repr=False)

    def pieces(self) -> Iterator[tuple[Part, str]]:
        """The text of both parts, in order. In lines mode each line has its "\\n", and empty ones are left out."""
        return self._pieces()

    def close(self) -> None:
        """Remove the temporary files that hold what came through pipes."""
        self._spooled.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read_corpus(sources: Sequence[Source], settings: TextSettings, seed: int = 0) -> Corpus:
    """Read `sources` (files, folders, "-") once and split them by `settings`; `seed` decides which lines are held out.

    Of a running text the last max(1, round(share × characters)) characters are the validation part. In lines mode a
    line's seeded hash decides, so that equal lines stand on one side; where all fell on one side, the line of the
    lowest hash (or of the highest, where no line was left for training) goes to the other. Empty lines are no lines.
    Without `settings.validation` all of the text is the training part.
    Raises TextError for a text that cannot be read or learned from.
    """
    validation = parse_validation(settings.validation)
    held_out: list[Source] = [validation] if isinstance(validation, Path) else []
    facts: Facts = {fact: set() for fact in FACTS}
    with ExitStack() as spooled:
        documents = _find([*sources, *held_out], settings.encoding, spooled, facts)
        named = [_name(source) for source in sources]
        texts = partial(_joined, _flat(documents[: len(sources)]), settings.encoding, facts)
        if isinstance(validation, Path):
            pieces = partial(_by_file, texts, partial(_joined, documents[-1], settings.encoding, facts), settings.lines)
            census = _Census(pieces)
            _check_length(named, census.training)
            if not census.validation:
                raise TextError(f"{_name(validation)} holds no text to validate with")
        elif settings.lines:
            keyed = hashlib.blake2b(digest_size=8, key=(seed % 2**64).to_bytes(8))
            digest = partial(_digest, keyed, settings.lowercase)
            pieces = partial(_by_hash, texts, digest, min(int(validation * 2**64), 2**64 - 1))
            census = _Census(pieces)
            _check_length(named, census.training + census.validation)
            if validation and not (census.training and census.validation):
                pieces = partial(_by_hash, texts, digest, _other_threshold(texts, digest, bool(census.training)))
                census = _Census(pieces)
        else:
            census = _Census(partial(_by_position, texts, sys.maxsize))
            _check_length(named, census.training)
            if validation:
                census.hold_out(max(1, round(validation * census.training)))
            pieces = partial(_by_position, texts, census.training)
        characters = census.characters().replace("\n", "") if settings.lines else census.characters()
        if len(set(lower(characters) if settings.lowercase else characters)) < 2:
            raise TextError(f"{_together(named)} has one distinct character to train on: give a text with more")
        counts = census.training, census.validation
        return Corpus(named, _notes(facts), settings.lines, characters, *counts, pieces, spooled.pop_all())


def check_sources(sources: Sequence[Source]) -> None:
    """Raise TextError where one of `sources` cannot be read, or two are the same pipe: for who reads them singly."""
    _kinds(sources)


def read_text(sources: Sequence[Source], encoding: str = "utf-8", most: int | None = None) -> tuple[str, list[str]]:
    """All the text of `sources` as one string, and notes on what was done to it. Raises as `read_corpus` does.

    With `most`, only its first so many characters; no more is read than that takes.
    """
    check_encoding(encoding)
    facts: Facts = {fact: set() for fact in FACTS}
    with ExitStack() as spooled:
        pieces, length = [], 0
        for piece in _joined(_flat(_find(sources, encoding, spooled, facts)), encoding, facts):
            pieces.append(piece)
            length += len(piece)
            if most is not None and length >= most:
                break
        text = "".join(pieces)[:most]
    return text, _notes(facts)


def read_lines(sources: Sequence[Source], encoding: str = "utf-8") -> tuple[list[str], list[str]]:
    """As `read_text`, but its lines without their "\n"; empty ones stay, so that the numbers of lines hold."""
    text, notes = read_text(sources, encoding)
    return (text.removesuffix("\n").split("\n") if text else []), notes


# Counting


class _Census:
    """What one reading of the pieces tells: how many characters a part has, and where each first stands in training."""

    def __init__(self, pieces: Pieces) -> None:
        self.training = self.validation = 0
        self._seen = np.zeros(sys.maxunicode + 1, dtype=bool)  # by code point
        self._first = np.full(sys.maxunicode + 1, sys.maxsize, dtype=np.int64)
        for part, text in pieces():
            if part == "validation":
                self.validation += len(text)
            else:
                self._add(text)

    def _add(self, text: str) -> None:
        codes = code_points(text)
        seen = self._seen.take(codes, mode="clip")
        if not seen.all():
            new = np.flatnonzero(~seen)[::-1]
            self._seen[codes[new]] = True
            self._first[codes[new]] = self.training + new  # backwards: of equal indices the last assignment stays
        self.training += len(text)

    def hold_out(self, characters: int) -> None:
        """Turn the last `characters` of the training part into the validation part."""
        self.training -= characters
        self.validation += characters

    def characters(self) -> str:
        """The distinct characters of the training part, sorted."""
        return "".join(map(chr, np.flatnonzero(self._first < self.training).tolist()))


def _check_length(named: list[str], characters: int) -> None:
    if characters < MINIMUM:
        raise TextError(f"{_together(named)} has {characters} characters and {MINIMUM} are needed: give a longer text")


# Splitting


def _by_position(texts: Texts, training: int) -> Iterator[tuple[Part, str]]:
    for text in texts():
        if training > 0:
            yield "training", text[:training]
        if len(text) > training:
            yield "validation", text[training:]
        training = max(0, training - len(text))


def _by_file(training: Texts, validation: Texts, lines: bool) -> Iterator[tuple[Part, str]]:
    parts: list[tuple[Part, Texts]] = [("training", training), ("validation", validation)]
    for part, texts in parts:
        for text in chain.from_iterable(map(_unsplit, _lines(texts()))) if lines else texts():
            yield part, text


def _by_hash(texts: Texts, digest: Callable[[str], bytes], threshold: int) -> Iterator[tuple[Part, str]]:
    """Lines whose digest, read as a big-endian number, is below `threshold` are held out."""
    limit = threshold.to_bytes(8)
    for block in _lines(texts()):
        parts: dict[Part, list[str]] = {"training": [], "validation": []}
        for line in block:
            parts["validation" if digest(line) < limit else "training"].append(line)
        for part, lines in parts.items():
            for text in _unsplit(lines):
                yield part, text


def _other_threshold(texts: Texts, digest: Callable[[str], bytes], training: bool) -> int:
    """The threshold that moves one distinct line out of the part that holds all: out of training, if `training`."""
    lowest, highest = b"\xff" * 8, b""
    for block in _lines(texts()):
        digests = [digest(line) for line in block]
        lowest, highest = min(lowest, *digests), max(highest, *digests)
    if lowest == highest:
        raise TextError("all lines are equal, and two different ones are needed: one to train on, one to validate with")
    return int.from_bytes(lowest) + 1 if training else int.from_bytes(highest)


def _digest(keyed: hashlib.blake2b, lowercase: bool, line: str) -> bytes:
    hasher = keyed.copy()  # twice as fast as a new one with the same key
    hasher.update((lower(line) if lowercase else line).encode("utf-8", "surrogatepass"))
    return hasher.digest()


def _lines(texts: Iterable[str]) -> Iterator[list[str]]:
    """The non-empty lines of a text that comes in pieces, many at a time."""
    begun: list[str] = []  # a line may be longer than many pieces
    for text in texts:
        whole, newline, rest = text.rpartition("\n")
        if newline:
            block = ["".join([*begun, whole])]
            begun = []
            if lines := [line for line in block[0].split("\n") if line]:
                yield lines
        begun.append(rest)
    if last := "".join(begun):
        yield [last]


def _unsplit(lines: list[str]) -> Iterator[str]:
    """`lines` with their newlines, in pieces that stay small where a line is long."""
    joined = "\n".join([*lines, ""])
    for start in range(0, len(joined), PIECE):
        yield joined[start : start + PIECE]


# Finding and opening


@dataclass(frozen=True)
class _Document:
    name: str  # for messages
    open: Callable[[], BinaryIO]


def _find(sources: Sequence[Source], encoding: str, spooled: ExitStack, facts: Facts) -> list[list[_Document]]:
    """The documents of each source. What comes through a pipe is kept in a temporary file that `spooled` removes."""
    if not sources:
        raise TextError("no text was given: name a file, a folder, or - for standard input")
    kinds = _kinds(sources)  # all are looked at before the first pipe is waited for
    found = []
    for source, kind in zip(sources, kinds, strict=True):
        path, name = Path(source), _name(source)
        if kind == "folder":
            found.append(_find_in_folder(path, encoding, facts))
        elif kind == "file":
            found.append([_Document(name, partial(_open, path))])
        else:
            with nullcontext(sys.stdin.buffer) if kind == "input" else _open(path) as stream:
                found.append([_Document(name, _spool(stream, spooled))])
    return found


def _kind(source: Source) -> str:
    name = _name(source)
    if os.fspath(source) == "-":
        if sys.stdin is None:
            raise TextError("standard input is closed: name a file, or send a text through a pipe")
        return "input"
    try:
        mode = os.stat(source).st_mode
        if stat.S_ISREG(mode):
            open(source, "rb").close()
    except (OSError, ValueError) as error:
        raise TextError(f"cannot read {name}: {_reason(error)}") from None
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISFIFO(mode):
        return "pipe"
    raise TextError(f"cannot read {name}: it is no file, folder or pipe")


def _kinds(sources: Sequence[Source]) -> list[str]:
    """The `_kind` of each source. Raises TextError also where two are the same pipe, which holds its text once."""
    kinds = [_kind(source) for source in sources]
    seen: set[tuple[int, int]] = set()
    for source in [source for source, kind in zip(sources, kinds, strict=True) if kind in ("input", "pipe")]:
        try:
            status = os.fstat(sys.stdin.buffer.fileno()) if os.fspath(source) == "-" else os.stat(source)
            pipe = status.st_dev, status.st_ino
        except (OSError, ValueError):  # a standard input that is no file of the system's
            pipe = 0, 0
        if pipe in seen:
            raise TextError(f"{_name(source)} can be read once only, and was named twice")
        seen.add(pipe)
    return kinds


def _find_in_folder(folder: Path, encoding: str, facts: Facts) -> list[_Document]:
    def refuse(error: OSError) -> None:
        raise TextError(f"cannot read {_name(error.filename)}: {_reason(error)}")

    paths: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        runs = {name for name in folders if Path(place, name, "run.json").is_file()}  # trained on texts like these
        links = {name for name in folders if os.path.islink(Path(place, name))}
        facts["skipped"] |= {_name(Path(place, name)) for name in runs | links}
        folders[:] = [name for name in folders if not name.startswith(".") and name not in runs]
        paths += [Path(place, name) for name in files]
    documents = []
    for path in sorted(paths):
        document = _Document(_name(path), partial(_open, path))
        if not path.name.startswith(".") and path.is_file() and _is_text(document, encoding):
            documents.append(document)
        else:
            facts["skipped"].add(document.name)
    if not documents:
        raise TextError(f"{_name(folder)} is a folder without text files")
    return documents


def _open(path: Path) -> BinaryIO:
    return open(path, "rb")


def _spool(stream: BinaryIO, spooled: ExitStack) -> Callable[[], BinaryIO]:
    """Keep all of `stream` in a temporary file without a name; what it returns opens that file from its start."""
    try:
        kept = spooled.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(stream, kept, PIECE)
        kept.flush()
    except OSError as error:
        raise StorageError(f"cannot keep a piped text in {tempfile.gettempdir()}: {_reason(error)}") from None

    def reopen() -> BinaryIO:
        again = os.fdopen(os.dup(kept.fileno()), "rb")
        again.seek(0)
        return again

    return reopen


@contextmanager
def _opened(document: _Document) -> Iterator[BinaryIO]:
    """The document's bytes, unpacked where they begin as gzip does."""
    with document.open() as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield file
        else:
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(BinaryIO, unpacked)


# Decoding


class _NoText(TextError):
    """The bytes are no text in that encoding."""


def _is_text(document: _Document, encoding: str) -> bool:
    try:
        next(_decoded(document, encoding, {fact: set() for fact in FACTS}, HEAD), None)
    except _NoText:
        return False
    return True


def _joined(documents: list[_Document], encoding: str, facts: Facts) -> Iterator[str]:
    """The text of all documents; a newline goes between where the one before does not end in one."""
    last = "\n"
    for document in documents:
        for number, text in enumerate(_decoded(document, encoding, facts)):
            if number == 0 and last != "\n":
                yield "\n"
            yield text
            last = text[-1]


def _decoded(document: _Document, encoding: str, facts: Facts, size: int = PIECE) -> Iterator[str]:
    """The document's text in pieces of `size` bytes, none of them empty: without its mark, newlines all "\n"."""
    try:
        with _opened(document) as file:
            raw = file.read(size)
            if codecs.lookup(encoding).name == "utf-8":
                for mark, marked in MARKS.items():
                    if raw.startswith(mark):
                        facts["marked"].add(document.name)
                        encoding = marked
                        break
            wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
            decoder, newlines = codecs.getincrementaldecoder(encoding)(), io.IncrementalNewlineDecoder(None, True)
            read, started = 0, False
            while True:
                if not wide and (nul := raw.find(b"\0")) >= 0:
                    raise _NoText(f"{document.name} holds a NUL at byte {read + nul}: is it a text? {WIDE_HINT}")
                text = newlines.decode(_decode(decoder, raw, read, document.name, encoding), final=not raw)
                if "\0" in text:
                    raise _NoText(f"{document.name} holds a NUL character: is it a text?")
                if text and not started:
                    started = True
                    if text[0] == "\ufeff":
                        facts["mark"].add(document.name)
                        text = text[1:]
                if text:
                    yield text
                if not raw:
                    break
                read += len(raw)
                raw = file.read(size)
            if newlines.newlines not in (None, "\n"):
                facts["ends"].add(document.name)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TextError(f"{document.name} is a damaged gzip file: {_reason(error)}") from None
    except OSError as error:
        raise TextError(f"cannot read {document.name}: {_reason(error)}") from None


def _decode(decoder: codecs.IncrementalDecoder, raw: bytes, read: int, name: str, encoding: str) -> str:
    """Decode `raw`, which stands `read` bytes into the document; its end is b""."""
    pending = len(decoder.getstate()[0])
    try:
        return decoder.decode(raw, final=not raw)
    except UnicodeDecodeError as error:
        at = read - pending + error.start
        raise _NoText(f"{name} is not {encoding} at byte {at}: try --encoding latin-1, or what it is") from None
    except UnicodeError:  # UTF-16 and UTF-32 alone
        raise _NoText(f"{name} has no byte order mark: try --encoding {encoding}-le") from None


# Words for messages


def _name(source: Source) -> str:
    name = os.fspath(source)
    if name == "-":
        return "standard input"
    return name if name.isprintable() and name else repr(name)


def _together(named: list[str]) -> str:
    return named[0] if len(named) == 1 else "all the text together"


def _notes(facts: Facts) -> list[str]:
    """A line for each thing that was done: to the one document by its name, or to how many files."""
    return [
        FACTS[fact].format(*names if len(names) == 1 else [f"{len(names)} files"])
        for fact, names in facts.items()
        if names
    ]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _flat(documents: list[list[_Document]]) -> list[_Document]:
    return [document for some in documents for document in some]
