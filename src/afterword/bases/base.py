"""A model that a run starts from: its weights, matched row by row to the tokens of another text."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from afterword.bases.installed import Installed, by_name, name_hint
from afterword.commands import elsewhere, resolve
from afterword.errors import ModelError, OptionError
from afterword.model.arrays import Array, Ids
from afterword.model.folder.saved import SavedModel, load_model, model_folder
from afterword.text.tokenizer import Tokenizer

EMBEDDING, OUTPUT, BIAS = "embedding.weight", "output.weight", "output.bias"
SPREAD = 0.1  # of a new token's embedding, as in a run without a base


@dataclass(frozen=True)
class Base:
    """A saved model from which a run begins."""

    name: str
    """The name of an installed base or of a model on the hub, or that of the folder without the folders around it."""
    model: SavedModel

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of its weights and its tokenizer, in hex."""
        digest = hashlib.sha256(self.model.tokenizer.to_json().encode())
        for name in sorted(self.model.weights):
            digest.update(np.ascontiguousarray(self.model.weights[name]).data)
        return digest.hexdigest()

    def weights_for(self, tokenizer: Tokenizer, lines: bool, seed: int) -> dict[str, Array]:
        """Return the weights to begin with on a text of `tokenizer`, by name: the base's, rows matched by token.

        `lines` is whether that text is learned as lines. A token that the base does not know has a random embedding,
        and at first the probability that the base gives to unknown characters. Raises OptionError for a tokenizer of
        another kind.
        """
        if conflict := vocabulary_conflict(self, tokenizer.kind):
            raise OptionError(f"base {conflict}")
        weights = self.model.weights
        read, predicted = self._rows(tokenizer, lines)
        drawn = np.random.default_rng([seed, 2]).normal(0, SPREAD, (len(read), self.model.config.embedding_size))
        return weights | {
            EMBEDDING: np.where((read < 0)[:, None], drawn, weights[EMBEDDING][read]).astype(np.float32),
            OUTPUT: weights[OUTPUT][predicted],  # unknown tokens share the last row
            BIAS: weights[BIAS][predicted],
        }

    def _rows(self, tokenizer: Tokenizer, lines: bool) -> tuple[Ids, Ids]:
        """Return the base's row to read and the one to predict for each row of a network of `tokenizer`; -1 for no row.

        The end of a line is the boundary token in lines and a newline in running text, and neither kind of text
        predicts the other's. So the base's end of a line becomes the end of a line of the new text.
        """
        own = self.model.tokenizer
        row_of = {token: row for row, token in enumerate(own.tokens()[: own.rows - 1])}
        read = np.array([row_of.get(token, -1) for token in tokenizer.tokens()[: tokenizer.rows - 1]] + [own.rows - 1])
        predicted = read.copy()
        of_lines = bool(self.model.about.get("lines"))
        for row, own_row in zip(_line_ends(tokenizer, lines), _line_ends(own, of_lines), strict=True):
            if row < tokenizer.rows:
                predicted[row] = min(own_row, own.rows - 1)
        newline, _ = _line_ends(tokenizer, lines=False)
        if of_lines and newline < tokenizer.rows:
            read[newline], _ = _line_ends(own, lines=True)  # even if it has read no newline, it has begun lines
        return read, predicted


def _line_ends(tokenizer: Tokenizer, lines: bool) -> tuple[int, int]:
    """Return the token that ends a line, in lines or else in running text, and the other of the two."""
    newline = int(tokenizer.encode("\n")[0])
    return (tokenizer.boundary, newline) if lines else (newline, tokenizer.boundary)


def load_base(base: str | os.PathLike[str]) -> Base:
    """Return the model that `--base` names: an installed base, a folder of a model or run, or hf://… on the hub.

    Raises OptionError; HubError if it cannot be downloaded.
    """
    name = os.fspath(base)
    try:
        place = resolve(way)(name) if (way := elsewhere(name)) else by_name(name)
        model = load_model(place or model_folder(Path(base)))
    except ModelError as error:
        raise OptionError(f"base: {error.message}{name_hint(base, as_base=True)}") from None
    _check(name, model)
    return Base(name if place else Path(os.path.realpath(base)).name, model)


def load_installed(found: Installed) -> tuple[list[Base], list[str]]:
    """Return the bases of `found`, and a message for each that cannot be used."""
    bases, problems = list[Base](), list(found.refused.values())
    for name, folder in found.folders.items():
        try:
            model = load_model(folder)
            _check(name, model)
        except (ModelError, OptionError) as error:
            why = f"{error}{name_hint(name, as_base=True)}"
            problems.append(f"the base {name} cannot be used, so no run starts from it: {why}")
        else:
            bases.append(Base(name, model))
    return bases, problems


def _check(name: str, model: SavedModel) -> None:
    """Raise OptionError if no run can begin from `model`: in a model of n-grams alone, the network has learned nothing,
    and a classic model carries no state."""
    if model.about.get("recipe") == "ngram":
        raise OptionError(f"base {name} is an n-gram alone, and no run begins from one: give another, or `base` none")
    if model.config.window or model.config.input != "embedding" or model.tokenizer.end is None:
        raise OptionError(f"base {name} is a classic model, and no run begins from one: give another, or `base` none")


def vocabulary_conflict(base: Base, vocabulary: str | None) -> str | None:
    """Return why a run with this `vocabulary` cannot begin from `base`, then a colon and what to do; None if it can."""
    own = base.model.tokenizer.kind
    if vocabulary in (None, own):
        return None
    return f"{base.name} has its own vocabulary ({own}), not {vocabulary}: leave `vocabulary` out, or give `base` none"
