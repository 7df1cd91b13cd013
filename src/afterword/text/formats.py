"""The table of the formats of files: how each is recognised, what reads its text, and what to do without a reader.

gzip is not one of them: a .gz file is unpacked first, and what is in it has a format of its own.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from typing import TYPE_CHECKING

from afterword.text.documents import Document

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"}
MARKS |= {codecs.BOM_UTF16_BE: "utf-16"}  # UTF-32 comes first: its little-endian mark begins with UTF-16's
HEAD = 1 << 16  # bytes that are enough to recognise a format
MOST = 50_000_000  # bytes of a document with markup, and of what is unpacked from it

UNPACK = "unpack it, and give the texts in it"
NO_TEXT = "give a text file"


@dataclass(frozen=True)
class Format:
    """A format of files other than plain text."""

    name: str  # as messages say it
    signature: bytes = b""
    """The first bytes."""
    then: bytes = b""
    """What must come after them: an expression."""
    endings: tuple[str, ...] = ()
    """The endings of the names of files that are read, the usual one first."""
    reader: str | None = None
    """MODULE:NAME of the function that returns the text: see `markup.text_of`."""
    extra: str | None = None
    """What the reader needs: pip install 'afterword[EXTRA]'."""
    is_text: bool = False
    """True if the source is a text in any encoding, and can be kept. The ending then counts before the first bytes."""
    advice: str = "save it as plain text (.txt) first"
    """What to do with a file that has no reader, or is too large for it."""

    def begins(self, head: bytes) -> bool:
        """Return whether a file that begins with `head` has this format, judged by these bytes alone."""
        is_one = bool(self.signature or self.then) and head.startswith(self.signature)
        return is_one and re.compile(self.then, re.DOTALL).match(head, len(self.signature)) is not None


ZIP = b"PK\x03\x04"
MEDIA = b".{34}application/"  # the media type, in formats of a ZIP that begin with it
OFFICE = rb"(?=.*?\[Content_Types\]\.xml).*?"  # and one of the folders, in any order
HTML = rb"(?i:\s*<(!doctype html|html)\b)"
MARKUP, EXTRA = "afterword.text.markup:", "documents"
ARCHIVE = Format("ZIP archive", ZIP, advice=UNPACK)
FORMATS = (
    Format("Word document", ZIP, OFFICE + b"word/", (".docx",), MARKUP + "word"),
    Format("OpenDocument text", ZIP, MEDIA + rb"vnd\.oasis\.opendocument\.text", (".odt",), MARKUP + "open_document"),
    Format("EPUB book", ZIP, MEDIA + rb"epub\+zip", (".epub",), MARKUP + "epub", EXTRA),
    Format("rich text document (RTF)", b"{\\rtf", b"", (".rtf",), MARKUP + "rtf", EXTRA),
    Format("HTML page", b"", HTML, (".html", ".htm", ".xhtml"), MARKUP + "page", EXTRA, is_text=True),
    Format("Markdown text", b"", b"", (".md", ".markdown"), MARKUP + "markdown", EXTRA, is_text=True),
    Format("Excel workbook", ZIP, OFFICE + b"xl/"),
    Format("PowerPoint presentation", ZIP, OFFICE + b"ppt/"),
    ARCHIVE,
    Format("PDF document", b"%PDF-", advice="extract its text first, for instance with pdftotext"),
    Format("PostScript document", b"%!PS-Adobe", advice="extract its text first, for instance with ps2ascii"),
    Format("document of an older Microsoft Office, or encrypted", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    Format("bzip2 file", b"BZh91AY&SY", advice="unpack it first, with bunzip2"),
    Format("xz file", b"\xfd7zXZ\0", advice="unpack it first, with unxz"),
    Format("Zstandard file", b"\x28\xb5\x2f\xfd", advice="unpack it first, with unzstd"),
    Format("7-Zip archive", b"7z\xbc\xaf\x27\x1c", advice=UNPACK),
    Format("RAR archive", b"Rar!\x1a\x07", advice=UNPACK),
    Format("tar archive", b"", b".{257}ustar", advice=UNPACK),
    Format("PNG image", b"\x89PNG\r\n\x1a\n", advice=NO_TEXT),
    Format("JPEG image", b"\xff\xd8\xff", advice=NO_TEXT),
    Format("GIF image", b"GIF89a", advice=NO_TEXT),
    Format("SQLite database", b"SQLite format 3\0", advice="export its text to a file first"),
)
"""The first that fits a file is its format."""


def format_of(name: str, head: bytes) -> Format | None:
    """Return the format of the file `name`, which begins with `head`; None if it may be a plain text."""
    by_bytes = next((one for one in FORMATS if one.begins(head)), None)
    ending = os.path.splitext(name.lower().removesuffix(".gz"))[1]
    # what tells the packages apart may come late in a ZIP file
    kin = (one for one in FORMATS if (one.signature == ZIP if by_bytes is ARCHIVE else one.is_text))
    may_differ = by_bytes is None or by_bytes is ARCHIVE or by_bytes.is_text
    return next((one for one in kin if may_differ and ending in one.endings), by_bytes)


def unmarked_utf_16(head: bytes) -> str | None:
    """Return the encoding of what looks like UTF-16 without a byte order mark: zeros at odd or at even offsets only."""
    zeros = {"utf-16-be": head[::2].count(0), "utf-16-le": head[1::2].count(0)}
    few, many = sorted(zeros, key=zeros.__getitem__)
    return many if zeros[many] >= max(8, len(head) / 40) and zeros[few] <= zeros[many] / 20 else None


GZIP = b"\x1f\x8b"


@contextmanager
def unpacked_bytes(document: Document) -> Iterator[BufferedIOBase]:
    """Open the document's bytes, unpacked if they are gzip."""
    with document.open() as stream:
        first = first_bytes(stream, HEAD)
        file = _PutBack(first, stream)
        if first.startswith(GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield io.BufferedReader(file)


def first_bytes(stream: BufferedIOBase, size: int) -> bytes:
    """Return the first bytes of `stream`: one read, and more only if those do not show the format."""
    marks, found = [GZIP, *MARKS, *(one.signature for one in FORMATS)], stream.read1(size)
    while any(len(found) < len(mark) and mark.startswith(found) for mark in marks):
        if not (more := stream.read1(size)):
            break
        found += more
    return found


class _PutBack(io.RawIOBase):
    """A stream whose first bytes, read already, are put back in front. A read returns what is there without waiting."""

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
