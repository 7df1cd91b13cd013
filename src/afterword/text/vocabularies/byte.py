"""The bytes of UTF-8.

0 … 255      the bytes
256          the boundary token                                         V = R = 257
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from afterword.text.tokenizer import BYTES, END, Ids, Tokenizer
from afterword.text.unicode import utf_8


@dataclass(frozen=True, repr=False)
class ByteTokenizer(Tokenizer):
    """The 256 bytes."""

    kind = "byte"
    usage = "byte"
    shared_row_tokens = 1

    @classmethod
    def of(cls, lowercase: bool = False) -> Self:
        """The tokenizer of bytes, of text in lower case if `lowercase`."""
        return cls("", lowercase)

    @classmethod
    def learn(cls, characters: str, texts: Iterable[str], argument: str, lowercase: bool) -> Self:
        return cls.of(lowercase)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        return cls.of(lowercase) if tokens.get(BYTES[0]) == 0 else None

    def tokens(self) -> list[str]:
        return [*BYTES, END]

    def _encode(self, text: str, at: int) -> Ids:
        return np.frombuffer(utf_8(text, at), dtype=np.uint8).astype(np.int32)
