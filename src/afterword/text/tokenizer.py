"""Text to token ids and back: what all vocabularies have in common. `vocabularies` is the table of the kinds.

A vocabulary has V tokens, of which the network keeps R rows: row = min(id, R - 1). A kind defines its tokens and how to
learn, encode and recognise it; everything else follows from the tokens.

All are written as a standard `tokenizer.json` (a BPE model), which the `tokenizers` library reads to the same ids.
"""

from __future__ import annotations

import codecs
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError, TextError
from afterword.text.prefixes import Prefixes
from afterword.text.unicode import code_points, lower

END = "<|end|>"  # the boundary token: it ends a line, and it is the first input of a network
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]

Ids = NDArray[np.int32]


def check_text(text: object, name: str = "a text") -> None:
    """Raise TextError if `text` is not a string. `name` is its name in the message."""
    if not isinstance(text, str):
        hint = ": decode it first, as in text.decode()" if isinstance(text, bytes | bytearray) else ""
        is_missing = text is None or (isinstance(text, float) and text != text) or type(text).__name__ == "NAType"
        hint = ": leave out missing cells, as in column.dropna()" if is_missing else hint
        raise TextError(f"{name} must be a string, not {type(text).__name__}{hint}")


def checked_lines(lines: Iterable[str], name: str) -> list[str]:
    """Return the `lines` that were given to the method `name`. Raises OptionError if they are not several texts,
    TextError if one is not a string."""
    if isinstance(lines, bytes):
        check_text(lines, name)
    if isinstance(lines, str) or not isinstance(lines, Iterable) or hasattr(lines, "columns"):
        advice = "put one line into a list, split a text with splitlines(), or take one column of a table"
        raise OptionError(f"{name} takes several lines: {advice}")
    texts = list(lines)
    for row, text in enumerate(texts, 1):
        check_text(text, f"line {row:,} of {len(texts):,}")
    return texts


