"""A model that a run begins from: its weights, matched row by row to the characters of another text."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from afterword.bases.shipped import FOLDERS
from afterword.errors import ModelError, OptionError
from afterword.model.arrays import Array, Ids
from afterword.model.config import Config
from afterword.model.saved import SavedModel, load_model, model_folder
from afterword.text.tokenizer import END, Tokenizer

KINDS = ("char", "byte")  # of vocabularies, whose rows mean the same in every text
EMBEDDING, OUTPUT, BIAS = "embedding.weight", "output.weight", "output.bias"
SPREAD = 0.1  # of a new character's embedding, as where a run begins from nothing


@dataclass(frozen=True)
class Base:
    """A saved model, to begin from."""

    name: str
    """That of a shipped one, or of the folder that it was loaded from, without the folders around it."""
    model: SavedModel

    @property
    def config(self) -> Config:
        return self.model.config

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of its weights and its tokenizer."""
        digest = hashlib.sha256(self.model.tokenizer.to_json().encode())
        for name in sorted(self.model.weights):
            digest.update(np.ascontiguousarray(self.model.weights[name]).data)
        return digest.hexdigest()

    def weights_for(self, tokenizer: Tokenizer, lines: bool, seed: int) -> dict[str, Array]:
        """The weights to begin with on a text of `tokenizer`, by name: the base's, its rows by their characters.

        `lines` says whether that text is learned as lines. A character that the base does not know has a random
        embedding, and is as unlikely at first as the base takes all unknown ones to be. Raises OptionError for a
        tokenizer of another kind.
        """
        check_vocabulary(self, tokenizer.kind)
        weights = self.model.weights
        read, predicted = self._rows(tokenizer, lines)
        drawn = np.random.default_rng([seed, 2]).normal(0, SPREAD, (len(read), self.config.embedding_size))
        embedding = np.where((read < 0)[:, None], drawn, weights[EMBEDDING][read])
        return weights | {
            EMBEDDING: embedding.astype(np.float32),
            OUTPUT: weights[OUTPUT][predicted],  # an unknown one has the last row, which all unknown ones share
            BIAS: weights[BIAS][predicted],
        }

    def _rows(self, tokenizer: Tokenizer, lines: bool) -> tuple[Ids, Ids]:
        """For each row of a network of `tokenizer` the base's row that is read, and that is predicted; -1: none.

        A line's end is the boundary token in lines and a newline in running text, which never predicts the other one:
        what the base has learned of the one goes to the one of the new text.
        """
        own = self.model.tokenizer
        read = np.arange(tokenizer.rows)
        if tokenizer.kind == "char":
            row_of = {character: row for row, character in enumerate([*own.characters, END])}
            read = np.array([row_of.get(token, -1) for token in [*tokenizer.characters, END]] + [own.rows - 1])
        predicted = read.copy()
        of_lines = bool(self.model.about.get("lines"))
        for row, own_row in zip(_line_ends(tokenizer, lines), _line_ends(own, of_lines), strict=True):
            if row < tokenizer.rows:
                predicted[row] = min(own_row, own.rows - 1)
        newline, _ = _line_ends(tokenizer, lines=False)
        if of_lines and newline < tokenizer.rows:
            read[newline], _ = _line_ends(own, lines=True)  # also where it has read no newline, it has begun lines
        return read, predicted


def _line_ends(tokenizer: Tokenizer, lines: bool) -> tuple[int, int]:
    """The token that ends a line, in lines or else in running text; and the one that does in the other of the two."""
    assert tokenizer.end is not None
    newline = int(tokenizer.encode("\n")[0])
    return (tokenizer.end, newline) if lines else (newline, tokenizer.end)


def load_base(base: str | os.PathLike[str]) -> Base:
    """The model that `--base` names: one that ships, a model's folder, or a run's. Raises OptionError.

    A model of windows has no state to carry on, and subwords mean something else in every text: neither can be a base.
    """
    if not os.fspath(base):  # it would pass for the working folder
        raise OptionError("base is empty: name a model, or give --base none")
    place = FOLDERS.get(os.fspath(base))
    try:
        loaded = load_model(place or model_folder(Path(base)))
    except ModelError as error:
        raise OptionError(f"base: {error}") from None
    found = Base(os.fspath(base) if place else Path(os.path.realpath(base)).name, loaded)
    if loaded.config.window or loaded.config.input != "embedding":
        raise OptionError(f"base {base} is a classic model, which no run can begin from: give another, or --base none")
    if loaded.tokenizer.kind not in KINDS:
        raise OptionError(
            f"base {base} has the vocabulary {loaded.tokenizer.kind}, whose tokens are of its own text: "
            f"a run can begin from a model of {' or '.join(KINDS)}"
        )
    return found


def check_vocabulary(base: Base, vocabulary: str) -> None:
    """Raise OptionError where a text read as `vocabulary` cannot begin from `base`."""
    own = base.model.tokenizer.kind
    if vocabulary.partition(":")[0] != own:
        raise OptionError(
            f"base {base.name} has the vocabulary {own}, and this run {vocabulary}: "
            f"give --vocabulary {own}, or --base none"
        )
