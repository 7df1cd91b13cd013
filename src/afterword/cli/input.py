"""The texts that commands read, whole or by lines, with notes on standard error about how they were decoded."""

from __future__ import annotations

from afterword.cli.output import note
from afterword.errors import TextError
from afterword.text.decoding import read_text
from afterword.text.documents import source_name

MOST_AT_ONCE = 20_000_000  # characters of a text that is not read in parts


def noted_text(file: str, most: int | None = None) -> str:
    """Return the text of `file`, or its first `most` characters, and print its notes.

    Raises TextError. Without `most`, also raises it for a text that is too long to be held in memory.
    """
    text, notes = read_text([file], most=most or MOST_AT_ONCE + 1)
    if most is None and len(text) > MOST_AT_ONCE:
        raise TextError(f"{source_name(file)} has more than {MOST_AT_ONCE:,} characters: split it")
    note(*notes)
    return text
