"""Text to token ids and back. What a vocabulary lacks is spelled in UTF-8 bytes, so that nothing is ever unknown.

Four kinds, of V tokens in all, of which the network keeps R rows (row = min(id, R - 1)):

    char     0 … n-1      the known characters, sorted by code point
             n            the boundary token <|end|>: ends a line, and is what a network is fed first
             n+1 … n+256  the bytes <0x00> … <0xFF>                         V = n + 257, R = n + 2
    bpe      as char, but the known characters are followed by the tokens that were merged from them, in the order in
             which they were learned; n counts both
    byte     0 … 255      the bytes
             256          the boundary token                                V = R = 257
    classic  0 … n-1      the known characters, and nothing else            V = R = n

All are written as a standard `tokenizer.json` (a BPE model), which the `tokenizers` library reads to the same ids.
Three of them have no merges, and a table lookup over UTF-32 codes does it here some fifty times faster. A `bpe`
tokenizer is learned and read by the library, which is imported only then.
"""

from __future__ import annotations

import codecs
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError, TextError

if TYPE_CHECKING:
    import tokenizers

END = "<|end|>"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SINGLE = [bytes([byte]) for byte in range(256)]
UNKNOWN = -1

# Where a bpe tokenizer cuts before it merges: into words, numbers and signs, each with the space before it, and other
# space. A newline always stands alone, so a text may be cut behind any newline.
WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|[^\S\n]+(?!\S)|[^\S\n]+|\n"
LONGEST = 1 << 16  # characters; a longer line is cut there, so that a text of one line streams too
LINES = re.compile(rf"[^\n]{{1,{LONGEST}}}\n?|\n")
BLOCK = 1 << 20  # characters given to the library at a time
LEARNED_BYTES = 50_000_000  # of the text, which is enough to know what is frequent

Ids = NDArray[np.int32]


def code_points(text: str, at: int = 0) -> NDArray[np.uint32]:
    """The code points of `text`, one uint32 a character. Raises TextError for a lone surrogate.

    `at` is where the text begins, for the message.
    """
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error, at) from None


def lower(text: str) -> str:
    """Lower-case `text` character by character, so that it never matters where a text is cut.

    `str.lower` looks around at one character only: Σ becomes ς at a word's end. Here it is always σ.
    """
    return text.replace("Σ", "σ").lower()


