"""The whole text of files or of standard input, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import Source


def read_text(sources: Sequence[Source], decoding: Decoding | None = None) -> tuple[str, list[str]]:
    """Return the text of `sources` as one string, and notes on what was changed."""
    reader = Reader(decoding or Decoding())
    return "".join(reader.read(sources)), reader.notes.lines()
