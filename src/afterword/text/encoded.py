"""A corpus as token ids on disk: encoded once, then memory-mapped.

training.bin, validation.bin    raw little-endian ids, uint8, uint16 or uint32 as the vocabulary needs
corpus.json                     what they are; written last, so that its presence says that all is there
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from afterword.errors import RunError, TextError
from afterword.storage import replacing, write_json
from afterword.text.corpus import Corpus, parse_vocabulary
from afterword.text.tokenizer import Tokenizer

T = TypeVar("T")
Ids = NDArray[np.unsignedinteger[Any]]

PARTS = ("training", "validation")
TYPES = ("uint8", "uint16", "uint32")
BLOCK = 1 << 20  # tokens


def learn_tokenizer(corpus: Corpus, vocabulary: str, lowercase: bool) -> Tokenizer:
    """The tokenizer that `vocabulary` names, knowing the characters of the training part. Raises OptionError."""
    if parse_vocabulary(vocabulary) == "byte":
        return Tokenizer.byte(lowercase)
    return Tokenizer.char(corpus.characters, lowercase)


@dataclass(frozen=True)
class EncodedCorpus:
    """The ids of both parts. In lines mode each line's ids are followed by the boundary token."""

    folder: Path
    training: Ids  # [N], memory-mapped
    validation: Ids  # [M], memory-mapped
    training_characters: int  # of the text as it was read, before lower-casing; a line's end counts as one
    validation_characters: int
    lines: bool
    fingerprint: str  # SHA-256, in hex, of both parts and the tokenizer
    sources: list[str]
    notes: list[str]

    @staticmethod
    def open(folder: Path) -> EncodedCorpus:
        """Map what `encode` wrote to `folder`. Raises RunError where it is not whole."""
        try:
            facts = json.loads((folder / "corpus.json").read_bytes())
            if facts["dtype"] not in TYPES:
                raise ValueError(f"ids of type {facts['dtype']!r}")
            dtype = _little_endian(facts["dtype"])
            training, validation = (_map(folder / f"{part}.bin", facts[part]["tokens"], dtype) for part in PARTS)
            return EncodedCorpus(
                folder,
                training,
                validation,
                _typed(int, facts["training"]["characters"]),
                _typed(int, facts["validation"]["characters"]),
                _typed(bool, facts["lines"]),
                _typed(str, facts["fingerprint"]),
                _typed(list, facts["sources"]),
                _typed(list, facts["notes"]),
            )
        except OSError as error:
            raise RunError(f"cannot read the encoded text in {folder}: {error.strerror or error}") from None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise RunError(f"the encoded text in {folder} is damaged ({error}): train anew from the text") from None

    def occurring(self, rows: int) -> NDArray[np.bool_]:
        """Which of the network's rows [R] occur in the training part; row = min(id, R - 1)."""
        seen = np.zeros(rows, dtype=bool)
        for start in range(0, len(self.training), BLOCK):
            seen[np.minimum(self.training[start : start + BLOCK], rows - 1)] = True
        return seen


def encode(corpus: Corpus, tokenizer: Tokenizer, folder: Path) -> EncodedCorpus:
    """Write the ids of `corpus` to `folder`, which exists, and open them.

    Raises StorageError where they cannot be written, TextError where the text changed since it was read first.
    """
    dtype = _little_endian(np.min_scalar_type(tokenizer.size - 1).name)
    newline = tokenizer.encode("\n")[0]
    tokens, characters = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    hashes = {part: hashlib.sha256() for part in PARTS}
    with ExitStack() as stack:
        files = {part: stack.enter_context(replacing(folder / f"{part}.bin")) for part in PARTS}
        (folder / "corpus.json").unlink(missing_ok=True)  # it would speak of other parts
        for part, text in corpus.pieces():
            ids = tokenizer.encode(text)
            if corpus.lines and tokenizer.end is not None:
                ids[ids == newline] = tokenizer.end
            block = ids.astype(dtype)
            files[part].write(block.data)
            hashes[part].update(block.data)
            tokens[part] += len(block)
            characters[part] += len(text)
        if characters != {"training": corpus.training_characters, "validation": corpus.validation_characters}:
            raise TextError("the text changed while it was read: train when it is at rest")
    identity = tokenizer.to_json() + "".join(hashes[part].hexdigest() for part in PARTS)
    facts = {
        "format": 1,
        "dtype": dtype.name,
        "lines": corpus.lines,
        **{part: {"tokens": tokens[part], "characters": characters[part]} for part in PARTS},
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
        "sources": corpus.sources,
        "notes": corpus.notes,
    }
    write_json(folder / "corpus.json", facts)
    return EncodedCorpus.open(folder)


def _little_endian(name: str) -> np.dtype[Any]:
    return np.dtype(name).newbyteorder("<")


def _map(path: Path, tokens: int, dtype: np.dtype[Any]) -> Ids:
    size = path.stat().st_size
    if _typed(int, tokens) * dtype.itemsize != size:
        raise ValueError(f"{path.name} has {size} bytes, not {tokens * dtype.itemsize}")
    return np.memmap(path, dtype=dtype, mode="r") if tokens else np.empty(0, dtype=dtype)


def _typed(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"corpus.json holds {value!r} for a {kind.__name__}")
    return value