@dataclass(frozen=True)
class Tokenizer(ABC):
    """A vocabulary. Made by `Tokenizer.char`, `byte`, `bpe`, `classic` or `from_json`; it never changes.

    A kind says what its tokens are, and how to encode; all else follows from the tokens.
    """

    kind: ClassVar[str]
    shared_row_tokens: ClassVar[int]
    """How many of the last ids share the last row; 1 where none are shared."""
    byte_fallback: ClassVar[bool] = True
    pre_tokenizer: ClassVar[dict[str, Any] | None] = None

    characters: str
    """The known characters, distinct and sorted; "" for the byte kind."""
    lowercase: bool

    def __repr__(self) -> str:
        lower_case = ", lower case" if self.lowercase else ""
        return f"Tokenizer({self.kind}, {self.size:,} tokens, {len(self.characters):,} characters{lower_case})"

    @staticmethod
    def char(characters: Iterable[str], lowercase: bool = False) -> Tokenizer:
        """A tokenizer that knows `characters` (lower-cased first if `lowercase`) and spells all others in bytes."""
        return _Char(_known(characters, lowercase), lowercase)

    @staticmethod
    def byte(lowercase: bool = False) -> Tokenizer:
        """A tokenizer whose tokens are the bytes of UTF-8."""
        return _Byte("", lowercase)

    @staticmethod
    def classic(characters: Iterable[str]) -> Tokenizer:
        """A tokenizer of the lower-cased `characters` alone. It refuses all others, and has no boundary token."""
        return _Classic(_known(characters, lowercase=True), lowercase=True)

    @staticmethod
    def bpe(characters: Iterable[str], texts: Iterable[str], size: int, lowercase: bool = False) -> Tokenizer:
        """A tokenizer that knows `characters` and what merges best of them in `texts`, `size` tokens in all.

        `texts`, joined, is the text, which has no other characters (newlines do not count); at most its first 50 MB
        are read. There are fewer tokens where nothing more stands in it twice. Raises OptionError where `size` is less
        than the number of characters.
        """
        known = _known(characters, lowercase)
        if size < len(known):
            raise OptionError(
                f"vocabulary bpe:{size} is too small: the text has {len(known)} different characters; "
                f"give bpe:{len(known)} or more"
            )
        return _Bpe(known, lowercase, _learn(known, map(lower, texts) if lowercase else texts, size))

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

    def normalise(self, text: str) -> str:
        """What decode(encode(text)) gives back: lower case if the tokenizer is so, else `text` itself.

        Raises TextError for what is no string.
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

    def encoder(self) -> Encoder:
        """An encoder for a text that comes in pieces."""
        return Encoder(self)

    def _settled(self, text: str) -> int:
        """How many of the characters of `text`, after which more will come, can be encoded already."""
        return len(text)

    def decode(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> str:
        """The text of `ids` [N]. The boundary token is "", bytes that are no UTF-8 become U+FFFD as in `bytes.decode`.

        (The library reads a run of byte tokens that is not UTF-8 as one U+FFFD a byte; all else it reads the same.)
        Raises TextError for an id outside the vocabulary.
        """
        each = ids.tolist() if isinstance(ids, np.ndarray) else ids
        try:
            return b"".join([self._spell_out(id) for id in each]).decode("utf-8", "replace")
        except TypeError:
            raise TextError("ids must be whole numbers, one a token, as encode gives them") from None

    def decoder(self) -> Decoder:
        """A decoder for ids that come one at a time."""
        return Decoder(self)

    def _spell_out(self, id: int) -> bytes:
        if not 0 <= id < self.size:
            raise TextError(f"there is no token {id}: the vocabulary's ids go from 0 to {self.size - 1}")
        return self._spelling[id]

    def to_json(self) -> str:
        """The tokenizer as a standard `tokenizer.json`. All that we need is in the standard content."""
        return json.dumps(self._standard(), ensure_ascii=False, indent=2) + "\n"

    def _standard(self) -> dict[str, Any]:
        # <|end|> is no added token: the library would then find it inside of a text.
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

    @staticmethod
    def from_json(text: str) -> Tokenizer:
        """Read what `to_json` wrote, also after the library has saved it again. Raises ModelError for all else."""
        try:
            found = json.loads(text, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            raise _damaged(f"no JSON that can be read ({error})") from None
        model = _part(found, "model")
        vocabulary = _part(model, "vocab")
        if not all(type(id) is int for id in vocabulary.values()):
            raise _damaged("its vocabulary has an id that is no whole number")
        known = "".join(sorted(token for token in vocabulary if len(token) == 1))
        lowercase = found.get("normalizer") is not None
        tokenizer: Tokenizer
        try:
            if found.get("pre_tokenizer") is not None:
                tokenizer = _Bpe(known, lowercase, _merges(model.get("merges"), vocabulary))
            elif END not in vocabulary:
                tokenizer = _Classic(known, lowercase=True)
            elif vocabulary.get(BYTES[0]) == 0:
                tokenizer = _Byte("", lowercase)
            else:
                tokenizer = _Char(known, lowercase)
            code_points(known)
        except TextError as error:
            raise _damaged(str(error)) from None
        standard = tokenizer._standard()
        for ours, theirs in ((standard.pop("model"), model), (standard, found)):
            for key, value in ours.items():
                if theirs.get(key) != value:
                    raise _damaged(f"its {key} is not what a {tokenizer.kind} tokenizer has")
        return tokenizer


@dataclass(frozen=True, repr=False)
class _Classic(Tokenizer):
    kind = "classic"
    shared_row_tokens = 1
    byte_fallback = False

    def tokens(self) -> list[str]:
        return list(self.characters)

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
        """`ids` [N] with the unknown ones replaced; here they are refused."""
        first = int(unknown.argmax())
        raise TextError(
            f"the classic recipe knows only the {len(self.characters)} characters of its text; "
            f"{chr(codes[first])!r} at character {at + first} is none of them"
        )


@dataclass(frozen=True, repr=False)
class _Char(_Classic):
    kind = "char"
    shared_row_tokens = 256
    byte_fallback = True

    def tokens(self) -> list[str]:
        return [*self.characters, END, *BYTES]

    def _spell(self, ids: Ids, codes: NDArray[np.uint32], unknown: NDArray[np.bool_], at: int) -> Ids:
        """`ids` [N] with each unknown one replaced by the one to four byte tokens of its character."""
        lengths = np.ones(len(ids), dtype=np.intp)
        lengths[unknown] += np.searchsorted([0x80, 0x800, 0x10000], codes[unknown], side="right")
        spelled = np.repeat(unknown, lengths)
        utf8 = codes[unknown].tobytes().decode("utf-32-le").encode()
        longer = np.empty(len(spelled), dtype=np.int32)
        longer[~spelled] = ids[~unknown]
        longer[spelled] = np.frombuffer(utf8, dtype=np.uint8).astype(np.int32) + (len(self.characters) + 1)
        return longer


@dataclass(frozen=True, repr=False)
class _Byte(Tokenizer):
    kind = "byte"
    shared_row_tokens = 1

    def tokens(self) -> list[str]:
        return [*BYTES, END]

    def _encode(self, text: str, at: int) -> Ids:
        return np.frombuffer(_utf8(text, at), dtype=np.uint8).astype(np.int32)


@dataclass(frozen=True, repr=False)
class _Bpe(Tokenizer):
    kind = "bpe"
    shared_row_tokens = 256
    pre_tokenizer: ClassVar[dict[str, Any] | None] = {
        "type": "Split",
        "pattern": {"Regex": WORDS},
        "behavior": "Isolated",
        "invert": False,
    }

    merges: tuple[tuple[str, str], ...] = ()

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
        _utf8(text, at)
        encoded = self._library.encode_batch_fast(LINES.findall(text), add_special_tokens=False)
        return np.fromiter((id for line in encoded for id in line.ids), np.int32)


def _known(characters: Iterable[str], lowercase: bool) -> str:
    joined = "".join(characters)
    return "".join(sorted(set(lower(joined) if lowercase else joined)))


def _learn(known: str, texts: Iterable[str], size: int) -> tuple[tuple[str, str], ...]:
    """The merges that make `size` tokens of the characters `known`, as the library learns them from `texts`."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    learner = tokenizers.Tokenizer(models.BPE(byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(WORDS), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, initial_alphabet=list(known), show_progress=False)
    learner.train_from_iterator(_first_lines(texts, LEARNED_BYTES), trainer)
    return _merges(json.loads(learner.to_str())["model"]["merges"], learner.get_vocab())