@dataclass(frozen=True, repr=False)
class Tokenizer(ABC):
    """A vocabulary, learned by one of the kinds or read from a `tokenizer.json`. It never changes."""

    kind: ClassVar[str]
    """The name by which users choose it."""
    shared_row_tokens: ClassVar[int]
    """The number of last ids that share the last row; 1 if none are shared."""
    several: ClassVar[bool] = False
    """Whether it has tokens of several characters: symbols."""
    byte_fallback: ClassVar[bool] = True
    pre_tokenizer: ClassVar[dict[str, Any] | None] = None
    """The rule that splits a text into what a token may be; None if a token is a character."""

    characters: str
    """The known characters, distinct and sorted."""
    lowercase: bool

    @classmethod
    @abstractmethod
    def learn(cls, characters: str, texts: Iterable[str], lowercase: bool) -> Self:
        """Learn the vocabulary of a training text that has `characters` and comes in the pieces `texts`.

        Raises OptionError if there are too many characters.
        """

    def for_text(self, characters: str, lowercase: bool) -> Self:
        """Return this vocabulary as it suits another training text, which has `characters`: it knows no others.

        Raises OptionError if there are too many.
        """
        return type(self).learn(characters, (), lowercase)

    @classmethod
    @abstractmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        """Return the tokenizer whose `tokenizer.json` contains `found` and the `tokens`; None if it is another kind.

        Raises ModelError if it is this kind and damaged. The comparison with `standard` finds what this misses.
        """

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: what follows from them is found again, also in another process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        lower_case = ", lower case" if self.lowercase else ""
        return f"Tokenizer({self.kind}, {self.size:,} tokens, {len(self.characters):,} characters{lower_case})"

    @abstractmethod
    def tokens(self) -> list[str]:
        """Return the tokens by id, as `tokenizer.json` names them."""

    @abstractmethod
    def _encode(self, text: str, at: int) -> Ids:
        """Return the ids [N] of `text`, which is normalised and begins at the character `at` of the user's text."""

    @cached_property
    def size(self) -> int:
        """V, the number of token ids."""
        return len(self.tokens())

    @property
    def rows(self) -> int:
        """R, the number of rows of the network."""
        return self.size - self.shared_row_tokens + 1

    @property
    def own_rows(self) -> int:
        """The number of first rows that each mean one token: all but a last row that several tokens share."""
        return self.rows if self.rows == self.size else self.rows - 1

    def to_rows(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> Ids:
        """Return the row of each of `ids` [N]."""
        return np.minimum(ids, self.rows - 1)

    @cached_property
    def end(self) -> int | None:
        """The boundary token's id, if there is one."""
        tokens = self.tokens()
        return tokens.index(END) if END in tokens else None

    @property
    def boundary(self) -> int:
        """The boundary token's id, of a tokenizer that has one: only the classic recipe's does not."""
        assert self.end is not None
        return self.end

    @cached_property
    def _spelling(self) -> list[bytes]:
        """Each token's UTF-8 bytes."""
        special = {END: b"", **{name: bytes([byte]) for byte, name in enumerate(BYTES)}}
        return [special[token] if token in special else token.encode() for token in self.tokens()]

    @cached_property
    def names(self) -> list[str]:
        """Each token as text, by id; part of a character keeps its name, such as <0xE2>."""
        texts = ((name, self.decode([id])) for id, name in enumerate(self.tokens()))
        return [name if not text or "\ufffd" in text else text for name, text in texts]

    @cached_property
    def lengths(self) -> list[int]:
        """The number of characters of each token, by id, a part of one counting as one; empty if none has several."""
        return [len(self.decode([id])) for id in range(self.size)] if self.several else []

    def normalise(self, text: str) -> str:
        """Return what decode(encode(text)) returns: `text`, in lower case if the tokenizer lower-cases.

        Raises TextError if it is not a string.
        """
        check_text(text)
        return lower(text) if self.lowercase else text

    def encode(self, text: str, at: int = 0) -> Ids:
        """Return the ids [N] of `text`, which begins at character `at` of the user's text, without the boundary token.

        Raises TextError for a lone surrogate and, if the kind is classic, for a character that it does not know.
        """
        return self._encode(self.normalise(text), at)

    def starts(self, text: str) -> NDArray[np.intp]:
        """Return the index of the character of `text` in which each of its ids [N] begins. Raises as `encode`."""
        read = self.normalise(text)
        bytes_each = 1 + np.searchsorted(np.array([0x80, 0x800, 0x10000], np.uint32), code_points(read), side="right")
        spelled = np.array([len(self._spelling[id]) for id in self.encode(text).tolist()], np.intp)
        starts: NDArray[np.intp] = np.searchsorted(bytes_each.cumsum(), spelled.cumsum() - spelled, side="right")
        if len(read) == len(text):
            return starts
        lengths = [len(self.normalise(character)) for character in text]  # some characters become several in lower case
        characters: NDArray[np.intp] = np.repeat(np.arange(len(text)), lengths)
        return characters[starts]

    def decode(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> str:
        """Return the text of `ids` [N]. The boundary token is "". Bytes that are not UTF-8 become U+FFFD.

        This is as in `bytes.decode`; the `tokenizers` library makes each such byte one U+FFFD, and is otherwise the
        same. Raises TextError for an id outside the vocabulary.
        """
        each = ids.tolist() if isinstance(ids, np.ndarray) else ids
        try:
            return b"".join([self.spelling(id) for id in each]).decode("utf-8", "replace")
        except TypeError:
            raise TextError("ids must be whole numbers, one per token, as encode gives them") from None

    def spelling(self, id: int) -> bytes:
        """Return the UTF-8 bytes of the token `id`; the boundary has none. Raises TextError for an unknown id."""
        if not 0 <= id < self.size:
            raise TextError(f"unknown token {id}: the vocabulary's ids go from 0 to {self.size - 1}")
        return self._spelling[id]

    @cached_property
    def texts_alone(self) -> dict[int, str]:
        """The text of each token that consists of whole characters, by id."""
        found = {}
        for id, spelling in enumerate(self._spelling):
            with suppress(UnicodeDecodeError):
                found[id] = spelling.decode()
        return found

    @cached_property
    def texts(self) -> list[str]:
        """The text of each row [R]; "" for the boundary, for part of a character and for a shared row."""
        own = [self.spelling(row).decode("utf-8", "ignore") for row in range(self.own_rows)]
        return own + [""] * (self.rows - self.own_rows)

    @cached_property
    def prefixes(self) -> Prefixes:
        """The rows by the beginnings of their texts."""
        return Prefixes(self.texts)

    def unfinished(self, text: str) -> int:
        """Return the number of last tokens of `text` that are the beginning of a symbol."""
        return 0

    def remark(self, counts: NDArray[np.intp]) -> str | None:
        """Return a note about a training text whose rows occur `counts` times [R]; None if there is nothing to note."""
        return None

    def to_json(self) -> str:
        """Return the tokenizer as a standard `tokenizer.json`, which contains everything that is needed here too."""
        return json.dumps(self.standard(), ensure_ascii=False, indent=2) + "\n"

    def standard(self) -> dict[str, Any]:
        """Return the content of `to_json` as a dictionary."""
        # <|end|> is not an added token, because the library would find it inside a text.
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
                "ignore_merges": self.several,  # a symbol is one token, although nothing is merged
                "vocab": {token: id for id, token in enumerate(self.tokens())},
                "merges": [],
            },
        }


