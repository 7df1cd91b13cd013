"""Text to token ids and back: what all vocabularies have in common. The kinds are in `vocabularies/`, a file each.

A vocabulary has V tokens in all, of which the network keeps R rows: row = min(id, R - 1). A kind says what its tokens
are and how to encode, how it is learned and how it is known again; all else follows from the tokens.

All are written as a standard `tokenizer.json` (a BPE model), which the `tokenizers` library reads to the same ids.
"""

from __future__ import annotations

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, TextError
from afterword.text.unicode import code_points, lower

END = "<|end|>"  # the boundary token: ends a line, and is what a network is fed first
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SINGLE = [bytes([byte]) for byte in range(256)]

Ids = NDArray[np.int32]


@dataclass(frozen=True, repr=False)
class Tokenizer(ABC):
    """A vocabulary. Made by the kinds in `vocabularies/`, or read by its table; it never changes."""

    kind: ClassVar[str]
    """The name by which users choose it."""
    usage: ClassVar[str] = ""
    """How the option --vocabulary spells it; "" if it cannot be chosen there."""
    shared_row_tokens: ClassVar[int]
    """How many of the last ids share the last row; 1 where none are shared."""
    byte_fallback: ClassVar[bool] = True
    pre_tokenizer: ClassVar[dict[str, Any] | None] = None

    characters: str
    """The known characters, distinct and sorted; "" where the tokens are bytes."""
    lowercase: bool

    @classmethod  # noqa: B027
    def check_argument(cls, argument: str) -> None:
        """Raise OptionError unless `argument` may follow the kind's name and a colon, as N in bpe:N."""

    @classmethod
    @abstractmethod
    def learn(cls, characters: str, texts: Iterable[str], argument: str, lowercase: bool) -> Self:
        """The vocabulary of a training text that comes in pieces as `texts` and has `characters`.

        Raises OptionError where `argument` does not suit the text.
        """

    @classmethod
    @abstractmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        """The tokenizer whose `tokenizer.json` holds `found`, and in it `tokens` by id; None where it is another kind.

        Raises ModelError where it is this kind, and damaged. What it misses, the comparison with `standard` finds.
        """

    def __repr__(self) -> str:
        lower_case = ", lower case" if self.lowercase else ""
        return f"Tokenizer({self.kind}, {self.size:,} tokens, {len(self.characters):,} characters{lower_case})"

    @abstractmethod
    def tokens(self) -> list[str]:
        """The tokens as `tokenizer.json` names them, by id."""

    @abstractmethod
    def _encode(self, text: str, at: int) -> Ids:
        """Ids [N] of `text`, which is normalised already; it begins at the character `at` of what the user gave."""

    @property
    def merges(self) -> tuple[tuple[str, str], ...]:
        """Which pairs of tokens become one, in the order in which they do."""
        return ()

    @cached_property
    def size(self) -> int:
        """V, how many token ids there are."""
        return len(self.tokens())

    @property
    def rows(self) -> int:
        """R, how many rows the network keeps."""
        return self.size - self.shared_row_tokens + 1

    @cached_property
    def end(self) -> int | None:
        """The boundary token's id, if there is one."""
        tokens = self.tokens()
        return tokens.index(END) if END in tokens else None

    @cached_property
    def _spelling(self) -> list[bytes]:
        """Each token's UTF-8 bytes."""
        special = {END: b"", **dict(zip(BYTES, SINGLE, strict=True))}
        return [special[token] if token in special else token.encode() for token in self.tokens()]

    @cached_property
    def names(self) -> list[str]:
        """Each token as text, by id; what is no whole character keeps its name, as <0xE2>."""
        texts = ((name, self.decode([id])) for id, name in enumerate(self.tokens()))
        return [name if not text or "\ufffd" in text else text for name, text in texts]

    def normalise(self, text: str) -> str:
        """What decode(encode(text)) gives back: lower case if the tokenizer is so, else `text` itself.

        Raises TextError for what is not a string.
        """
        if not isinstance(text, str):
            hint = ": decode it first, as in text.decode()" if isinstance(text, bytes | bytearray) else ""
            raise TextError(f"a text must be a string, not {type(text).__name__}{hint}")
        return lower(text) if self.lowercase else text

    def encode(self, text: str) -> Ids:
        """Ids [N] of `text`, any string without lone surrogates. Never holds the boundary token.

        Raises TextError for a lone surrogate and, where the kind is classic, for a character that it does not know.
        """
        return self._encode(self.normalise(text), 0)

    def starts(self, text: str) -> NDArray[np.intp]:
        """The character of `text` in which each of its ids [N] begins. Raises TextError as `encode`."""
        read = self.normalise(text)
        bytes_each = 1 + np.searchsorted(np.array([0x80, 0x800, 0x10000], np.uint32), code_points(read), side="right")
        spelled = self._lengths[self.encode(text)]
        starts: NDArray[np.intp] = np.searchsorted(bytes_each.cumsum(), spelled.cumsum() - spelled, side="right")
        if len(read) == len(text):
            return starts
        lengths = [len(self.normalise(character)) for character in text]  # in lower case some characters are several
        characters: NDArray[np.intp] = np.repeat(np.arange(len(text)), lengths)
        return characters[starts]

    @cached_property
    def _lengths(self) -> NDArray[np.intp]:
        """How many bytes each token has."""
        return np.array([len(spelling) for spelling in self._spelling], np.intp)

    def encoder(self) -> Encoder:
        """An encoder for a text that comes in pieces."""
        return Encoder(self)

    def _settled(self, text: str) -> int:
        """How many of the characters of `text`, after which more will come, can be encoded already."""
        return len(text)

    def decode(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> str:
        """The text of `ids` [N]. The boundary token is "", bytes that are not UTF-8 become U+FFFD as in `bytes.decode`.

        (The library reads a run of byte tokens that is not UTF-8 as one U+FFFD per byte; all else it reads the same.)
        Raises TextError for an id outside the vocabulary.
        """
        each = ids.tolist() if isinstance(ids, np.ndarray) else ids
        try:
            return b"".join([self.spelling(id) for id in each]).decode("utf-8", "replace")
        except TypeError:
            raise TextError("ids must be whole numbers, one per token, as encode gives them") from None

    def decoder(self) -> Decoder:
        """A decoder for ids that come one at a time."""
        return Decoder(self)

    def spelling(self, id: int) -> bytes:
        """The UTF-8 bytes of the token `id`; the boundary has none. Raises TextError for an id that is none."""
        if not 0 <= id < self.size:
            raise TextError(f"there is no token {id}: the vocabulary's ids go from 0 to {self.size - 1}")
        return self._spelling[id]

    def to_json(self) -> str:
        """The tokenizer as a standard `tokenizer.json`. All that we need is in the standard content."""
        return json.dumps(self.standard(), ensure_ascii=False, indent=2) + "\n"

    def standard(self) -> dict[str, Any]:
        """What `to_json` writes."""
        # <|end|> is not an added token, which the library would find inside of a text.
        end = [{"type": "Replace", "pattern": {"String": END}, "content": ""}] if self.end is not None else []
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"} if self.lowercase else None,
            "pre_tokenizer": self.pre_tokenizer,
            "post_processor": None,
            "decoder": {
                "type": "Sequence",
                "decoders": [*end, *([{"type": "ByteFallback"}] if self.byte_fallback else []), {"type": "Fuse"}],
            },
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": self.byte_fallback,
                "ignore_merges": False,
                "vocab": {token: id for id, token in enumerate(self.tokens())},
                "merges": [list(pair) for pair in self.merges],
            },
        }


