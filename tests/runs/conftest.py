"""Small texts and small runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings
from tests.bases.small import save


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"The {k}th line of this book, and no more.\n" for k in range(120)))
    return path


@pytest.fixture
def begin_run(text_file: Path, tmp_path: Path) -> Callable[..., Run]:
    def make(name: str = "run", lines: bool = False, steps: int = 24, recipe: Any = "auto", base: bool = False) -> Run:
        begun: dict[str, Any] = {"base": str(save(tmp_path / "base"))} if base else {"hidden_size": 12, "num_layers": 2}
        training = TrainingSettings(recipe=recipe, steps=steps, dropout=0.3, threads=1, checkpoint_every=5, **begun)
        return begin([text_file], tmp_path / name, TextSettings(lines=lines), training)

    return make
