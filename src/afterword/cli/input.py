"""The texts that commands read, whole or by lines, with notes on standard error about how they were decoded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from afterword.cli.output import note
from afterword.errors import TextError
from afterword.text.decoding import Decoding, Reader, read_text
from afterword.text.documents import source_name
from afterword.text.lines import filled_lines, whole_lines
from afterword.text.tokenizer import parts

AT_ONCE = 1000  # lines, so that the first results come soon
MOST_AT_ONCE = 20_000_000  # characters of a text that is not read in parts


@contextmanager
def noted_reader(decoding: Decoding) -> Iterator[Reader]:
    """Yield a reader, and print its notes on standard error at the end."""
    reader = Reader(decoding)
    try:
        yield reader
    finally:
        note(*reader.notes.lines())


def noted_text(file: str, most: int | None = None) -> str:
    """Return the text of `file`, or its first `most` characters, and print its notes.

    Raises TextError. Without `most`, also raises it for a text that is too long to be held in memory.
    """
    text, notes = read_text([file], most=most or MOST_AT_ONCE + 1)
    if most is None and len(text) > MOST_AT_ONCE:
        raise TextError(f"{source_name(file)} has more than {MOST_AT_ONCE:,} characters: split it")
    note(*notes)
    return text


def check_filled(file: str, text: Sequence[str]) -> None:
    """Raise TextError if `file` has no text: that would cost nothing, which looks like a perfect fit."""
    if not text:
        raise TextError(f"{source_name(file)} is empty: there is nothing to score")


Part = str | list[str]
"""A part of a text, or some of its lines."""


def texts_of(files: Sequence[str], decoding: Decoding, lines: bool) -> Iterator[tuple[str, Iterator[Part]]]:
    """Yield each file and its text in parts; with `lines`, some lines at a time. As in training, empty lines are left
    out.

    Raises TextError if a file is empty.
    """
    for file in files:
        with noted_reader(decoding) as reader:
            pieces = reader.read([file])
            yield file, _filled(file, _some(filled_lines(pieces)) if lines else parts(pieces))


def _some(blocks: Iterable[list[str]]) -> Iterator[list[str]]:
    for lines in blocks:
        for at in range(0, len(lines), AT_ONCE):
            yield lines[at : at + AT_ONCE]


def _filled(file: str, parts: Iterator[Part]) -> Iterator[Part]:
    first = next(parts, "")
    check_filled(file, first)
    yield first
    yield from parts


def lines_of(files: Sequence[str], decoding: Decoding) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the lines of `files`, and of the files in folders, some at a time, as they come.

    Yields the file, how many of its lines came before, and lines. Raises TextError if a file has no lines.
    """
    with noted_reader(decoding) as reader:
        for file, documents in zip(files, reader.find(files), strict=True):
            for document in documents:
                name = document.name if os.path.isdir(file) else file
                read = 0
                for lines in _some(whole_lines(reader.pieces(document))):
                    yield name, read, lines
                    read += len(lines)
                if not read:
                    check_filled(name, "")
