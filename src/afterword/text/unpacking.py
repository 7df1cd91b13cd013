"""The bytes of a document: unpacked where they are gzip, and as they come where they come slowly."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import TYPE_CHECKING

from afterword.text.formats import HEAD, MARKS, undecided
from afterword.text.sources import Document

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP = b"\x1f\x8b"


@contextmanager
def unpacked_bytes(document: Document) -> Iterator[BufferedIOBase]:
    """The document's bytes, unpacked where they begin as gzip does."""
    with document.open() as stream:
        first = first_bytes(stream, HEAD)
        file = _PutBack(first, stream)
        if first.startswith(GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield io.BufferedReader(file)


def first_bytes(stream: BufferedIOBase, size: int) -> bytes:
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
