"""Subwords, by byte pair encoding: characters, and what merges best of them.

    0 … m-1      the known characters, sorted by code point
    m … n-1      the tokens that were merged from them, in the order in which they were learned
    n            the boundary token
    n+1 … n+256  the bytes <0x00> … <0xFF>, which share a row              V = n + 257, R = n + 2

The `tokenizers` library learns and encodes; it is imported only then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from afterword.errors import OptionError
from afterword.text.tokenizer import BYTES, END, Ids, Tokenizer, damaged
from afterword.text.unicode import distinct, lower, utf_8
from afterword.text.vocabularies.char import single_characters

if TYPE_CHECKING:
    import tokenizers

# Where a text is cut before it is merged: into words, numbers and signs, each with the space before it, and other
# space. A newline is always a token of its own, so a text may be cut after any newline.
WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|[^\S\n]+(?!\S)|[^\S\n]+|\n"
LONGEST_LINE = 1 << 16  # characters; a longer line is cut there, so that a text of one line streams too
LINES = re.compile(rf"[^\n]{{1,{LONGEST_LINE}}}\n?|\n")
BLOCK = 1 << 20  # characters given to the library at a time
LEARNED_BYTES = 50_000_000  # of the text, which is enough to know what is frequent
LARGEST = 65_536  # tokens


@dataclass(frozen=True, repr=False)
class BpeTokenizer(Tokenizer):
    """The known characters, what was merged of them, and the 256 bytes."""

    kind = "bpe"
    usage = "bpe:N"
    shared_row_tokens = 256
    pre_tokenizer: ClassVar[dict[str, Any] | None] = {
        "type": "Split",
        "pattern": {"Regex": WORDS},
        "behavior": "Isolated",
        "invert": False,
    }

    merges: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, characters: Iterable[str], texts: Iterable[str], size: int, lowercase: bool = False) -> Self:
        """A tokenizer that knows `characters` and what merges best of them in `texts`, `size` tokens in all.

        `texts`, joined, is the text, which has no other characters (newlines do not count); at most its first 50 MB
        are read. There are fewer tokens if no other pair occurs twice. Raises OptionError where `size` is less
        than the number of characters.
        """
        known = distinct("".join(characters), lowercase)
        if size < len(known):
            raise OptionError(
                f"vocabulary bpe:{size} is too small: the text has {len(known)} different characters; "
                f"give bpe:{len(known)} or more"
            )
        return cls(known, lowercase, _learn_merges(known, map(lower, texts) if lowercase else texts, size))

    @classmethod
    def check_argument(cls, argument: str) -> None:
        if not (argument.isascii() and argument.isdigit() and len(argument) < 9 and 0 < int(argument) <= LARGEST):
            raise OptionError(
                f"vocabulary bpe:N wants a number up to {LARGEST:,}, as in bpe:1000, not bpe:{argument[:60]}"
            )

    @classmethod
    def learn(cls, characters: str, texts: Iterable[str], argument: str, lowercase: bool) -> Self:
        return cls.of(characters, texts, int(argument), lowercase)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        if found.get("pre_tokenizer") is None:
            return None
        return cls(single_characters(tokens), lowercase, _merges(found["model"].get("merges"), tokens))

    def tokens(self) -> list[str]:
        merged = dict.fromkeys(left + right for left, right in self.merges)  # two pairs may make the same token
        return [*self.characters, *merged, END, *BYTES]

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        import tokenizers

        return tokenizers.Tokenizer.from_str(self.to_json())

    def encode(self, text: str) -> Ids:
        encoder = self.encoder()  # which takes little memory, where the library takes a hundred times the text's
        pushed = [encoder.push(text[first : first + BLOCK]) for first in range(0, len(text), BLOCK)]
        return np.concatenate([*pushed, encoder.finish()])

    def _settled(self, text: str) -> int:
        return _in_whole_lines(text)

    def _encode(self, text: str, at: int) -> Ids:
        utf_8(text, at)
        encoded = self._library.encode_batch_fast(LINES.findall(text), add_special_tokens=False)
        return np.fromiter((id for line in encoded for id in line.ids), np.int32)


def _learn_merges(known: str, texts: Iterable[str], size: int) -> tuple[tuple[str, str], ...]:
    """The merges that make `size` tokens of the characters `known`, as the library learns them from `texts`."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    learner = tokenizers.Tokenizer(models.BPE(byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(WORDS), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, initial_alphabet=list(known), show_progress=False)
    learner.train_from_iterator(_first_lines(texts, LEARNED_BYTES), trainer)
    return _merges(json.loads(learner.to_str())["model"]["merges"], learner.get_vocab())


def _first_lines(texts: Iterable[str], limit: int) -> Iterator[str]:
    """The lines of `texts` without newlines, until they have `limit` bytes; those longer than LONGEST_LINE in parts."""
    rest = ""
    for text in texts:
        rest += text
        whole = _in_whole_lines(rest)
        for line in LINES.findall(rest[:whole]):
            yield line.removesuffix("\n")
            limit -= len(line.encode())
            if limit <= 0:
                return
        rest = rest[whole:]
    yield rest


def _in_whole_lines(text: str) -> int:
    """How much of `text`, which begins where a line does, or LONGEST_LINE characters on in it, can be cut off."""
    newline = text.rfind("\n") + 1
    return newline + (len(text) - newline) // LONGEST_LINE * LONGEST_LINE


def _merges(found: Any, tokens: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """The merges of a `tokenizer.json`, all of them pairs of `tokens` that make a token. Raises ModelError."""
    if not isinstance(found, list):
        raise damaged("it has no list of merges")
    for pair in found:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(token) is str for token in pair)):
            raise damaged("one of its merges is not a pair of tokens")
        if not all(token in tokens for token in (*pair, "".join(pair))):
            raise damaged("one of its merges is of tokens that it does not have")
    return tuple((left, right) for left, right in found)