class Encoder:
    """Turns a text that comes in pieces into ids.

    All that `push` and the last `finish` return, joined, is what `Tokenizer.encode` gives for the whole text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._rest = ""
        self._read = 0  # characters, normalised

    def push(self, text: str) -> Ids:
        """The ids [N] that became certain with this piece."""
        self._rest += self._tokenizer.normalise(text)
        return self._take(self._tokenizer._settled(self._rest))

    def finish(self) -> Ids:
        """The ids [N] of what is left."""
        return self._take(len(self._rest))

    def _take(self, length: int) -> Ids:
        ids = self._tokenizer._encode(self._rest[:length], self._read)
        self._rest = self._rest[length:]
        self._read += length
        return ids


class Decoder:
    """Turns ids that come one at a time into text, and never shows half a character.

    All that `push` and the last `finish` return, joined, is what `Tokenizer.decode` gives for the same ids.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        """The text that became whole with this token; "" in the middle of a character."""
        return self._utf8.decode(self._tokenizer.spelling(id))

    def peek(self, id: int) -> str:
        """What `push` would return, which it still can."""
        before = self._utf8.getstate()
        text = self.push(id)
        self._utf8.setstate(before)
        return text

    def finish(self) -> str:
        """What is left: "" or, for a character that never became whole, U+FFFD."""
        return self._utf8.decode(b"", final=True)


def damaged(what: str) -> ModelError:
    """The error for a `tokenizer.json` that holds something wrong."""
    return ModelError(f"tokenizer.json is damaged: {what}; take a fresh copy of the model")
