"""The public surface, pinned: a name is added or removed here on purpose or not at all."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import afterword

NAMES = ["AfterwordError", "LanguageModel", "Piece", "Sample", "Score", "__version__", "load", "train"]


def test_the_public_names_are_these() -> None:
    assert sorted(afterword.__all__) == sorted(NAMES)
    assert sorted(dir(afterword)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(afterword, name) is not None


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = afterword.tarin


def test_the_version_is_the_distributions() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert afterword.__version__ == project["project"]["version"]
