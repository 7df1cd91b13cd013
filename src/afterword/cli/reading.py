"""What commands read: with notes on what was done to it, and by lines that know where they stand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from afterword.errors import TextError
from afterword.text.decoding import Decoding
from afterword.text.lines import whole_lines
from afterword.text.reading import Reader
from afterword.text.sources import source_name

AT_ONCE = 1000  # lines, so that something is seen soon


@contextmanager
def noted_reader(decoding: Decoding) -> Iterator[Reader]:
    """A reader, whose notes go to standard error at the end."""
    reader = Reader(decoding)
    try:
        yield reader
    finally:
        for note in reader.notes.lines():
            print(f"note: {note}", file=sys.stderr)


def check_filled(file: str, text: Sequence[str]) -> None:
    """Raise TextError where there is no text in `file`: it would cost nothing, which looks like a perfect fit."""
    if not text:
        raise TextError(f"{source_name(file)} is empty: there is nothing to score")


def lines_of(files: Sequence[str], decoding: Decoding) -> Iterator[tuple[str, int, list[str]]]:
    """The lines of `files`, and of the files in folders, some at a time, as they come.

    Each time the file, how many of its lines came before, and lines. Raises TextError where a file has none.
    """
    with noted_reader(decoding) as reader:
        for file, documents in zip(files, reader.find(files), strict=True):
            for document in documents:
                name = document.name if os.path.isdir(file) else file
                read = 0
                for lines in whole_lines(reader.pieces(document)):
                    for first in range(0, len(lines), AT_ONCE):
                        some = lines[first : first + AT_ONCE]
                        yield name, read, some
                        read += len(some)
                if not read:
                    check_filled(name, "")
