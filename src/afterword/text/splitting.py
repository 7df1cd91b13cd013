"""A text is split into a training and a validation part: by position, by file, or line by line by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Literal

from afterword.errors import TextError
from afterword.text.lines import filled_lines, joined
from afterword.text.unicode import lower

Part = Literal["training", "validation"]
Texts = Callable[[], Iterator[str]]  # each call reads from the start
Pieces = Callable[[], Iterator[tuple[Part, str]]]


def by_position(texts: Texts, training: int) -> Iterator[tuple[Part, str]]:
    """The first `training` characters are for training."""
    for text in texts():
        if training > 0:
            yield "training", text[:training]
        if len(text) > training:
            yield "validation", text[training:]
        training = max(0, training - len(text))


def by_file(training: Texts, validation: Texts, lines: bool) -> Iterator[tuple[Part, str]]:
    """Each part has texts of its own."""
    parts: list[tuple[Part, Texts]] = [("training", training), ("validation", validation)]
    for part, texts in parts:
        for text in chain.from_iterable(map(joined, filled_lines(texts()))) if lines else texts():
            yield part, text


class ByHash:
    """Lines are held out by their seeded hash, so that equal lines are in one part."""

    def __init__(self, texts: Texts, seed: int, lowercase: bool, share: float) -> None:
        self._texts, self._lowercase = texts, lowercase
        self._keyed = hashlib.blake2b(digest_size=8, key=(seed % 2**64).to_bytes(8))
        self._threshold = min(int(share * 2**64), 2**64 - 1)

    def __call__(self) -> Iterator[tuple[Part, str]]:
        """Lines whose digest, read as a big-endian number, is below the threshold are held out."""
        limit = self._threshold.to_bytes(8)
        for block in filled_lines(self._texts()):
            parts: dict[Part, list[str]] = {"training": [], "validation": []}
            for line in block:
                parts["validation" if self._digest(line) < limit else "training"].append(line)
            for part, lines in parts.items():
                for text in joined(lines):
                    yield part, text

    def move_one_line(self, out_of: Part) -> None:
        """Move the threshold so far that one distinct line leaves the part that holds all. Raises TextError."""
        lowest, highest = b"\xff" * 8, b""
        for block in filled_lines(self._texts()):
            digests = [self._digest(line) for line in block]
            lowest, highest = min(lowest, *digests), max(highest, *digests)
        if lowest == highest:
            raise TextError(
                "all lines are equal, and two different ones are needed: one to train on, one to validate with"
            )
        self._threshold = int.from_bytes(lowest) + 1 if out_of == "training" else int.from_bytes(highest)

    def _digest(self, line: str) -> bytes:
        hasher = self._keyed.copy()  # twice as fast as a new one with the same key
        hasher.update((lower(line) if self._lowercase else line).encode("utf-8", "surrogatepass"))
        return hasher.digest()
