"""Subwords by byte pair encoding: characters, and tokens merged from them.

    0 … m-1      the known characters, sorted by code point
    m … n-1      the tokens that were merged from them, in the order in which they were learned
    n            the boundary token
    n+1 … n+256  the bytes <0x00> … <0xFF>, which share a row              V = n + 257, R = n + 2

The `tokenizers` library learns and encodes; it is imported only then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import regex

from afterword.errors import OptionError
from afterword.text.characters import CharTokenizer, single_characters
from afterword.text.tokenizer import BYTES, END, Encoder, Ids, Tokenizer, cut_lines, damaged, in_whole_lines, split_by
from afterword.text.unicode import distinct, lower, utf_8

if TYPE_CHECKING:
    import tokenizers

# A text is cut before it is merged: into words, numbers and signs, each with the space before it, and other space.
# A newline is always a token of its own, so a text may be cut after any newline.
WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|[^\S\n]+(?!\S)|[^\S\n]+|\n"
WORD = regex.compile(WORDS)
LONGEST_UNSETTLED = 100  # characters; few words are longer
BLOCK = 1 << 20  # characters given to the library at a time
LEARNED_BYTES = 50_000_000  # of the text, which is enough to find what is frequent
MOST_TOKENS = 65_536  # tokens
LONGEST_TOKEN = 1000  # characters; merges can double it, and a few short ones could make a token of gigabytes


@dataclass(frozen=True, repr=False)
class BpeTokenizer(Tokenizer):
    """The known characters, the tokens merged from them, and the 256 bytes."""

    kind = "bpe"
    usage = "bpe:N"
    several = "subwords"
    shared_row_tokens = 256
    pre_tokenizer: ClassVar[dict[str, Any] | None] = split_by(WORDS)

    merges: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, characters: Iterable[str], texts: Iterable[str], size: int, lowercase: bool = False) -> Self:
        """Return a tokenizer of `size` tokens: `characters`, and the most frequent merges of them in `texts`.

        `texts`, joined, is the text, which has no other characters (newlines do not count); at most its first 50 MB
        are read. There are fewer tokens if no other pair occurs twice. Raises OptionError if `size` is less than the
        number of characters.
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
        if not (argument.isascii() and argument.isdigit() and len(argument) < 9 and 0 < int(argument) <= MOST_TOKENS):
            raise OptionError(
                f"vocabulary bpe:N needs a number up to {MOST_TOKENS:,}, as in bpe:1000, not bpe:{argument[:60]}"
            )

    @classmethod
    def learn(cls, characters: str, texts: Iterable[str], argument: str, lowercase: bool) -> Self:
        return cls.of(characters, texts, int(argument), lowercase)

    def for_text(self, characters: str, lowercase: bool) -> Self:
        """Keep the tokens that consist of these characters, and make each new character a token of its own.

        A text is cut as before: the merges that are left out cannot apply to it.
        """
        known = CharTokenizer.learn(characters, (), "", lowercase).characters
        merges = tuple(pair for pair in self.merges if set("".join(pair)) <= set(known))
        return replace(self, characters=known, lowercase=lowercase, merges=merges)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        if found.get("pre_tokenizer") is None:
            return None
        return cls(single_characters(tokens), lowercase, _merges(found["model"]["merges"], tokens))

    def tokens(self) -> list[str]:
        merged = dict.fromkeys(left + right for left, right in self.merges)  # two pairs may make the same token
        return [*self.characters, *merged, END, *BYTES]

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        import tokenizers

        return tokenizers.Tokenizer.from_str(self.to_json())

    def encode(self, text: str, at: int = 0) -> Ids:
        encoder = Encoder(self, at)  # it needs little memory; the library needs a hundred times the text's
        pushed = [encoder.push(text[first : first + BLOCK]) for first in range(0, len(text), BLOCK)]
        return np.concatenate([*pushed, encoder.finish()])

    def unsettled(self, text: str) -> int:
        end = self.normalise(text[-LONGEST_UNSETTLED:])
        *_, last = ["", *WORD.findall(end)]  # merges do not cross the borders of these
        return 0 if last == "\n" else len(last)

    def _encode(self, text: str, at: int) -> Ids:
        utf_8(text, at)
        encoded = self._library.encode_batch_fast(cut_lines(text), add_special_tokens=False)
        return np.fromiter((id for line in encoded for id in line.ids), np.int32)


def _learn_merges(known: str, texts: Iterable[str], size: int) -> tuple[tuple[str, str], ...]:
    """Return the merges, learned from `texts` by the library, that make `size` tokens of the characters `known`."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    learner = tokenizers.Tokenizer(models.BPE(byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(WORDS), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, initial_alphabet=list(known), show_progress=False)
    trainer.max_token_length = LONGEST_TOKEN
    learner.train_from_iterator(_first_lines(texts, LEARNED_BYTES), trainer)
    return _merges(json.loads(learner.to_str())["model"]["merges"], learner.get_vocab())


def _first_lines(texts: Iterable[str], limit: int) -> Iterator[str]:
    """Yield the lines of `texts` without newlines, up to `limit` bytes; lines over LONGEST_LINE come in parts."""
    rest = ""
    for text in texts:
        rest += text
        whole = in_whole_lines(rest)
        for line in cut_lines(rest[:whole]):
            yield line.removesuffix("\n")
            limit -= len(line.encode())
            if limit <= 0:
                return
        rest = rest[whole:]
    yield rest


def _merges(found: list[list[str]], tokens: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """Return the merges of a `tokenizer.json`. Raises ModelError unless each is a pair of `tokens` that makes one."""
    for pair in found:
        if not all(token in tokens for token in (*pair, "".join(pair))):
            raise damaged("one of its merges has tokens that are missing from its vocabulary")
        if sum(map(len, pair)) > LONGEST_TOKEN:
            raise damaged(f"one of its tokens has more than {LONGEST_TOKEN:,} characters")
    return tuple((left, right) for left, right in found)
