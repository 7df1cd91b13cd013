"""Text to token ids and back. Nothing is ever unknown: what the vocabulary lacks is spelled in UTF-8 bytes.

Two kinds, of V tokens in all, of which the network keeps R rows (row = min(id, R - 1)):

    char   0 … n-1      the known characters, sorted by code point
           n            the boundary token <|end|>: ends a line, and is what a network is fed first
           n+1 … n+256  the bytes <0x00> … <0xFF>                         V = n + 257, R = n + 2
    byte   0 … 255      the bytes
           256          the boundary token                                V = R = 257

Both are written as a standard `tokenizer.json` (BPE without merges, byte fallback), which the `tokenizers` library
reads to the same ids. Here a table lookup over UTF-32 codes does it some fifty times faster.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, TextError

END = "<|end|>"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
UNKNOWN = -1


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, one uint32 a character. Raises TextError for a lone surrogate."""
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error) from None


def lower(text: str) -> str:
    """Lower-case `text` character by character, so that it never matters where a text is cut.

    `str.lower` looks around at one character only: Σ becomes ς at a word's end. Here it is always σ.
    """
    return text.replace("Σ", "σ").lower()


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary. Make one with `Tokenizer.char`, `Tokenizer.byte` or `Tokenizer.from_json`; it never changes."""

    kind: str  # "char" or "byte"
    characters: str  # the known characters, distinct and sorted; "" for the byte kind
    lowercase: bool
    _ids: NDArray[np.int32] = field(init=False, repr=False, compare=False)  # by code point; the last entry is UNKNOWN
    _spelling: list[bytes] = field(init=False, repr=False, compare=False)  # each token's UTF-8 bytes

    def __post_init__(self) -> None:
        codes = code_points(self.characters)
        ids = np.full(int(codes.max(initial=0)) + 2, UNKNOWN, dtype=np.int32)
        ids[codes] = np.arange(len(codes))
        object.__setattr__(self, "_ids", ids)
        known, single = [character.encode() for character in self.characters], [bytes([byte]) for byte in range(256)]
        object.__setattr__(self, "_spelling", [*known, b"", *single] if self.kind == "char" else [*single, b""])

    @staticmethod
    def char(characters: Iterable[str], lowercase: bool = False) -> Tokenizer:
        """A tokenizer that knows `characters` (lower-cased first if `lowercase`) and spells all others in bytes."""
        known = "".join(characters)
        return Tokenizer("char", "".join(sorted(set(lower(known) if lowercase else known))), lowercase)

    @staticmethod
    def byte(lowercase: bool = False) -> Tokenizer:
        """A tokenizer whose tokens are the bytes of UTF-8."""
        return Tokenizer("byte", "", lowercase)

    @property
    def size(self) -> int:
        """V, how many token ids there are."""
        return len(self.characters) + 257

    @property
    def rows(self) -> int:
        """R, how many rows the network keeps."""
        return len(self.characters) + 2 if self.kind == "char" else 257

    @property
    def shared_row_tokens(self) -> int:
        """How many of the last ids share the last row; 1 where none are shared."""
        return self.size - self.rows + 1

    @property
    def end(self) -> int | None:
        """The boundary token's id."""
        return self._end

    @property
    def _end(self) -> int:
        return len(self.characters) if self.kind == "char" else 256

    @property
    def _first_byte(self) -> int:
        return len(self.characters) + 1 if self.kind == "char" else 0

    def tokens(self) -> list[str]:
        """The tokens as `tokenizer.json` names them, by id."""
        return [*self.characters, END, *BYTES] if self.kind == "char" else [*BYTES, END]

    def normalise(self, text: str) -> str:
        """What decode(encode(text)) gives back: lower case if the tokenizer is so, else `text` itself."""
        return lower(text) if self.lowercase else text

    def encode(self, text: str) -> NDArray[np.int32]:
        """Ids [N] of `text`, any string without lone surrogates (TextError). Never holds the boundary token."""
        text = self.normalise(text)
        if self.kind == "byte":
            return np.frombuffer(_utf8(text), dtype=np.uint8).astype(np.int32)
        codes = code_points(text)
        ids = self._ids.take(codes, mode="clip")
        unknown = ids == UNKNOWN
        return self._spell(ids, codes, unknown) if unknown.any() else ids

    def _spell(
        self, ids: NDArray[np.int32], codes: NDArray[np.uint32], unknown: NDArray[np.bool_]
    ) -> NDArray[np.int32]:
        """`ids` [N] with each unknown one replaced by the one to four byte tokens of its character."""
        lengths = np.ones(len(ids), dtype=np.intp)
        lengths[unknown] += np.searchsorted([0x80, 0x800, 0x10000], codes[unknown], side="right")
        spelled = np.repeat(unknown, lengths)
        utf8 = codes[unknown].tobytes().decode("utf-32-le").encode()
        longer = np.empty(len(spelled), dtype=np.int32)
        longer[~spelled] = ids[~unknown]
        longer[spelled] = np.frombuffer(utf8, dtype=np.uint8).astype(np.int32) + self._first_byte
        return longer

    def decode(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> str:
        """The text of `ids` [N]. The boundary token is "", bytes that are no UTF-8 become U+FFFD as in `bytes.decode`.

        (The library reads a run of byte tokens that is not UTF-8 as one U+FFFD a byte; all else it reads the same.)
        Raises TextError for an id outside the vocabulary.
        """
        each = ids.tolist() if isinstance(ids, np.ndarray) else ids
        return b"".join([self._spell_out(id) for id in each]).decode("utf-8", "replace")

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
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"} if self.lowercase else None,
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": END}, "content": ""},
                    {"type": "ByteFallback"},
                    {"type": "Fuse"},
                ],
            },
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": True,
                "ignore_merges": False,
                "vocab": {token: id for id, token in enumerate(self.tokens())},
                "merges": [],
            },
        }

    @staticmethod
    def from_json(text: str) -> Tokenizer:
        """Read what `to_json` wrote, also after the library has saved it again. Raises ModelError for all else."""
        try:
            found = json.loads(text, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            raise _damaged(f"no JSON that can be read ({error})") from None
        vocabulary = _part(_part(found, "model"), "vocab")
        if not all(type(id) is int for id in vocabulary.values()):
            raise _damaged("its vocabulary has an id that is no whole number")
        kind = "byte" if vocabulary.get(BYTES[0]) == 0 else "char"
        known = "".join(sorted(token for token in vocabulary if len(token) == 1))
        try:
            tokenizer = Tokenizer(kind, known if kind == "char" else "", found.get("normalizer") is not None)
        except TextError as error:
            raise _damaged(str(error)) from None
        standard = tokenizer._standard()
        for ours, theirs in ((standard.pop("model"), found["model"]), (standard, found)):
            for key, value in ours.items():
                if theirs.get(key) != value:
                    raise _damaged(f"its {key} is not what a {kind} tokenizer has")
        return tokenizer


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


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error) from None


def _lone_surrogate(error: UnicodeEncodeError) -> TextError:
    code = ord(error.object[error.start])
    return TextError(
        f"character {error.start} of the text is a lone surrogate (U+{code:04X}), which is no text: remove it"
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
