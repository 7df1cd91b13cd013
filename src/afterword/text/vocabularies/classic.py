"""The classic recipe's vocabulary: the lower-cased characters of its text, and nothing else. All others are refused.

0 … n-1      the known characters, sorted by code point                 V = R = n
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.text.tokenizer import END, Ids
from afterword.text.vocabularies.char import CharTokenizer, single_characters


@dataclass(frozen=True, repr=False)
class ClassicTokenizer(CharTokenizer):
    """The known characters alone; there is no boundary token."""

    kind = "classic"
    usage = ""  # the recipe chooses it
    shared_row_tokens = 1
    byte_fallback = False

    @classmethod
    def of(cls, characters: Iterable[str], lowercase: bool = True) -> Self:
        return super().of(characters, lowercase=True)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        return None if END in tokens else cls(single_characters(tokens), lowercase=True)

    def tokens(self) -> list[str]:
        return list(self.characters)

    def _spell(self, ids: Ids, codes: NDArray[np.uint32], unknown: NDArray[np.bool_], at: int) -> Ids:
        first = int(unknown.argmax())
        raise TextError(
            f"the classic recipe knows only the {len(self.characters)} characters of its text; "
            f"{chr(codes[first])!r} at character {at + first} is none of them"
        )
