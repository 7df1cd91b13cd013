"""A text that comes in pieces is cut into lines, and lines are put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PIECE = 1 << 20  # characters


def whole_lines(texts: Iterable[str]) -> Iterator[list[str]]:
    """The lines of a text that comes in pieces, without their "\\n", as many at a time as each piece completes."""
    begun: list[str] = []  # a line may be longer than many pieces
    for text in texts:
        whole, newline, rest = text.rpartition("\n")
        if newline:
            yield "".join([*begun, whole]).split("\n")
            begun = []
        begun.append(rest)
    if last := "".join(begun):
        yield [last]


def filled_lines(texts: Iterable[str]) -> Iterator[list[str]]:
    """As `whole_lines`, without the empty ones."""
    for lines in whole_lines(texts):
        if filled := [line for line in lines if line]:
            yield filled


def joined(lines: list[str]) -> Iterator[str]:
    """`lines` with their newlines, in pieces that stay small where a line is long."""
    text = "\n".join([*lines, ""])
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
