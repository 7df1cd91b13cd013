"""Small texts and small runs."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from afterword.planning import tuning
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings
from tests.bases.small import save

BOOK = "".join(f"The {k}th line of this book, and no more.\n" for k in range(120))
OF_TEXT = {field.name for field in dataclasses.fields(TextSettings)}


def begin_in(place: Path, name: str = "run", *, overwrite: bool = False, taught: float = 0.0, **asked: Any) -> Run:
    """Begin the run `place / name` on the text `book.txt` there, with what was `asked`.

    `base=True` is a base in `place`, which teaches as much as `taught`.
    """
    if asked.get("base") is True:
        asked["base"] = str(save(place / "base"))
    sizes = {} if "base" in asked else {"hidden_size": 12, "num_layers": 2}
    settings: dict[str, Any] = {"steps": 24, "dropout": 0.3, "threads": 1, "checkpoint_every": 5} | sizes | asked
    text = TextSettings(**{name: settings.pop(name) for name in OF_TEXT & settings.keys()})
    source = place / "book.txt"
    place.mkdir(exist_ok=True)
    if not source.exists():
        source.write_text(BOOK)
    training = TrainingSettings(**settings)
    teaches = (lambda gain, passes: (taught, "")) if taught else tuning.distillation
    with mock.patch.object(tuning, "distillation", teaches):
        return begin([source], place / name, text, training, overwrite=overwrite)


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(BOOK)
    return path


@pytest.fixture
def begin_run(text_file: Path, tmp_path: Path) -> Callable[..., Run]:
    return functools.partial(begin_in, tmp_path)


@pytest.fixture(scope="session")
def once_ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = begin_in(tmp_path_factory.mktemp("ended"))
    list(train_run(run))
    return run.folder.path


@pytest.fixture
def ended(once_ended: Path, text_file: Path, tmp_path: Path) -> Path:
    """The folder of a run that has ended, as `begin_run` makes it."""
    return Path(shutil.copytree(once_ended, tmp_path / "run"))
