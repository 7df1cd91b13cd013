"""Documents become text: unpacked, decoded, with "\\n" for every line end, and as it comes where it comes slowly."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import chain
from typing import TYPE_CHECKING

from afterword.errors import OptionError, TextError
from afterword.settings import check, setting
from afterword.text.formats import HEAD, told_apart, undecided, unmarked_utf_16
from afterword.text.notes import Notes
from afterword.text.sources import Document, Source, find, reason

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 1 << 20  # bytes read at a time, where so many are there
GZIP = b"\x1f\x8b"
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"}
MARKS |= {codecs.BOM_UTF16_BE: "utf-16"}  # UTF-32 comes first: its little-endian mark begins with UTF-16's
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Decoding:
    """How the bytes of a text become characters."""

    encoding: str = setting("utf-8", "the encoding of the text files", metavar="NAME")
    encoding_errors: str = setting(
        "strict",
        "refuse bytes that are invalid in that encoding, and NUL, or replace them",
        choices=("strict", "replace"),
    )

    def __post_init__(self) -> None:
        check(self)
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)
        except (LookupError, ValueError):
            raise OptionError(
                f"encoding {self.encoding!r} is unknown: utf-8, cp1252, latin-1 and utf-16 are some"
            ) from None


UTF_8 = Decoding()


class NotTextError(TextError):
    """The bytes are not text in that encoding; `kind` says what they are, in a few words."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Reader:
    """Reads documents as text, and notes what it did to them.

    Bytes that are invalid in the encoding, and NUL, are refused, or replaced with U+FFFD; the notes then count the
    places.
    """

    def __init__(self, decoding: Decoding = UTF_8, piece: int | None = None) -> None:
        """`piece` is how many bytes are read at a time."""
        self.notes = Notes()
        self._decoding, self._piece = decoding, piece or PIECE

    def find(self, sources: Sequence[Source], kept: ExitStack | None = None) -> list[list[Document]]:
        """The documents of each source, as `sources.find` finds them."""
        return find(sources, self.why_not, self.notes, kept)

    def read(self, sources: Sequence[Source]) -> Iterator[str]:
        """The text of `sources` in pieces: what comes through a pipe as it comes. Raises TextError."""
        return self.text(chain(*self.find(sources)))

    def text(self, documents: Iterable[Document]) -> Iterator[str]:
        """The text of all documents; a newline goes between where the one before does not end in one."""
        last = "\n"
        for document in documents:
            for number, text in enumerate(self.pieces(document)):
                if number == 0 and last != "\n":
                    yield "\n"
                yield text
                last = text[-1]

    def pieces(self, document: Document) -> Iterator[str]:
        """The document's text without its byte order mark, in pieces as they come, none of them empty."""
        try:
            with _unpacked(document) as file:
                yield from self._decoded(file, document.name)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise TextError(f"{document.name} is a damaged gzip file: {reason(error)}") from None
        except OSError as error:
            raise TextError(f"cannot read {document.name}: {reason(error)}") from None

    def why_not(self, document: Document) -> str | None:
        """What the document is, if its beginning is not text; else None."""
        judge = Reader(self._decoding, HEAD)
        try:
            head = next(judge.pieces(document), "")
        except NotTextError as error:
            return error.kind
        return "not text" if judge.notes.places > len(head) / 10 else None

    def _decoded(self, file: BufferedIOBase, name: str) -> Iterator[str]:
        raw = _beginning(file, self._piece)
        if found := told_apart(raw):
            kind, advice = found
            article = "an" if kind[0] in "AEIOU" else "a"
            raise NotTextError(f"{name} is {article} {kind}, not plain text: {advice}", kind)
        encoding = self._decoding.encoding
        if codecs.lookup(encoding).name == "utf-8":
            marked = next((MARKS[mark] for mark in MARKS if raw.startswith(mark)), None)
            if marked is not None:
                self.notes.marked(name)
                encoding = marked
        decode = (_Strict if self._decoding.encoding_errors == "strict" else _Replacing)(name, encoding)
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        started = False
        while True:
            text = newlines.decode(decode(raw), final=not raw)
            if decode.replaced:
                self.notes.replaced(name, decode.replaced)
            if text and not started:
                started = True
                if text[0] == "\ufeff":
                    self.notes.mark_dropped(name)
                    text = text[1:]
            if text:
                yield text
            if not raw:
                break
            raw = file.read1(self._piece)
        if newlines.newlines not in (None, "\n"):
            self.notes.line_ends_turned(name)


