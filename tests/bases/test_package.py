"""A package of a base as it is made, built, installed and used: it learned a small language, and helps its texts."""

from __future__ import annotations

import json
import random
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import afterword
from afterword.model.folder.saved import load_model, save_model
from bases.making import ship
from tests.processes import finished

SYLLABLES = ["ba", "de", "gi", "ko", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve"]
SMALL: dict[str, Any] = {"hidden_size": 48, "batch_size": 16, "seq_length": 32, "ngram": 0, "threads": 1}
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from afterword.cli.main import main; main(sys.argv[1:])"


def words(language: int, seed: int, count: int) -> str:
    """Text of 60 words that only this language has."""
    of_words, of_text = random.Random(language), random.Random(seed)
    vocabulary = ["".join(of_words.choices(SYLLABLES, k=3)) for _ in range(60)]
    return "".join(of_text.choice(vocabulary) + (" " if k % 9 else "\n") for k in range(1, count + 1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that learned language 1 for some seconds, and with what is known of its books."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "books.tsv").write_text("part\ttitle\ntraining\tOne\ntraining\tTwo\nheld out\tThree\n")
    (folder / "sources.md").write_text("In the public domain.\n")
    afterword.train(text=words(1, 0, 8000), out=folder / "run", base="none", steps=150, **SMALL)
    return folder


def shipped(made: Path, run: Path, name: str, package: Path) -> Path:
    """Make a package; return the folder of its model."""
    given = [run, name, made / "books.tsv", "--package", package, "--sources", made / "sources.md"]
    done = CliRunner().invoke(ship.main, [*map(str, given)])
    assert done.exit_code == 0, done.output
    return package / f"afterword_{name}"


@pytest.fixture(scope="module")
def site(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the package is installed: a wheel is an archive of what an installation copies there."""
    place, package = tmp_path_factory.mktemp("site"), made / "syllabic"
    shipped(made, made / "run", "syllabic", package)
    built = finished([sys.executable, "-c", BUILD, place], cwd=package)
    assert built.returncode == 0, built.stderr.decode()
    wheel = place / built.stdout.decode().strip()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    wheel.unlink()
    return place


def answer(site: Path, place: Path, *arguments: str) -> Any:
    """Return what `afterword ARGUMENTS --json` says in the folder `place`, with what is in `site` installed."""
    return json.loads(finished([sys.executable, "-c", PROGRAM, site, *arguments, "--json"], cwd=place).stdout)


def test_a_package_is_a_model_with_its_books_and_their_licences(made: Path, tmp_path: Path) -> None:
    model = shipped(made, made / "run", "syllabic", tmp_path / "package")
    assert sorted(path.name for path in model.parent.iterdir()) == ["LICENSE", "afterword_syllabic", "pyproject.toml"]
    names = ["README.md", "books.tsv", "config.json", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in model.iterdir()) == names
    card = (model / "README.md").read_text()
    for part in ("# syllabic: a base for Afterword", "| text | 2 texts, ", "In the public domain."):
        assert part in card


@pytest.mark.parametrize(("name", "ancestor"), [("english", None), ("syllabic", "english")])
def test_what_a_base_replaces_is_no_ancestor_of_it(made: Path, tmp_path: Path, name: str, ancestor: str | None) -> None:
    model = load_model(made / "run" / "model")
    model.about["base"] = {"name": "english", "fingerprint": "0" * 64}
    save_model(tmp_path / "run", model, "")
    found = load_model(shipped(made, tmp_path / "run", name, tmp_path / "package"))
    assert (found.about["base"] or {}).get("name") == ancestor


def test_installed_it_is_used_by_its_name(site: Path, tmp_path: Path) -> None:
    folders = {base["name"]: base["folder"] for base in answer(site, tmp_path, "bases")["bases"]}
    assert folders["syllabic"] == str(site / "afterword_syllabic")  # others may be installed too
    asked = ["generate", "syllabic", "--max-tokens", "200", "--seed", "1", "--temperature", "0.1"]
    text = answer(site, tmp_path, *asked)["text"]
    assert len(text) == 200
    assert set(text) <= set("".join(SYLLABLES) + " \n")


def test_the_plan_takes_it_for_its_language_alone(site: Path, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(words(1, 7, 150))
    (tmp_path / "prose.txt").write_text((Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    own, prose = (answer(site, tmp_path, "plan", f"{name}.txt", "--steps", "4") for name in ("own", "prose"))
    assert (own["base"]["name"], prose["base"]["name"]) == ("syllabic", "english")
    assert "and it suits the text better than english" in own["reasons"]["base"]
