"""Tiny models with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from afterword.model.folder.defaults import LINES, RUNNING_TEXT
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.model.ngram.tables import Ngram, start_row
from afterword.text.characters import CharTokenizer


def save_tiny(folder: Path, lines: bool = False, mixed: bool = False, hidden_size: int = 6) -> Path:
    """Save a model that knows a, b, c, d and é, and "\\n" unless it knows `lines`; `mixed` adds an n-gram."""
    tokenizer = CharTokenizer.of("abcdé" if lines else "\nabcdé")
    config = Config(
        tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=4, hidden_size=hidden_size, num_layers=2
    )
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
        text = random.integers(0, last - 1 + lines, 200)  # the row before the last one ends a line
        saved.ngram = Ngram.learn(text, tokenizer.rows, last - 1, start_row(tokenizer, lines))
        saved.mixture_weight = 0.4
    save_model(folder, saved, "# Tiny\n")
    return folder