def read_text(sources: Sequence[Source], decoding: Decoding = UTF_8, most: int | None = None) -> tuple[str, list[str]]:
    """All the text of `sources` as one string, and notes on what was done to it. Raises TextError.

    With `most`, only its first so many characters; no more is read than that takes.
    """
    reader = Reader(decoding)
    pieces, length = [], 0
    for piece in reader.read(sources):
        pieces.append(piece)
        length += len(piece)
        if most is not None and length >= most:
            break
    return "".join(pieces)[:most], reader.notes.lines()


class _Strict:
    """Decodes the pieces of a document one after the other; b"" is its end. Raises NotTextError."""

    replaced = 0

    def __init__(self, name: str, encoding: str) -> None:
        self._name, self._encoding = name, encoding
        self._wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._read = 0  # bytes

    def __call__(self, raw: bytes) -> str:
        if not self._wide and (nul := raw.find(b"\0")) >= 0:
            if wide := unmarked_utf_16(raw):
                raise _looks_wide(self._name, wide)
            raise self._not_text(f"holds a NUL at byte {self._read + nul}, which is not valid in a text: {_REPLACE}")
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeError as error:
            # a missing mark is a UnicodeDecodeError since Python 3.13
            if not isinstance(error, UnicodeDecodeError) or error.reason == "Stream does not start with BOM":
                raise _unmarked(self._name, self._encoding) from None
            at = self._read - pending + error.start
            raise self._not_text(f"is not {self._encoding} at byte {at}: {self._advice(error)}") from None
        if "\0" in text:
            raise self._not_text(f"holds a NUL character, which is not valid in a text: {_REPLACE}")
        self._read += len(raw)
        return text

    def _not_text(self, what: str) -> NotTextError:
        return NotTextError(f"{self._name} {what}", f"not {self._encoding} text")

    def _advice(self, error: UnicodeDecodeError) -> str:
        if codecs.lookup(self._encoding).name != "utf-8":
            return f"name its own --encoding; {_REPLACE}"
        if not error.object[: error.start].isascii():  # UTF-8 so far
            return _REPLACE
        try:
            error.object.decode("cp1252")
        except UnicodeDecodeError:
            return f"name its own --encoding; {_REPLACE}"
        return f"try --encoding cp1252, as Windows writes, or name its own; {_REPLACE}"


_REPLACE = f"--encoding-errors replace reads it with {REPLACEMENT} there"


class _Replacing:
    """As `_Strict`, with U+FFFD where that refuses; `replaced` counts the places."""

    def __init__(self, name: str, encoding: str) -> None:
        self._name, self._encoding = name, encoding
        decoder = codecs.getincrementaldecoder(encoding)
        self._replace, self._ignore = decoder("replace"), decoder("ignore")
        self._started = False
        self.replaced = 0

    def __call__(self, raw: bytes) -> str:
        final = not raw
        try:
            text = self._replace.decode(raw, final)
            # at each invalid place the one leaves a character and the other none
            self.replaced += len(text) - len(self._ignore.decode(raw, final)) + text.count("\0")
        except UnicodeError:
            raise _unmarked(self._name, self._encoding) from None
        if "\0" in text and not self._started and (wide := unmarked_utf_16(raw)):
            raise _looks_wide(self._name, wide)
        self._started = True
        return text.replace("\0", REPLACEMENT)


def _unmarked(name: str, encoding: str) -> NotTextError:
    """For the decoders of UTF-16 and UTF-32, which alone need to know the byte order."""
    return NotTextError(f"{name} has no byte order mark: try --encoding {encoding}-le", f"not {encoding} text")


def _looks_wide(name: str, encoding: str) -> NotTextError:
    return NotTextError(
        f"{name} looks like UTF-16 without a byte order mark: try --encoding {encoding}", f"unmarked {encoding}"
    )


@contextmanager
def _unpacked(document: Document) -> Iterator[BufferedIOBase]:
    """The document's bytes, unpacked where they begin as gzip does."""
    with document.open() as stream:
        beginning = _beginning(stream, HEAD)
        file = _PutBack(beginning, stream)
        if beginning.startswith(GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield io.BufferedReader(file)


def _beginning(stream: BufferedIOBase, size: int) -> bytes:
    """What comes first, as long as is needed to tell what it is."""
    found = stream.read1(size)
    marks = (GZIP, *MARKS)
    while undecided(found) or any(mark.startswith(found) for mark in marks if len(found) < len(mark)):
        more = stream.read1(size)
        if not more:
            break
        found += more
    return found


class _PutBack(io.RawIOBase):
    """A stream with the first bytes, read already, put back in front. A read returns what is there, without waiting."""

    def __init__(self, first: bytes, stream: BufferedIOBase) -> None:
        self._first, self._stream = first, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._first:
            return self._stream.readinto1(view)
        first, self._first = self._first[: len(view)], self._first[len(view) :]
        view[: len(first)] = first
        return len(first)
