"""A model of another program, from its weights and its vocabulary.

A vocabulary of characters alone gets the two rows that every model has: the boundary token, which comes first in a
text, and the row that unknown characters share. Training has seen neither, so they are never written.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afterword.errors import ModelError
from afterword.interchange.keras_reading import read_keras
from afterword.interchange.torch_folder import read_torch
from afterword.model.arrays import Array, Weights
from afterword.model.folder.defaults import usual
from afterword.model.folder.saved import SavedModel, content
from afterword.model.network.config import Config
from afterword.records import as_record, read_json
from afterword.storage import LARGEST_JSON, LARGEST_WEIGHTS, check_plausible
from afterword.text.characters import CharTokenizer
from afterword.text.tokenizer import Tokenizer
from afterword.text.vocabularies import from_json

HDF5, ZIP, PICKLE = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80"
VOCABULARIES = ("tokenizer.json", "vocabulary.json")
SPECIAL = re.compile(r"|<.*>|\[.*\]", re.DOTALL)  # such as [UNK]: rows without a character
CLOSED, NEVER = np.float32(-40), np.float32(-30)  # sums of an input gate that lets nothing in, and of a softmax


@dataclass(frozen=True)
class ExportedFacts:
    """The part of `facts` that is imported again; `write_torch` writes the tokenizer to a file of its own."""

    unseen: list[int]
    about: dict[str, Any]
    tokenizer: dict[str, Any] | None = None


@dataclass(frozen=True)
class KerasMetadata:
    """The metadata.json of a `.keras` file, with the facts if `write_keras` wrote it."""

    afterword: ExportedFacts | None = None


def import_model(path: Path, vocabulary: Path | None = None) -> SavedModel:
    """Return the model in a `.keras` or `.h5` file of Keras, or in a safetensors file with the names of `write_torch`.

    `vocabulary` is JSON: a list of the characters by row, an object with the row of each character, or a
    `tokenizer.json`; by default that of the model that was exported to `path`, else `tokenizer.json` or
    `vocabulary.json` in the same folder. Raises ModelError, and OptionError without the package h5py.
    """
    config, weights = _read(path)
    facts = _facts_in(path) if vocabulary is None else None
    place = vocabulary or next((at for name in VOCABULARIES if (at := path.parent / name).is_file()), None)
    known: Tokenizer | list[str]
    if facts and facts.tokenizer:
        known = _tokenizer(path, json.dumps(facts.tokenizer), config.vocabulary_size)
    elif place is None:
        raise ModelError(f"{path} has no vocabulary: name a JSON list of its characters with `vocabulary`")
    else:
        known = _vocabulary(place, config.vocabulary_size)
        facts = _facts_in(place.with_name("config.json")) if isinstance(known, Tokenizer) else None
    if isinstance(known, Tokenizer):
        tokenizer, unseen = known, facts.unseen if facts else [config.vocabulary_size - 1]
        config = as_record(Config, {**vars(config), "byte_tokens": tokenizer.shared_row_tokens})
    else:
        rows = {character: row for row, character in enumerate(known) if character}
        tokenizer = CharTokenizer.of(rows)
        config, weights = _with_boundary(config, weights, [rows[character] for character in tokenizer.characters])
        unseen = [config.vocabulary_size - 2, config.vocabulary_size - 1]
    learned = facts.about if facts else {}
    about: dict[str, Any] = {"recipe": "imported", "source": path.name, "lines": learned.get("lines") is True}
    about |= {name: learned.get(name) for name in ("labels", "unwrapped")}
    about |= dict.fromkeys(("base", "corpus", "training", "validation"))
    return SavedModel(config, weights, tokenizer, unseen, about, writing=usual(windows=False, lines=about["lines"]))


def _read(path: Path) -> tuple[Config, dict[str, Array]]:
    """Return the network in `path`, of whatever kind. Raises ModelError."""
    if not os.path.isfile(path):
        raise ModelError(f"no file at {path}" if not os.path.exists(path) else f"{path} is not a file: name one in it")
    try:
        check_plausible(os.stat(path), LARGEST_WEIGHTS)
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    is_keras = head == HDF5
    if head.startswith(ZIP):
        try:
            with zipfile.ZipFile(path) as archive:
                is_keras = "config.json" in archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise ModelError(f"{path} is a damaged archive: take a fresh copy") from None
    if head.startswith((ZIP, PICKLE)) and not is_keras:
        raise ModelError(
            f"{path} is a pickle, which is never read because it can execute code. If you trust it, convert it in "
            "PyTorch: safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'model.safetensors')"
        )
    return read_keras(path) if is_keras else read_torch(path)


def _facts_in(path: Path) -> ExportedFacts | None:
    """Return the facts in an exported `.keras` file or `config.json`; None in any other file. Raises ModelError."""
    try:
        if path.suffix == ".json":
            return read_json(ExportedFacts, content(path)) if path.is_file() else None
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            return read_json(KerasMetadata, file.read(LARGEST_JSON)).afterword
    except (ValueError, KeyError, RuntimeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"the vocabulary in {path} is damaged: {str(error)[:80]}; export the model again") from None


def _vocabulary(path: Path, rows: int) -> Tokenizer | list[str]:
    """Return the tokenizer in `path`, or the character of each row, "" for none. Raises ModelError if it is unfit."""
    listed = content(path)
    try:
        found: Any = read_json(Any, listed)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {str(error)[:80]}") from None
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        return _tokenizer(path, listed, rows)
    if isinstance(found, dict) and sorted(map(str, found.values())) == sorted(map(str, range(len(found)))):
        found = sorted(found, key=found.__getitem__)
    if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
        raise ModelError(f"{path} must be a list of characters, an object with the row of each, or a tokenizer.json")
    if len(found) != rows:
        raise ModelError(
            f"{path} has {len(found):,} characters, and the model {rows:,} rows: they do not belong together"
        )
    characters = ["" if SPECIAL.fullmatch(token) else token for token in found]
    once = set(filter(None, characters))
    if any(len(token) > 1 for token in once) or not 0 < len(once) == sum(map(bool, characters)):
        raise ModelError(f"{path} must contain single characters, each only once")
    return characters


def _tokenizer(path: Path, content: str | bytes, rows: int) -> Tokenizer:
    """Return the tokenizer that `path` contains. Raises ModelError if it does not fit."""
    tokenizer = from_json(content)
    if tokenizer.rows != rows or tokenizer.end is None:
        raise ModelError(f"{path} has {tokenizer.rows:,} rows, and the model {rows:,}: they do not belong together")
    return tokenizer


def _with_boundary(config: Config, weights: Weights, rows: list[int]) -> tuple[Config, dict[str, Array]]:
    """Return the network with these `rows` [N], in this order, and two more: the boundary token and unknown characters.

    An extra column of the embedding is 1 for the boundary, and closes the first layer's input gate: after it, the state
    is still empty. Both new rows have a probability of nearly zero. Unknown characters are read as nothing.
    """
    embedding, output, bias = (weights[name] for name in ("embedding.weight", "output.weight", "output.bias"))
    kernel, H = weights["lstm.weight_ih_l0"], config.hidden_size
    gates = np.zeros((4 * H, 1), np.float32)
    gates[:H] = CLOSED
    wider = np.pad(embedding[rows], ((0, 2), (0, 1)))
    wider[len(rows), -1] = 1
    changed = {
        "embedding.weight": wider,
        "lstm.weight_ih_l0": np.concatenate([kernel, gates], axis=1),
        "output.weight": np.pad(output[rows], ((0, 2), (0, 0))),
        "output.bias": np.pad(bias[rows], (0, 2), constant_values=min(NEVER, bias.min() + NEVER)),
    }
    sizes = {"vocabulary_size": len(rows) + 2, "byte_tokens": 256, "embedding_size": config.embedding_size + 1}
    return as_record(Config, {**vars(config), **sizes}), {**weights, **changed}
