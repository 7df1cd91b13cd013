"""A package of a base as it is made, built, installed and used: it learned a small language, and helps its texts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import afterword
from afterword.model.folder.saved import load_model, save_model
from bases.making import ship
from tests.processes import finished

SYLLABLES = ["ba", "de", "gi", "ko", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve"]


def words(language: int, seed: int, count: int) -> str:
    """Text of 60 words that only this language has."""
    of_words, of_text = random.Random(language), random.Random(seed)
    vocabulary = ["".join(of_words.choices(SYLLABLES, k=3)) for _ in range(60)]
    return "".join(of_text.choice(vocabulary) + (" " if k % 9 else "\n") for k in range(1, count + 1))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a base that learned language 1 for some seconds, as `bases.making.ship` makes it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "books.txt").write_text(words(1, 0, 8000))
    (folder / "books.tsv").write_text("part\ttitle\ntraining\tOne\ntraining\tTwo\nheld out\tThree\n")
    (folder / "sources.md").write_text("In the public domain.\n")
    afterword.train(
        folder / "books.txt",
        out=folder / "run",
        base="none",
        steps=150,
        hidden_size=48,
        batch_size=16,
        seq_length=32,
        ngram=0,
        threads=1,
    )
    given = [folder / "run", "syllabic", folder / "books.tsv", "--package", folder / "syllabic"]
    made = CliRunner().invoke(ship.main, [*map(str, given), "--sources", str(folder / "sources.md")])
    assert made.exit_code == 0, made.output
    return folder / "syllabic"


@pytest.fixture(scope="module")
def site(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the package is installed: a wheel is an archive of what an installation copies there."""
    place = tmp_path_factory.mktemp("site")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    built = finished([sys.executable, "-c", build, place], cwd=package)
    assert built.returncode == 0, built.stderr.decode()
    wheel = place / built.stdout.decode().strip()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    wheel.unlink()
    return place


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from afterword.cli.main import main; main(sys.argv[1:])"


@pytest.fixture
def run(site: Path, tmp_path: Path) -> Run:
    """`afterword ARGUMENTS` in an empty folder, with what is in `site` installed."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return finished([sys.executable, "-c", PROGRAM, site, *arguments], cwd=tmp_path)

    return run


def test_a_package_is_a_model_with_its_books_and_their_licences(package: Path) -> None:
    model = package / "afterword_syllabic"
    assert sorted(path.name for path in package.iterdir()) == ["afterword_syllabic", "pyproject.toml"]
    names = ["README.md", "books.tsv", "config.json", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in model.iterdir()) == names
    card = (model / "README.md").read_text()
    assert "# syllabic: a base for Afterword" in card
    assert "| text | 2 texts, " in card
    assert "In the public domain." in card


@pytest.mark.parametrize(("name", "ancestor"), [("english", None), ("syllabic", "english")])
def test_what_a_base_replaces_is_no_ancestor_of_it(
    package: Path, tmp_path: Path, name: str, ancestor: str | None
) -> None:
    model = load_model(package / "afterword_syllabic")
    model.about["base"] = {"name": "english", "fingerprint": "0" * 64}
    save_model(tmp_path / "run", model, "")
    given = [tmp_path / "run", name, package.parent / "books.tsv", "--package", tmp_path / "package"]
    made = CliRunner().invoke(ship.main, [*map(str, given), "--sources", str(package.parent / "sources.md")])
    assert made.exit_code == 0, made.output
    shipped = load_model(tmp_path / "package" / f"afterword_{name}")
    assert (shipped.about["base"] or {}).get("name") == ancestor


def test_installed_it_is_used_by_its_name(run: Run, site: Path) -> None:
    folders = {base["name"]: base["folder"] for base in json.loads(run("bases", "--json").stdout)["bases"]}
    assert folders["syllabic"] == str(site / "afterword_syllabic")  # others may be installed too
    wrote = run("generate", "syllabic", "--max-tokens", "200", "--seed", "1", "--temperature", "0.1", "--json")
    assert len(text := json.loads(wrote.stdout)["text"]) == 200
    assert set(text) <= set("".join(SYLLABLES) + " \n")


def test_the_plan_takes_it_for_its_language_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(words(1, 7, 150))
    (tmp_path / "prose.txt").write_text((Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    own, prose = (json.loads(run("plan", f"{name}.txt", "--steps", "4", "--json").stdout) for name in ("own", "prose"))
    assert (own["base"]["name"], prose["base"]["name"]) == ("syllabic", "english")
    assert "and it suits the text better than english" in own["reasons"]["base"]