def _first_lines(texts: Iterable[str], limit: int) -> Iterator[str]:
    """The lines of `texts` without their newlines, until they have `limit` bytes; longer ones than LONGEST in parts."""
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
    """How much of `text`, which begins where a line does, or LONGEST characters on in it, can be cut off."""
    newline = text.rfind("\n") + 1
    return newline + (len(text) - newline) // LONGEST * LONGEST


def _merges(found: Any, vocabulary: dict[str, int]) -> tuple[tuple[str, str], ...]:
    """The merges of a `tokenizer.json`, all of them pairs of tokens that make a token. Raises ModelError."""
    if not isinstance(found, list):
        raise _damaged("it has no list of merges")
    for pair in found:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(token) is str for token in pair)):
            raise _damaged("one of its merges is no pair of tokens")
        if not all(token in vocabulary for token in (*pair, "".join(pair))):
            raise _damaged("one of its merges is of tokens that it does not have")
    return tuple((left, right) for left, right in found)


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
        return self._utf8.decode(self._tokenizer._spell_out(id))

    def finish(self) -> str:
        """What is left: "" or, for a character that never became whole, U+FFFD."""
        return self._utf8.decode(b"", final=True)


def _utf8(text: str, at: int) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error, at) from None


def _lone_surrogate(error: UnicodeEncodeError, at: int) -> TextError:
    code, position = ord(error.object[error.start]), at + error.start
    return TextError(
        f"character {position} of the text is a lone surrogate (U+{code:04X}), which is no text: remove it"
    )


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("the same key twice")
    return found


def _part(found: Any, name: str) -> dict[str, Any]:
    part = found.get(name) if isinstance(found, dict) else None
    if not isinstance(part, dict):
        raise _damaged(f"it has no {name}")
    return part


def _damaged(what: str) -> ModelError:
    return ModelError(f"tokenizer.json is damaged: {what}; take a fresh copy of the model")
