"""Documents become text: decoded, with "\\n" for every line end, in pieces as they come."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import BufferedIOBase
from itertools import chain

from afterword.errors import TextError
from afterword.text.decoding import UTF_8, Decoding, NotTextError, ReplacingDecoder, StrictDecoder
from afterword.text.formats import HEAD, MARKS, told_apart
from afterword.text.notes import Notes
from afterword.text.sources import Document, Source, find, reason
from afterword.text.unpacking import first_bytes, unpacked_bytes

PIECE = 1 << 20  # bytes read at a time, where so many are there


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
            with unpacked_bytes(document) as file:
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
        raw = first_bytes(file, self._piece)
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
        decode = (StrictDecoder if self._decoding.encoding_errors == "strict" else ReplacingDecoder)(name, encoding)
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
