"""Bytes become characters: `Reader` reads documents as text, in pieces as they come.

Every line end becomes "\\n". Bytes that are invalid in the encoding are refused or replaced.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from io import BufferedIOBase
from itertools import chain

from afterword.errors import OptionError, TextError
from afterword.settings import Settings, setting, settings_class
from afterword.text.documents import Document, Notes, NotTextError, Source, find_documents, reason
from afterword.text.formats import (
    FORMATS,
    HEAD,
    MARKS,
    MOST,
    first_bytes,
    format_of,
    unmarked_utf_16,
    unpacked_bytes,
)
from afterword.text.gutenberg import without_frame
from afterword.text.parser import Parser
from afterword.text.unwrap import unwrapped_parts
from afterword.wording import listed_names, with_article

SOURCES = listed_names(one.endings[0] for one in FORMATS if one.is_text)
REPLACEMENT = "\ufffd"
# encodings that Python lists as text encodings, although they are for single names, for source code or for nothing
NOT_OF_TEXTS = ("charmap", "idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")


@settings_class(kw_only=True)
class Encoding(Settings):
    """The encoding of lines that are read whatever comes: bytes that are invalid in it, and NUL, become �."""

    encoding: str = setting("the encoding of the text files", default="utf-8", metavar="NAME")

    def __post_init__(self) -> None:
        super().__post_init__()
        known = "give for instance utf-8, cp1252, latin-1 or utf-16"
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)
        except (LookupError, ValueError):
            raise OptionError(f"unknown encoding {self.encoding[:60]!r}: {known}") from None
        if codecs.lookup(self.encoding).name in NOT_OF_TEXTS:
            raise OptionError(f"{self.encoding} is not a text encoding: {known}")

    @property
    def decoding(self) -> Decoding:
        """This setting, for reading documents as their text."""
        return Decoding(encoding=self.encoding, encoding_errors="replace")


@settings_class(kw_only=True)
class Decoding(Encoding):
    """Settings for decoding the bytes of a text."""

    encoding_errors: str = setting(
        "refuse bytes that are invalid in that encoding, and NUL, or replace them with �",
        default="strict",
        choices=("strict", "replace"),
    )
    markup: str = setting(f"read {SOURCES} as text, or keep their source", default="text", choices=("text", "keep"))


class TextDecoder:
    """A decoder of a document that arrives in pieces; b"" marks its end.

    If it is `strict`, it raises NotTextError for NUL and for invalid bytes; else it puts U+FFFD in their place.
    """

    def __init__(self, name: str, encoding: str, strict: bool) -> None:
        self._name, self._encoding, self._strict = name, encoding, strict
        self._wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        decoder = codecs.getincrementaldecoder(encoding)
        self._decoder, self._ignoring = decoder("strict" if strict else "replace"), decoder("ignore")
        self._read = 0  # bytes
        self.replaced = 0
        """The number of places with U+FFFD."""

    def __call__(self, raw: bytes) -> str:
        nul = -1 if self._wide else raw.find(b"\0")
        if nul >= 0 and (self._strict or not self._read) and (wide := unmarked_utf_16(raw)):
            what = f"{self._name} looks like UTF-16 without a byte order mark: try `encoding` {wide}"
            raise NotTextError(what, f"unmarked {wide}")
        if nul >= 0 and self._strict:
            raise self._not_text(f"contains a NUL at byte {self._read + nul}, which is invalid in a text: {_REPLACE}")
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeError as error:
            # only UTF-16 and UTF-32 need a mark; a missing one is a UnicodeDecodeError since Python 3.13
            if not isinstance(error, UnicodeDecodeError) or error.reason == "Stream does not start with BOM":
                raise self._not_text(f"has no byte order mark: try `encoding` {self._encoding}-le") from None
            at = self._read - pending + error.start
            raise self._not_text(f"is not {self._encoding} at byte {at}: {self._advice(error)}") from None
        if not self._strict:  # the other decoder omits each invalid place
            self.replaced += len(text) - len(self._ignoring.decode(raw, final=not raw)) + text.count("\0")
        elif "\0" in text:
            raise self._not_text(f"contains a NUL, which is invalid in a text: {_REPLACE}")
        self._read += len(raw)
        return text.replace("\0", REPLACEMENT)

    def _not_text(self, what: str) -> NotTextError:
        return NotTextError(f"{self._name} {what}", f"not {self._encoding} text")

    def _advice(self, error: UnicodeDecodeError) -> str:
        if codecs.lookup(self._encoding).name == "utf-8":
            if not error.object[: error.start].isascii():  # UTF-8 so far
                return _REPLACE
            with suppress(UnicodeDecodeError):
                error.object.decode("cp1252")
                return f"try `encoding` cp1252, common on Windows, or give the file's own; {_REPLACE}"
        return f"give the file's `encoding`; {_REPLACE}"


_REPLACE = f"`encoding_errors` replace puts {REPLACEMENT} in its place"


READ_AT_ONCE = 1 << 20  # bytes read at a time, if there are as many


class Reader:
    """A reader of documents as text, with notes on what it changed.

    It refuses NUL and bytes that are invalid in the encoding, or replaces them with U+FFFD and counts the places.
    """

    unwraps = False
    """True if the lines of wrapped prose in running text are joined."""

    def __init__(self, decoding: Decoding, piece: int | None = None, parser: Parser | None = None) -> None:
        """Read `piece` bytes at a time."""
        self.notes, self._parser = Notes(), parser or Parser()
        self._decoding, self._piece = decoding, piece or READ_AT_ONCE

    def find(self, sources: Sequence[Source], kept: ExitStack | None = None) -> list[list[Document]]:
        """Return the documents of each source, as `find_documents` does."""
        return find_documents(sources, self.why_not, self.notes, kept)

    def read(self, sources: Sequence[Source]) -> Iterator[str]:
        """Yield the text of `sources` in pieces, from a pipe as they come. Raises TextError."""
        return self.text(chain(*self.find(sources)))

    def text(self, documents: Iterable[Document]) -> Iterator[str]:
        """Yield the text of all documents, with a newline after each that does not end in one and is not the last."""
        last = "\n"
        for document in documents:
            for number, text in enumerate(self._running(document)):
                if number == 0 and last != "\n":
                    yield "\n"
                yield text
                last = text[-1]

    def _running(self, document: Document) -> Iterator[str]:
        """Yield pieces of text without Project Gutenberg's frame and, if it `unwraps`, with wrapped prose joined."""
        frame = "left out Project Gutenberg's header and licence from {}"
        texts = without_frame(self.pieces(document), lambda: self.notes.changed[frame].add(document.name))
        if not self.unwraps:
            yield from texts
            return
        ends = others = 0
        for text, joined in unwrapped_parts(texts):
            yield text
            ends, others = ends + joined, others + text.count("\n")
        self.notes.joined[document.name] = ends, others

    def pieces(self, document: Document) -> Iterator[str]:
        """Yield the document's text without its byte order mark, in pieces as they come; none is empty."""
        try:
            with unpacked_bytes(document) as file:
                yield from self._decoded(file, document.name)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise TextError(f"{document.name} is a damaged gzip file: {reason(error)}") from None
        except OSError as error:
            raise TextError(f"cannot read {document.name}: {reason(error)}") from None

    def why_not(self, document: Document) -> str | None:
        """Return what the document is if its beginning is not text, else None."""
        judge = Reader(self._decoding, HEAD, self._parser)
        try:
            head = next(judge.pieces(document), "")
        except NotTextError as error:
            return error.kind
        return "not text" if judge.notes.places > len(head) / 10 else None

    def _decoded(self, file: BufferedIOBase, name: str) -> Iterator[str]:
        raw = first_bytes(file, self._piece)
        format = format_of(name, raw)
        if format is None or (format.is_text and self._decoding.markup == "keep"):
            if any(name.lower().endswith(one.endings) for one in FORMATS if not one.is_text):
                self.notes.changed["read {} as plain text, which it is despite its name"].add(name)
            yield from self._plain(raw, file, name)
        elif format.reader is None:
            raise NotTextError(f"{name} is {with_article(format.name)}, not plain text: {format.advice}", format.name)
        else:
            pieces = self._plain(raw, file, name) if format.is_text else None
            content = raw + file.read(MOST + 1 - len(raw)) if pieces is None else "".join(pieces).encode()
            yield from filter(None, [self._parser.text_of(format, content, name, self.notes)])

    def _plain(self, raw: bytes, file: BufferedIOBase, name: str) -> Iterator[str]:
        """Decode a plain text that begins with `raw`."""
        encoding = self._decoding.encoding
        marked = next((MARKS[mark] for mark in MARKS if raw.startswith(mark)), None)
        if marked and codecs.lookup(encoding).name == "utf-8":
            self.notes.changed["read {} as the UTF-16 or UTF-32 that its byte order mark says"].add(name)
            encoding = marked
        decode = TextDecoder(name, encoding, self._decoding.encoding_errors == "strict")
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        started = False
        while True:
            text = newlines.decode(decode(raw), final=not raw)
            if decode.replaced:
                self.notes.replaced[name] = decode.replaced
            if text and not started:
                started = True
                if text[0] == "\ufeff":
                    self.notes.changed["dropped the byte order mark of {}"].add(name)
                    text = text[1:]
            if text:
                yield text
            if not raw:
                break
            raw = file.read1(self._piece)
        if newlines.newlines not in (None, "\n"):
            self.notes.changed["turned the CRLF and CR line ends of {} into LF"].add(name)