class Encoder:
    """An encoder of a text that comes in pieces.

    The results of `push` and the final `finish`, joined, are what `Tokenizer.encode` returns for the whole text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._rest = ""
        self._read = 0  # characters, normalised

    def push(self, text: str) -> Ids:
        """Return the ids [N] that became certain with this piece."""
        self._rest += self._tokenizer.normalise(text)
        return self._take(in_whole_lines(self._rest) if self._tokenizer.pre_tokenizer else len(self._rest))

    def finish(self) -> Ids:
        """Return the ids [N] of the rest."""
        return self._take(len(self._rest))

    def _take(self, length: int) -> Ids:
        ids = self._tokenizer._encode(self._rest[:length], self._read)
        self._rest = self._rest[length:]
        self._read += length
        return ids


class Decoder:
    """A decoder of ids that come one at a time. It never returns half a character.

    The results of `push`, joined, are what `Tokenizer.decode` returns, but for an incomplete character at the end.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._alone = tokenizer, tokenizer.texts_alone
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_inside = False  # a character

    def push(self, id: int) -> str:
        """Return the text that this token completes; "" in the middle of a character."""
        if not self._is_inside and (text := self._alone.get(id)) is not None:
            return text
        text = self._utf8.decode(self._tokenizer.spelling(id))
        self._is_inside = bool(self._utf8.getstate()[0])
        return text


LONGEST_LINE = 1 << 16  # characters; a longer line is cut there, so that a text without newlines streams too
PART = 4 * LONGEST_LINE


def in_whole_lines(text: str) -> int:
    """Return how many characters of `text` can be cut off.

    It begins at the start of a line, or a multiple of LONGEST_LINE characters after that.
    """
    newline = text.rfind("\n") + 1
    return newline + (len(text) - newline) // LONGEST_LINE * LONGEST_LINE


def cut_lines(text: str) -> list[str]:
    """Return the lines of `text` with their newlines; one over LONGEST_LINE characters comes in parts of that length.

    They are the same wherever `in_whole_lines` cut the text.
    """
    return re.findall(rf"[^\n]{{1,{LONGEST_LINE}}}\n?|\n", text)


def parts(texts: Iterable[str]) -> Iterator[str]:
    """Yield parts of a text that comes in pieces, up to `PART` characters each; none is empty.

    Every vocabulary encodes the parts as it encodes the whole. The parts do not depend on where the pieces end.
    """
    rest = ""
    for text in texts:
        rest += text
        at = 0
        while len(rest) - at > PART:
            start, at = at, at + in_whole_lines(rest[at : at + PART])
            yield rest[start:at]
        rest = rest[at:]
    if rest:
        yield rest


def damaged(what: str) -> ModelError:
    """Return the error for an invalid `tokenizer.json`."""
    return ModelError(f"invalid tokenizer.json: {what}")
