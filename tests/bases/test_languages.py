"""The packages of the bases for other languages, as they are in the repository."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import afterword
from afterword.bases.installed import GROUP

PACKAGES = Path(__file__).parents[2] / "bases"
ENGLISH = "When the grandfather came home from the forest in the evening, the children sat at the table."
SENTENCES = {
    "french": "Quand le grand-père revint de la forêt, le soir, les enfants étaient assis à table et l'attendaient.",
    "german": "Als der Großvater am Abend aus dem Walde zurückkam, saßen die Kinder schon um den Tisch und warteten.",
    "spanish": "Cuando el abuelo volvió del bosque por la noche, los niños estaban sentados a la mesa y lo esperaban.",
}
NOVELS = {"french": 59, "german": 46, "spanish": 56}


def folder(name: str) -> Path:
    """The folder that the package of a base registers."""
    project = tomllib.loads((PACKAGES / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return PACKAGES / name / str(project["entry-points"][GROUP][name])


def test_each_package_is_tested() -> None:
    assert sorted(project.parent.name for project in PACKAGES.glob("*/pyproject.toml")) == sorted(NOVELS)


@pytest.mark.parametrize("name", NOVELS)
def test_each_package_has_the_licence_that_it_names(name: str) -> None:
    assert (PACKAGES / name / "LICENSE").read_bytes() == (PACKAGES.parent / "LICENSE").read_bytes()


def test_each_reads_its_language_far_better_than_the_others_do_but_english_worse_than_english() -> None:
    models = {name: afterword.load(folder(name)) for name in NOVELS} | {"english": afterword.load("english")}
    for name, sentence in SENTENCES.items():
        costs = {other: model.score(sentence).bits_per_character for other, model in models.items()}
        assert costs.pop(name) < 0.6 * min(costs.values())
    costs = {name: model.score(ENGLISH).bits_per_character for name, model in models.items()}
    assert min(costs, key=costs.__getitem__) == "english"


@pytest.mark.parametrize("name", NOVELS)
def test_it_is_small_and_says_what_it_has_read(name: str) -> None:
    assert sum(file.stat().st_size for file in folder(name).iterdir()) < 6_000_000
    read = (folder(name) / "README.md").read_text(encoding="utf-8")
    assert "ELTeC" in read
    assert "started from Afterword's base `english`" in read
    books = (folder(name) / "books.tsv").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("training") for line in books) == NOVELS[name]
