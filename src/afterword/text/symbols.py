"""Symbols: each run of characters other than white space is one token, together with the space before it.

    0 … m-1      the known characters, sorted by code point
    m … n-1      the known symbols of several characters, the most frequent first
    n            the boundary token
    n+1 … n+256  the bytes <0x00> … <0xFF>, which share a row              V = n + 257, R = n + 2

An unknown symbol is spelled by its characters, and an unknown character by its bytes. White space is spelled too,
except for a single space before a symbol.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afterword.text.characters import CharTokenizer, single_characters
from afterword.text.tokenizer import BYTES, END, Ids, cut_lines, damaged, parts
from afterword.text.unicode import code_points, distinct, lower, utf_8

# No symbol contains the name of the boundary or of a byte in a tokenizer.json: the library would take it for that.
# White space is ASCII's, because it is the same in all engines of regular expressions. Unicode's classes are not.
SYMBOLS = r"<(?=\|end\|>|0x[^\t-\r ]{2}>)| ?(?:[^\t-\r <]+|<(?!\|end\|>|0x[^\t-\r ]{2}>))+|[\t-\r ]"
SYMBOL = re.compile(SYMBOLS)
SPLIT = {"type": "Split", "pattern": {"Regex": SYMBOLS}, "behavior": "Isolated", "invert": False}
MOST_SYMBOLS = 16_384  # each is a row; with 65,536, two cores take seconds per step
MOST_NEW = 0.02  # fraction of a text's symbols that occur once; about as many of the next text's are new (Good 1953)
LONGEST_SYMBOL = 256  # characters; a longer one is spelled


@dataclass(frozen=True, repr=False)
class SymbolTokenizer(CharTokenizer):
    """The known characters, the known symbols of several characters, and the 256 bytes."""

    kind = "words"
    several = True
    pre_tokenizer: ClassVar[dict[str, Any] | None] = SPLIT

    symbols: tuple[str, ...] = ()

    @classmethod
    def of(cls, characters: Iterable[str], lowercase: bool = False, texts: Iterable[str] = ()) -> Self:
        """Return a tokenizer that knows `characters` and the most frequent symbols of a text that comes as `texts`."""
        counts: Counter[str] = Counter()
        for text in parts(map(lower, texts) if lowercase else texts):
            counts.update(_cut(text))
        found = [one for one in sorted(counts, key=lambda one: (-counts[one], one)) if 1 < len(one) <= LONGEST_SYMBOL]
        return cls(distinct("".join(characters), lowercase), lowercase, tuple(found[:MOST_SYMBOLS]))

    @classmethod
    def learn(cls, characters: str, texts: Iterable[str], lowercase: bool) -> Self:
        return cls.of(CharTokenizer.learn(characters, (), lowercase).characters, lowercase, texts)

    def for_text(self, characters: str, lowercase: bool) -> Self:
        """Keep the symbols that consist of these characters, and make each new character a token of its own."""
        known = CharTokenizer.learn(characters, (), lowercase).characters
        symbols = tuple(symbol for symbol in self.symbols if set(symbol) <= set(known))
        return replace(self, characters=known, lowercase=lowercase, symbols=symbols)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        if found.get("pre_tokenizer") != cls.pre_tokenizer:
            return None
        named = {END, *BYTES}
        symbols = [token for token in sorted(tokens, key=tokens.__getitem__) if len(token) > 1 and token not in named]
        code_points("".join(symbols))  # no lone surrogate
        if not all(len(symbol) <= LONGEST_SYMBOL and SYMBOL.fullmatch(symbol) for symbol in symbols):
            raise damaged("one of its tokens is not a symbol")
        return cls(single_characters(tokens), lowercase, tuple(symbols))

    def tokens(self) -> list[str]:
        return [*self.characters, *self.symbols, END, *BYTES]

    @cached_property
    def _ids(self) -> dict[str, int]:
        """The ids of the tokens that are text."""
        return {token: id for id, token in enumerate([*self.characters, *self.symbols])}

    def unfinished(self, text: str) -> int:
        """Return the number of last tokens of `text`, a character each, that are the beginning of a symbol.

        If `text` ends with a known symbol, return 0: any event can follow the event `6`, which need not become `60`.
        """
        *_, last = ["", *SYMBOL.findall(self.normalise(text[-LONGEST_SYMBOL:]))]
        return 0 if (last != " " and last in self._ids) or not len(self.prefixes.longer(last)) else len(last)

    def remark(self, counts: NDArray[np.intp]) -> str | None:
        first = len(self.characters)
        once = int((counts[first : first + len(self.symbols)] == 1).sum())
        if len(self.symbols) < MOST_SYMBOLS and once < MOST_NEW * counts.sum():
            return None
        more = f"more than {MOST_SYMBOLS:,}" if len(self.symbols) == MOST_SYMBOLS else f"{len(self.symbols):,}"
        return (
            f"vocabulary words found {more} different symbols, {once:,} of which occur once: that looks like prose, "
            "which `vocabulary` char suits better"
        )

    def _encode(self, text: str, at: int) -> Ids:
        utf_8(text, at)
        found = _cut(text)
        ids = [self._ids.get(part) for part in found]
        if None not in ids:
            return np.array(ids, np.int32)
        spell = super()._encode
        each = [spell(part, 0) if id is None else [id] for part, id in zip(found, ids, strict=True)]
        return np.concatenate([np.zeros(0, np.int32), *each]).astype(np.int32)


def _cut(text: str) -> list[str]:
    """Return the symbols of `text`, each with its space, and the rest of its characters one by one."""
    return [part for line in cut_lines(text) for part in SYMBOL.findall(line)]
