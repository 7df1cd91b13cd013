"""A tiny model with random weights, and the real command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import afterword
from afterword.model.config import Config, weight_shapes
from afterword.model.ngram import Ngram
from afterword.model.saved import SavedModel, save_model
from afterword.model.writing import LINES, RUNNING_TEXT
from afterword.text.vocabularies.char import CharTokenizer
from tests.processes import finished

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """`python -m afterword ARGUMENTS` in a process, its output as bytes."""
    source = str(Path(afterword.__file__).parents[1])

    def run(
        *arguments: str | bytes | Path, input: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "afterword", *arguments]
        return finished(command, input, env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", **environment})

    return run


def _save(folder: Path, lines: bool, mixed: bool = False) -> Path:
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


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of running text; it knows "\\n", a, b, c, d and é."""
    return _save(tmp_path_factory.mktemp("models") / "tiny", lines=False)


@pytest.fixture(scope="session")
def mixed_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of running text, mixed with an n-gram."""
    return _save(tmp_path_factory.mktemp("models") / "mixed", lines=False, mixed=True)


@pytest.fixture(scope="session")
def lines_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of lines; it knows a, b, c, d and é."""
    return _save(tmp_path_factory.mktemp("models") / "lines", lines=True)
