"""A corpus as tokens on disk: encoded once, then memory-mapped.

training.bin, validation.bin    raw little-endian rows of the network, row = min(id, R - 1), R of the tokenizer; uint8
                                if they fit, else uint16 or uint32
tokenizer.json                   the tokenizer they were made with
corpus.json                      their description; written last, so that the folder is complete if it exists
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any, BinaryIO

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from afterword.errors import ModelError, RunError, TextError
from afterword.records import read_json
from afterword.settings import settings_from
from afterword.storage import read_whole, replacing, write_bytes, write_json
from afterword.text.corpus import Corpus, Split
from afterword.text.documents import reason
from afterword.text.tokenizer import Encoder, Ids, Tokenizer
from afterword.text.vocabularies import RemovedVocabularyError, from_json, vocabulary_asked_for

Rows = NDArray[np.unsignedinteger[Any]]

SPLITS: tuple[Split, Split] = ("training", "validation")
FILES = (*(f"{part}.bin" for part in SPLITS), "tokenizer.json", "corpus.json")
FORMAT = 1


def learn_tokenizer(corpus: Corpus, vocabulary: str | None, lowercase: bool) -> Tokenizer:
    """Return the tokenizer that `vocabulary` names, by default char, learned from the training part.

    Raises OptionError.
    """
    training = (text for part, text in corpus.pieces() if part == "training")
    return vocabulary_asked_for(vocabulary or "char").learn(corpus.characters, training, lowercase)


@dataclass(frozen=True)
class PartSize:
    """The size of one part; see EncodedCorpus."""

    tokens: int
    characters: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class CorpusFacts:
    """The facts that `corpus.json` and an open corpus share."""

    documents: int  # of the training part: its lines in lines mode, else 1
    unseen: list[Annotated[int, Meta(ge=0)]]  # the rows that cannot occur in the training part, in order
    lines: bool
    fingerprint: str  # SHA-256, in hex, of both parts and the tokenizer
    sources: list[str]  # the names of the texts, without their folders
    labels: dict[str, int]  # the number of lines per label in the training part; empty without labels
    kind: str = "text"  # the noun for what was read
    unit: str = "character"  # the noun for what is predicted, one after another
    unwrapped: int | None = None  # the lines of wrapped prose that were joined to the line before; None: read unchanged


@dataclass(frozen=True, kw_only=True)
class CorpusFile(CorpusFacts):
    """The content of `corpus.json`."""

    format: int
    dtype: Annotated[str, Meta(pattern="^uint(8|16|32)$")]
    training: PartSize
    validation: PartSize


@dataclass(frozen=True, kw_only=True)
class EncodedCorpus(CorpusFacts):
    """The tokens of both parts, as rows of the network. In lines mode each line is followed by the boundary token."""

    folder: Path
    tokenizer: Tokenizer
    training: Rows  # [N], memory-mapped
    validation: Rows  # [M], memory-mapped; M may be 0
    training_characters: int  # before lower-casing; the end of a line counts as one
    validation_characters: int

    @property
    def origin(self) -> dict[str, Any]:
        """The facts about this text that a model stores in its `about`."""
        return {
            "lines": self.lines,
            "labels": self.labels or None,
            **({"unwrapped": self.unwrapped} if self.unwrapped is not None else {}),
            "corpus": {
                "sources": self.sources,
                "fingerprint": self.fingerprint,
                "training": {"characters": self.training_characters, "tokens": len(self.training)},
                "validation": {"characters": self.validation_characters, "tokens": len(self.validation)},
            },
        }

    @staticmethod
    def open(folder: Path) -> EncodedCorpus:
        """Open what `encode` wrote to `folder`. Raises RunError if it is missing or damaged."""
        try:
            facts = read_json(CorpusFile, read_whole(folder / "corpus.json"))
            if facts.format != FORMAT:
                raise RunError(
                    f"the encoded text in {folder} has the format {facts.format}, and this Afterword reads {FORMAT}: "
                    "use the version that wrote it"
                )
            dtype = _little_endian(facts.dtype)
            parts = {
                "folder": folder,
                "tokenizer": from_json(read_whole(folder / "tokenizer.json").decode()),
                "training": _map(folder / "training.bin", facts.training.tokens, dtype),
                "validation": _map(folder / "validation.bin", facts.validation.tokens, dtype),
                "training_characters": facts.training.characters,
                "validation_characters": facts.validation.characters,
            }
            return settings_from(EncodedCorpus, vars(facts) | parts)
        except (OSError, RemovedVocabularyError) as error:
            raise RunError(f"cannot read the encoded text in {folder}: {reason(error)}") from None
        except (ValueError, ModelError) as error:
            raise RunError(f"the encoded text in {folder} is damaged ({error}): train again from the text") from None

    def copy(self, folder: Path) -> EncodedCorpus:
        """Copy it to `folder`, which exists, and open the copy. Raises StorageError, or OSError if it cannot be read.

        The files are not links, so that damage to one copy does not reach the other.
        """
        for name in FILES:
            with open(self.folder / name, "rb") as old, replacing(folder / name, os.stat(old.fileno()).st_size) as new:
                shutil.copyfileobj(old, new, 1 << 20)
        return EncodedCorpus.open(folder)

    def texts(self, part: Split) -> list[str]:
        """Return the lines of a part, or all of it as one text."""
        rows: Rows = getattr(self, part)
        pieces = np.split(rows, np.flatnonzero(rows == self.tokenizer.end) + 1)[:-1] if self.lines else [rows]
        return [self.tokenizer.decode(piece) for piece in pieces]  # the boundary token decodes to nothing

    def beginning(self, tokens: int) -> EncodedCorpus:
        """Return it with only the first `tokens` of the training part, or all of it if no line ends within them."""
        part = self.training[:tokens]
        if self.lines and not (part == self.tokenizer.end).any():
            return self
        return dataclasses.replace(self, training=part)

    def measured_fingerprint(self) -> str:
        """Compute the fingerprint of the files as they are now. Raises OSError."""
        hashes = []
        for part in SPLITS:
            with open(self.folder / f"{part}.bin", "rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
        return _fingerprint(self.tokenizer, *hashes)


def encode(corpus: Corpus, tokenizer: Tokenizer, folder: Path) -> EncodedCorpus:
    """Write the tokens of `corpus`, and `tokenizer`, to `folder`, which exists, and open them.

    Raises StorageError if they cannot be written, TextError if the text changed since it was first read or has a
    character that the tokenizer refuses.
    """
    dtype = _little_endian(np.min_scalar_type(tokenizer.rows - 1).name)
    newline = int(tokenizer.encode("\n")[0]) if corpus.lines else None
    with ExitStack() as stack:
        files = {part: stack.enter_context(replacing(folder / f"{part}.bin")) for part in SPLITS}
        (folder / "corpus.json").unlink(missing_ok=True)  # it describes the parts that are being replaced
        parts = {part: _PartWriter(files[part], tokenizer, dtype, newline) for part in SPLITS}
        for part, text in corpus.pieces():
            parts[part].add(text)
        sizes = {part: parts[part].finish() for part in SPLITS}
        if [size.characters for size in sizes.values()] != [corpus.training_characters, corpus.validation_characters]:
            raise TextError("the text changed while it was read: train when nothing writes to it")
    training = parts["training"]
    found = {
        "format": FORMAT,
        "dtype": dtype.name,
        "documents": training.lines if corpus.lines else 1,
        "unseen": np.flatnonzero(~training.seen).tolist(),
        "fingerprint": _fingerprint(tokenizer, *(part.hash.hexdigest() for part in parts.values())),
        "sources": [PurePath(one).name or one for one in corpus.sources],  # a model must not reveal the folders
    }
    facts = settings_from(CorpusFile, vars(corpus) | sizes | found)
    write_bytes(folder / "tokenizer.json", tokenizer.to_json().encode())
    write_json(folder / "corpus.json", dataclasses.asdict(facts))
    return EncodedCorpus.open(folder)


class _PartWriter:
    """A part that is being written to its file."""

    def __init__(self, file: BinaryIO, tokenizer: Tokenizer, dtype: np.dtype[Any], newline: int | None) -> None:
        """`newline` is the token that becomes the boundary in lines mode."""
        self._file, self._tokenizer, self._dtype, self._newline = file, tokenizer, dtype, newline
        self._encoder = Encoder(tokenizer)
        self.tokens = self.characters = self.bytes = self.lines = 0
        self.seen = np.zeros(tokenizer.rows, dtype=bool)
        self.hash = hashlib.sha256()

    def add(self, text: str) -> None:
        self.characters += len(text)
        self.bytes += len(text.encode())
        self.lines += text.count("\n")
        self._write(self._encoder.push(text))

    def finish(self) -> PartSize:
        """Write the rest, and return the size of all."""
        self._write(self._encoder.finish())
        return PartSize(self.tokens, self.characters, self.bytes)

    def _write(self, ids: Ids) -> None:
        if self._newline is not None and self._tokenizer.end is not None:
            ids[ids == self._newline] = self._tokenizer.end
        rows = self._tokenizer.to_rows(ids).astype(self._dtype)
        self.seen[rows] = True
        self._file.write(rows.data)
        self.hash.update(rows.data)
        self.tokens += len(rows)


def _little_endian(name: str) -> np.dtype[Any]:
    return np.dtype(name).newbyteorder("<")


def _map(path: Path, tokens: int, dtype: np.dtype[Any]) -> Rows:
    size = path.stat().st_size if path.is_file() else -1
    if tokens * dtype.itemsize != size:
        raise ValueError(f"{path.name} has {size} bytes, not {tokens * dtype.itemsize}")
    return np.memmap(path, dtype=dtype, mode="r") if tokens else np.empty(0, dtype=dtype)


def _fingerprint(tokenizer: Tokenizer, training: str, validation: str) -> str:
    """Return the SHA-256, in hex, of the tokenizer and of the hashes of both parts."""
    return hashlib.sha256((tokenizer.to_json() + training + validation).encode()).hexdigest()
