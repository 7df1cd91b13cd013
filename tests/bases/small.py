"""Bases small enough for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from afterword.bases.base import Base
from afterword.model.arrays import Array
from afterword.model.config import Config, weight_shapes
from afterword.model.saved import SavedModel, save_model
from afterword.model.writing import LINES, RUNNING_TEXT, usual
from afterword.text.tokenizer import Tokenizer
from afterword.text.vocabularies.char import CharTokenizer
from afterword.text.vocabularies.classic import ClassicTokenizer

UNSEEN = -30.0  # the bias of a row that training never saw: it has learned that this does not come
SIZES: dict[str, Any] = {"embedding_size": 4, "hidden_size": 6, "num_layers": 2, "residual": True}


def base_of(tokenizer: Tokenizer | str, lines: bool = False, seed: int = 0, name: str = "tiny", **sizes: Any) -> Base:
    """One of `tokenizer`, or of these characters, with random weights and what training makes of rows never seen."""
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


def save(folder: Path, base: Base | None = None, *, half: bool = False) -> Path:
    """The model of `base` in `folder`; by default one of running text in the characters of `tests.runs`' text."""
    base = base or base_of("\n ,.0123456789Tabdefhiklmnorst")
    save_model(folder, base.model, "# Tiny\n", half=half)
    return folder


def classic_base() -> Base:
    """A model of the classic recipe, which cannot be one."""
    tokenizer = ClassicTokenizer.of("\nab")
    config = Config(3, 1, embedding_size=1, hidden_size=6, num_layers=2, input="number", window=5)
    text, writing = np.arange(9, dtype=np.int32) % 3, usual(windows=True, lines=False)
    return Base("classic", SavedModel(config, random_weights(config), tokenizer, [], {}, text, writing=writing))


def random_weights(config: Config, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
