"""Bases small enough for tests."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.bases.base import Base
from afterword.bases.installed import GROUP
from afterword.model.arrays import Array
from afterword.model.folder.defaults import LINES, RUNNING_TEXT, WINDOWS
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer

UNSEEN = -30.0  # the bias of a row that training never saw: training has learned that it does not occur
SIZES: dict[str, Any] = {"embedding_size": 4, "hidden_size": 6, "num_layers": 2, "residual": True}


def base_of(tokenizer: Tokenizer | str, lines: bool = False, seed: int = 0, name: str = "tiny", **sizes: Any) -> Base:
    """Return a base with random weights, whose unseen rows are as training leaves them; a text gives its characters."""
    if isinstance(tokenizer, str):
        tokenizer = CharTokenizer.of(tokenizer)
    assert tokenizer.end is not None
    newline = int(tokenizer.encode("\n")[0])
    never = {newline if lines else tokenizer.end}
    unseen = sorted(row for row in never | {tokenizer.rows - 1} - {tokenizer.end} if row < tokenizer.rows)
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, **SIZES | sizes)
    weights = random_weights(config, seed)
    weights["output.bias"][unseen] = UNSEEN
    size = {"characters": 1000}
    about = {
        "recipe": "auto",
        "lines": lines,
        "corpus": {"sources": ["books.txt"], "training": size, "validation": size},
        "training": {"steps": 5, "seed": seed},
        "validation": None,
    }
    model = SavedModel(config, weights, tokenizer, unseen, about, writing=LINES if lines else RUNNING_TEXT)
    return Base(name, model)


def save(folder: Path, base: Base | None = None) -> Path:
    """Save the model of `base`; by default one of running text with the characters of `tests.runs`' text."""
    base = base or base_of("\n ,.0123456789Tabdefhiklmnorst")
    save_model(folder, base.model, "# Tiny\n")
    return folder


def register(site: Path, package: str, **bases: str) -> Path:
    """Install the metadata of `package` in `site`, as pip does, with an entry point for each of `bases`."""
    info = site / f"{package.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    lines = [f"{name} = {value}" for name, value in bases.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    return info


SYMBOLS = SymbolTokenizer.of("\n ,.0123456789TX&abdefhiklmnorst", texts=["The line of this book, and no more.\n"])


def knowing(text: str, name: str = "knowing", tokenizer: Tokenizer | None = None) -> Base:
    """Return a base that expects every token as often as it is in `text`, whatever was before."""
    base = base_of(tokenizer or text, name=name)
    weights = {part: np.zeros_like(weight) for part, weight in base.model.weights.items()}
    ids = np.minimum(base.model.tokenizer.encode(text), base.model.config.vocabulary_size - 1)
    rows = np.bincount(ids, minlength=base.model.config.vocabulary_size)
    weights["output.bias"] = np.log(np.maximum(rows, 1e-3)).astype(np.float32)
    return Base(name, dataclasses.replace(base.model, weights=weights))


def only_packages(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Let only the packages in `folder / "site"` be installed, and those of other folders below `folder`."""
    find = importlib.metadata.distributions
    monkeypatch.syspath_prepend(folder / "site")
    below = str(folder)
    monkeypatch.setattr(
        importlib.metadata, "distributions", lambda: find(path=[one for one in sys.path if one.startswith(below)])
    )
    return folder / "site"


def classic_base() -> Base:
    """Return a model of the classic recipe, which cannot be a base."""
    tokenizer = ClassicTokenizer.of("\nab", lowercase=True)
    config = Config(3, 1, embedding_size=1, hidden_size=6, num_layers=2, input="number", window=5)
    text, writing = np.arange(9, dtype=np.int32) % 3, WINDOWS
    return Base("classic", SavedModel(config, random_weights(config), tokenizer, [], {}, text, writing=writing))


def random_weights(config: Config, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
