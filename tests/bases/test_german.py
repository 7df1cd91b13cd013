"""The package of the German base, as it lies in the repository."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import afterword
from afterword.bases.installed import GROUP

PACKAGE = Path(__file__).parents[2] / "bases" / "german"
TEXT = "Als der Großvater am Abend aus dem Walde zurückkam, saßen die Kinder schon um den Tisch und warteten auf ihn."


@pytest.fixture(scope="module")
def folder() -> Path:
    """The folder that the package registers."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return PACKAGE / str(project["entry-points"][GROUP]["german"])


def test_the_german_base_reads_german_better_than_english_does_and_english_worse(folder: Path) -> None:
    german, english = afterword.load(folder), afterword.load("english")
    assert german.score(TEXT).bits_per_character < 0.6 * english.score(TEXT).bits_per_character
    other = "When the grandfather came home from the forest in the evening, the children sat at the table."
    assert english.score(other).bits_per_character < german.score(other).bits_per_character


def test_the_package_is_small_and_says_what_the_base_has_read(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6_000_000
    read = (folder / "README.md").read_text(encoding="utf-8")
    assert "ELTeC" in read
    assert "from the base english" in read
    books = (folder / "books.tsv").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("training") for line in books) == 46
