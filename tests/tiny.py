"""Tiny models with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.language_model import LanguageModel
from afterword.model.folder.defaults import LINES, RUNNING_TEXT
from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.model.ngram.tables import Ngram, start_row
from afterword.storage import MARK
from afterword.text.characters import CharTokenizer
from tests.cases import cases


def random_weights(config: Config, scale: float = 0.5, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return normally distributed weights for `config`."""
    random = np.random.default_rng(seed)
    return {name: random.normal(0, scale, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}


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


def killed_beside(target: Path) -> tuple[Path, Path]:
    """Leave the mark of a process killed while it replaced `target`. Return the paths of its new and its old folder."""
    mark = target.with_name(f".{target.name}.0123abcd.afterword")
    mark.write_bytes(MARK)
    return mark.with_suffix(".new"), mark.with_suffix(".old")


def save_tiny_whole(folder: Path, seed: int) -> Path:
    """Save a tiny model of lines with all that wings add. No file is like that of a model with another `seed`."""
    random = np.random.default_rng(seed)
    saved = load_model(save_tiny(folder, lines=True, mixed=True))
    saved.tokenizer = CharTokenizer.of("abcdé" if seed == 0 else "abcdè")
    saved.weights["output.bias"] += random.normal(0, 1, len(saved.weights["output.bias"])).astype(np.float32)
    last = saved.tokenizer.rows - 1
    saved.ngram = Ngram.learn(random.integers(0, last, 200), last + 1, last - 1, start_row(saved.tokenizer, True))
    model = LanguageModel(saved, "# Tiny\n")
    for attach in cases("ATTACH"):
        model = attach(model, seed)
    model.save(folder)
    return folder
