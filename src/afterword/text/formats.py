"""The format of a file, by its first bytes: gzip is unpacked; what is not plain text is recognised."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import TYPE_CHECKING

from afterword.text.documents import Document

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"}
MARKS |= {codecs.BOM_UTF16_BE: "utf-16"}  # UTF-32 comes first: its little-endian mark begins with UTF-16's
HEAD = 1 << 16  # bytes that are enough to recognise a format

SAVE_AS_TEXT = "save it as plain text (.txt) first"
UNPACK = "unpack it first and name the folder"
NO_TEXT = "give a text file"
SIGNATURES = {
    b"%PDF-": ("PDF document", "extract its text first, for instance with pdftotext"),
    b"%!PS-Adobe": ("PostScript document", "extract its text first, for instance with ps2ascii"),
    b"{\\rtf": ("rich text document (RTF)", SAVE_AS_TEXT),  # text by its bytes: a model would learn the markup
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("document of an older Microsoft Office, or encrypted", SAVE_AS_TEXT),
    b"BZh91AY&SY": ("bzip2 file", "unpack it first, with bunzip2"),
    b"\xfd7zXZ\0": ("xz file", "unpack it first, with unxz"),
    b"\x28\xb5\x2f\xfd": ("Zstandard file", "unpack it first, with unzstd"),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip archive", UNPACK),
    b"Rar!\x1a\x07": ("RAR archive", UNPACK),
    b"\x89PNG\r\n\x1a\n": ("PNG image", NO_TEXT),
    b"\xff\xd8\xff": ("JPEG image", NO_TEXT),
    b"GIF89a": ("GIF image", NO_TEXT),
    b"SQLite format 3\0": ("SQLite database", "export its text to a file first"),
}
ZIP = b"PK\x03\x04"
OFFICE = {b"word/": "Word document", b"xl/": "Excel workbook", b"ppt/": "PowerPoint presentation"}
MEDIA_TYPE = 38  # offset of the media type, in formats of a ZIP that begin with it
MEDIA = {b"application/epub+zip": "EPUB book", b"application/vnd.oasis.opendocument.text": "OpenDocument text"}
TAR_MAGIC = 257  # offset of "ustar"

MOST = 50_000_000  # bytes of a document with markup, and of what is unpacked from it
ENDINGS = (".docx", ".odt", ".epub", ".rtf")  # of documents whose source is not text
SOURCES = {"HTML page": (".html", ".htm", ".xhtml"), "Markdown text": (".md", ".markdown")}  # their source is text too
READ = ("Word document", "OpenDocument text", "EPUB book", "rich text document (RTF)")  # as their text


def recognised(head: bytes) -> tuple[str, str] | None:
    """Return what a file that begins with `head` is, and what to do with it; None if it may be a text."""
    if head.startswith(ZIP):
        for media, kind in MEDIA.items():
            if head.startswith(media, MEDIA_TYPE):
                return kind, SAVE_AS_TEXT
        for folder, kind in OFFICE.items():
            if b"[Content_Types].xml" in head and folder in head:
                return kind, SAVE_AS_TEXT
        return "ZIP archive", UNPACK
    for signature, found in SIGNATURES.items():
        if head.startswith(signature):
            return found
    return ("tar archive", UNPACK) if head.startswith(b"ustar", TAR_MAGIC) else None


def kind_of(name: str, found: str, head: bytes) -> str | None:
    """Return the kind of the document `name`, if it has markup. `found` is what its first bytes, `head`, show."""
    if found:
        return found if found in READ else None
    ending = os.path.splitext(name.lower().removesuffix(".gz"))[1]
    by_name = next((kind for kind, endings in SOURCES.items() if ending in endings), None)
    return by_name or ("HTML page" if re.match(rb"\s*<(!doctype html|html)\b", head, re.IGNORECASE) else None)


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
    found = stream.read1(size)
    while any(len(found) < len(mark) and mark.startswith(found) for mark in (GZIP, *MARKS, *SIGNATURES, ZIP)):
        more = stream.read1(size)
        if not more:
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
