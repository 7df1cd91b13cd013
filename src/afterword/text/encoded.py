"""A corpus as tokens on disk: encoded once, then memory-mapped.

training.bin, validation.bin    raw little-endian rows of the network, row = min(id, R - 1), R of the tokenizer; uint8
                                where they fit, else uint16 or uint32
tokenizer.json                   the tokenizer they were made with
corpus.json                      what they are; written last, so that its presence says that all is there
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, RunError, TextError
from afterword.records import as_record
from afterword.storage import replacing, write_bytes, write_json
from afterword.text.corpus import Corpus
from afterword.text.splitting import Part
from afterword.text.tokenizer import Ids, Tokenizer
from afterword.text.vocabularies.table import from_json, learn

Rows = NDArray[np.unsignedinteger[Any]]

PARTS: tuple[Part, Part] = ("training", "validation")
FILES = (*(f"{part}.bin" for part in PARTS), "tokenizer.json", "corpus.json")
FORMAT = 1
TYPES = ("uint8", "uint16", "uint32")


def learn_tokenizer(corpus: Corpus, vocabulary: str, lowercase: bool) -> Tokenizer:
    """The tokenizer that `vocabulary` names, knowing the characters of the training part. Raises OptionError."""
    training = (text for part, text in corpus.pieces() if part == "training")
    return learn(vocabulary, corpus.characters, training, lowercase)


@dataclass(frozen=True)
class PartSize:
    """The size of one part; see EncodedCorpus."""

    tokens: int
    characters: int
    bytes: int


@dataclass(frozen=True)
class CorpusFile:
    """What `corpus.json` holds; see EncodedCorpus."""

    format: int
    dtype: str
    lines: bool
    documents: int
    training: PartSize
    validation: PartSize
    unseen: list[int]
    fingerprint: str
    sources: list[str]
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EncodedCorpus:
    """The tokens of both parts, as rows of the network. In lines mode each line is followed by the boundary token."""

    folder: Path
    tokenizer: Tokenizer
    training: Rows  # [N], memory-mapped
    validation: Rows  # [M], memory-mapped; M may be 0
    training_characters: int  # of the text as it was read, before lower-casing; a line's end counts as one
    validation_characters: int
    training_bytes: int  # of the same text in UTF-8
    validation_bytes: int
    documents: int  # of the training part: its lines in lines mode, else 1
    unseen: list[int]  # the rows that never occur in the training part, in order
    lines: bool
    fingerprint: str  # SHA-256, in hex, of both parts and the tokenizer
    sources: list[str]  # the names of the texts, without their folders
    labels: dict[str, int]  # how many lines of the training part have each; empty where they have none

    @staticmethod
    def open(folder: Path) -> EncodedCorpus:
        """Open what `encode` left in `folder`. Raises RunError where it is not there, or not whole."""
        try:
            facts = as_record(CorpusFile, json.loads((folder / "corpus.json").read_bytes()))
            if facts.format != FORMAT:
                raise RunError(
                    f"the encoded text in {folder} has the format {facts.format}, and this Afterword reads {FORMAT}: "
                    "train with the version that wrote it"
                )
            if facts.dtype not in TYPES or min(facts.unseen, default=0) < 0:
                raise ValueError("its rows are of an unknown type, or negative")
            dtype = _little_endian(facts.dtype)
            return EncodedCorpus(
                folder,
                from_json((folder / "tokenizer.json").read_text(encoding="utf-8")),
                _map(folder / "training.bin", facts.training.tokens, dtype),
                _map(folder / "validation.bin", facts.validation.tokens, dtype),
                facts.training.characters,
                facts.validation.characters,
                facts.training.bytes,
                facts.validation.bytes,
                facts.documents,
                facts.unseen,
                facts.lines,
                facts.fingerprint,
                [_bare_name(source) for source in facts.sources],
                facts.labels,
            )
        except OSError as error:
            raise RunError(f"cannot read the encoded text in {folder}: {error.strerror or error}") from None
        except (ValueError, RecursionError, ModelError) as error:
            raise RunError(f"the encoded text in {folder} is damaged ({error}): train anew from the text") from None

    def copy(self, folder: Path) -> EncodedCorpus:
        """The same in `folder`, which exists. Raises StorageError, and OSError where it cannot be read.

        They are files of its own, not links, so that damage to the one does not reach the other.
        """
        for name in FILES:
            with open(self.folder / name, "rb") as old, replacing(folder / name, os.stat(old.fileno()).st_size) as new:
                shutil.copyfileobj(old, new, 1 << 20)
        return EncodedCorpus.open(folder)

    def texts(self, part: Part) -> list[str]:
        """The lines of a part, or all of it as one text."""
        rows: Rows = getattr(self, part)
        if not self.lines:
            return [self.tokenizer.decode(rows)]
        end = self.tokenizer.end
        lines: list[str] = []
        line: list[int] = []
        for row in rows.tolist():
            if row == end:
                lines.append(self.tokenizer.decode(line))
                line = []
            else:
                line.append(row)
        return lines

    def beginning(self, tokens: int) -> EncodedCorpus:
        """The same with no more of the training part than its first `tokens`, or all where no line ends in them."""
        part = self.training[:tokens]
        if self.lines and not (part == self.tokenizer.end).any():
            return self
        return dataclasses.replace(self, training=part)

    def measured_fingerprint(self) -> str:
        """The fingerprint of what the files hold now, read from their first byte to their last. Raises OSError."""
        hashes = []
        for part in PARTS:
            with open(self.folder / f"{part}.bin", "rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
        return _fingerprint(self.tokenizer, *hashes)


def encode(corpus: Corpus, tokenizer: Tokenizer, folder: Path) -> EncodedCorpus:
    """Write the tokens of `corpus`, and `tokenizer`, to `folder`, which exists, and open them.

    Raises StorageError where they cannot be written, TextError where the text changed since it was read first, or has
    a character that the tokenizer refuses.
    """
    dtype = _little_endian(np.min_scalar_type(tokenizer.rows - 1).name)
    newline = int(tokenizer.encode("\n")[0]) if corpus.lines else None
    with ExitStack() as stack:
        files = {part: stack.enter_context(replacing(folder / f"{part}.bin")) for part in PARTS}
        (folder / "corpus.json").unlink(missing_ok=True)  # it would speak of other parts
        parts = {part: _Part(files[part], tokenizer, dtype, newline) for part in PARTS}
        for part, text in corpus.pieces():
            parts[part].add(text)
        training, validation = (parts[part].finish() for part in PARTS)
        if (training.characters, validation.characters) != (corpus.training_characters, corpus.validation_characters):
            raise TextError("the text changed while it was read: train when it is at rest")
    facts = CorpusFile(
        FORMAT,
        dtype.name,
        corpus.lines,
        training.lines if corpus.lines else 1,
        training.size(),
        validation.size(),
        np.flatnonzero(~training.seen).tolist(),
        _fingerprint(tokenizer, training.hash.hexdigest(), validation.hash.hexdigest()),
        [_bare_name(source) for source in corpus.sources],
        corpus.labels,
    )
    write_bytes(folder / "tokenizer.json", tokenizer.to_json().encode())
    write_json(folder / "corpus.json", dataclasses.asdict(facts))
    return EncodedCorpus.open(folder)


class _Part:
    """One part on its way to its file."""

    def __init__(self, file: BinaryIO, tokenizer: Tokenizer, dtype: np.dtype[Any], newline: int | None) -> None:
        """`newline` is the token that becomes the boundary, where there are lines."""
        self._file, self._tokenizer, self._dtype, self._newline = file, tokenizer, dtype, newline
        self._encoder = tokenizer.encoder()
        self.tokens = self.characters = self.bytes = self.lines = 0
        self.seen = np.zeros(tokenizer.rows, dtype=bool)
        self.hash = hashlib.sha256()

    def add(self, text: str) -> None:
        self.characters += len(text)
        self.bytes += len(text.encode())
        self.lines += text.count("\n")
        self._write(self._encoder.push(text))

    def finish(self) -> Self:
        self._write(self._encoder.finish())
        return self

    def _write(self, ids: Ids) -> None:
        if self._newline is not None and self._tokenizer.end is not None:
            ids[ids == self._newline] = self._tokenizer.end
        rows = np.minimum(ids, self._tokenizer.rows - 1).astype(self._dtype)
        self.seen[rows] = True
        self._file.write(rows.data)
        self.hash.update(rows.data)
        self.tokens += len(rows)

    def size(self) -> PartSize:
        return PartSize(self.tokens, self.characters, self.bytes)


def _bare_name(source: str) -> str:
    """The name of a text without its folder, which a shared model must not tell."""
    return PurePath(source).name or source


def _little_endian(name: str) -> np.dtype[Any]:
    return np.dtype(name).newbyteorder("<")


def _map(path: Path, tokens: int, dtype: np.dtype[Any]) -> Rows:
    size = path.stat().st_size
    if tokens * dtype.itemsize != size:
        raise ValueError(f"{path.name} has {size} bytes, not {tokens * dtype.itemsize}")
    return np.memmap(path, dtype=dtype, mode="r") if tokens else np.empty(0, dtype=dtype)


def _fingerprint(tokenizer: Tokenizer, training: str, validation: str) -> str:
    """SHA-256, in hex, of the tokenizer and of both parts' own."""
    return hashlib.sha256((tokenizer.to_json() + training + validation).encode()).hexdigest()
