"""A tiny model with random weights, in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from afterword.model.config import Config, weight_shapes
from afterword.model.ngram import Ngram
from afterword.model.saved import SavedModel, save_model
from afterword.model.writing import LINES, RUNNING_TEXT
from afterword.text.vocabularies.char import CharTokenizer


def save_tiny(folder: Path, lines: bool = False, mixed: bool = False) -> Path:
    """It knows a, b, c, d and é, and "\\n" unless it knows lines; `mixed` with an n-gram."""
    tokenizer = CharTokenizer.of("abcdé" if lines else "\nabcdé")
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=4, hidden_size=6, num_layers=2)
    random = np.random.default_rng(0)
    shapes = weight_shapes(config)
    weights = {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    last = tokenizer.rows - 1
    about: dict[str, Any] = {
        "recipe": "auto",
        "lines": lines,
        "corpus": {"sources": ["tiny.txt"]},
        "validation": {"bits_per_character": 2.5},
    }
    saved = SavedModel(config, weights, tokenizer, [last] if lines else [last - 1, last], about)
    saved.writing = LINES if lines else RUNNING_TEXT
    if mixed:
        newline = int(tokenizer.encode("\n")[0])
        saved.ngram = Ngram.learn(random.integers(0, last - 1, 200), tokenizer.rows, last - 1, newline)
        saved.mixture_weight = 0.4
    save_model(folder, saved, "# Tiny\n")
    return folder
