"""Characters. One that is absent from the training text is encoded as UTF-8 bytes, so that nothing is ever unknown.

    0 … n-1      the known characters, sorted by code point
    n            the boundary token
    n+1 … n+256  the bytes <0x00> … <0xFF>, which share a row              V = n + 257, R = n + 2

The table lookup over UTF-32 codes is some fifty times faster than the `tokenizers` library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.text.tokenizer import BYTES, END, Ids, Tokenizer
from afterword.text.unicode import code_points, distinct

UNKNOWN = -1
MOST_CHARACTERS = 30_000  # more than any script has in use; each one is a row of the network's largest matrices


@dataclass(frozen=True, repr=False)
class CharTokenizer(Tokenizer):
    """The known characters and the 256 bytes."""

    kind = "char"
    shared_row_tokens = 256

    @classmethod
    def of(cls, characters: Iterable[str], lowercase: bool = False) -> Self:
        """Return a tokenizer that knows `characters`, in lower case if `lowercase`."""
        return cls(distinct("".join(characters), lowercase), lowercase)

    @classmethod
    def learn(cls, characters: str, texts: Iterable[str], lowercase: bool) -> Self:
        """Know all `characters` of the training text. Raises OptionError if there are too many for a row each."""
        if len(characters) > MOST_CHARACTERS:
            raise OptionError(
                f"the training text has {len(characters):,} different characters, and a model knows at most "
                f"{MOST_CHARACTERS:,}, more than any language uses: leave out parts that are not text, or use less"
            )
        return cls.of(characters, lowercase)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        return cls(single_characters(tokens), lowercase)

    def tokens(self) -> list[str]:
        return [*self.characters, END, *BYTES]

    @cached_property
    def _table(self) -> Ids:
        """Ids by code point; the last entry is UNKNOWN."""
        codes = code_points(self.characters)
        table = np.full(int(codes.max(initial=0)) + 2, UNKNOWN, dtype=np.int32)
        table[codes] = np.arange(len(codes))
        return table

    def _encode(self, text: str, at: int) -> Ids:
        codes = code_points(text, at)
        ids = self._table.take(codes, mode="clip")
        unknown = ids == UNKNOWN
        return self._spell(ids, codes, unknown, at) if unknown.any() else ids

    def _spell(self, ids: Ids, codes: NDArray[np.uint32], unknown: NDArray[np.bool_], at: int) -> Ids:
        """Return `ids` [N] with each unknown one replaced by the one to four byte tokens of its character."""
        lengths = np.ones(len(ids), dtype=np.intp)
        lengths[unknown] += np.searchsorted([0x80, 0x800, 0x10000], codes[unknown], side="right")
        spelled = np.repeat(unknown, lengths)
        utf8 = codes[unknown].tobytes().decode("utf-32-le").encode()
        longer = np.empty(len(spelled), dtype=np.int32)
        longer[~spelled] = ids[~unknown]
        longer[spelled] = np.frombuffer(utf8, dtype=np.uint8).astype(np.int32) + self.size - len(BYTES)
        return longer


def single_characters(tokens: Iterable[str]) -> str:
    """Return the `tokens` that are one character, sorted. Raises TextError for a lone surrogate."""
    characters = "".join(sorted(token for token in tokens if len(token) == 1))
    code_points(characters)
    return characters


@dataclass(frozen=True, repr=False)
class ClassicTokenizer(CharTokenizer):
    """The known characters alone, without a boundary token."""

    kind = "classic"
    shared_row_tokens = 1
    byte_fallback = False

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        return None if END in tokens else cls(single_characters(tokens), lowercase=True)

    def tokens(self) -> list[str]:
        return list(self.characters)

    def _spell(self, ids: Ids, codes: NDArray[np.uint32], unknown: NDArray[np.bool_], at: int) -> Ids:
        first = int(unknown.argmax())
        raise TextError(
            f"the classic recipe knows only the {len(self.characters)} characters of its text; "
            f"{chr(codes[first])!r} at character {at + first} is not one of them"
        )
