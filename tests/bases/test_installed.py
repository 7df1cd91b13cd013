"""Laws of the bases that ship or are installed: they are called by name, unless something else of that name stands
there; nothing of them is executed, and a broken one disturbs only those who name it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import afterword
from afterword.bases.base import load_base
from afterword.bases.installed import FOLDERS
from afterword.cli.command import OperationCommand
from afterword.errors import ModelError, OptionError
from afterword.operations.bases import bases_ as bases
from afterword.serving.writing.models import Models
from tests.bases.small import base_of, only_packages, register, save
from tests.runs.conftest import begin_in

GERMAN = base_of("\nabcß", name="german")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages. A tiny model takes the place of the one that ships."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setitem(FOLDERS, "english", save(tmp_path / "shipped", base_of("\nabc")))
    return only_packages(monkeypatch, tmp_path)


@pytest.fixture
def german(site: Path) -> Path:
    """The folder of an installed base."""
    register(site, "afterword-german", german="afterword_german")
    return save(site / "afterword_german", GERMAN)


def listed() -> tuple[list[str], list[str]]:
    """The names and the notes that `afterword.bases` returns."""
    found = bases()
    return [row["name"] for row in found.bases], found.notes


def test_it_is_called_by_its_name_wherever_english_is_and_nothing_of_its_package_is_executed(german: Path) -> None:
    (german / "__init__.py").write_text("raise SystemExit('executed')")
    base = load_base("german")
    assert (base.name, base.fingerprint) == ("german", GERMAN.fingerprint)
    assert afterword.load("german").info()["vocabulary_size"] == 7
    served = Models(["german", "english"], "numpy")
    served.load()
    assert served.names() == ["german", "english"]
    assert served.find("german").model.config.vocabulary_size == 7
    assert listed() == (["english", "german"], [])
    assert "afterword_german" not in sys.modules


@pytest.mark.parametrize("name", ["english", "german"])
def test_what_stands_there_under_the_name_is_meant_but_not_by_base(german: Path, name: str, tmp_path: Path) -> None:
    base, place = load_base(name).fingerprint, Path(name)
    place.write_text("English text.\n")
    with pytest.raises(ModelError, match=f"no model at {name}: it is a file; it hides the base {name}: rename it"):
        afterword.load(name)
    place.unlink()
    place.mkdir()
    with pytest.raises(ModelError, match=f"it has no config.json; it hides the base {name}: rename it"):
        afterword.load(name)
    save(place, base_of("\nab", hidden_size=9))
    assert afterword.load(name).info()["hidden_size"] == 9
    assert load_base(name).fingerprint == base
    assert load_base(f"./{name}").fingerprint == base_of("\nab", hidden_size=9).fingerprint
    run = begin_in(tmp_path, base=name, steps=2)
    run.folder.unlock()
    assert run.record.base is not None
    assert (run.record.base.name, run.record.base.fingerprint) == (name, base)


def test_they_are_listed_with_their_figures(german: Path) -> None:
    command = OperationCommand("bases", bases)
    head, _, last = CliRunner().invoke(command, [], catch_exceptions=False).stdout.splitlines()
    titles = ["name", "size", "network", "text,", "characters", "bits", "per", "character", "folder"]
    assert head.split() == titles
    assert last.split() == ["german", "0.0", "MB", "2", "×", "6", "LSTM", "1,000", "-", str(german)]
    row = json.loads(CliRunner().invoke(command, ["--json"]).stdout)["bases"][1]
    assert row["bytes"] == sum(file.stat().st_size for file in german.iterdir())
    figures = {"network": "2 × 6 LSTM", "vocabulary": "char", "vocabulary_size": 7, "characters": 1000}
    figures |= {"bits_per_character": None, "sources": ["books.txt"], "folder": str(german)}
    assert {name: row[name] for name in figures} == figures
    assert row["fingerprint"] == GERMAN.fingerprint


@pytest.mark.parametrize("value", ["missing", "empty", "cut", "spoilt", "mail:send", "../up", "/etc"])
def test_what_is_no_model_is_refused_where_it_is_named_and_only_there(german: Path, value: str) -> None:
    site = german.parent
    (site / "empty").mkdir()
    for name, file in (("cut", "model.safetensors"), ("spoilt", "tokenizer.json")):
        part = save(site / name, GERMAN) / file
        part.write_bytes(part.read_bytes()[:-2])
    register(site, "broken", latin=value)
    with pytest.raises(OptionError, match=r"^base: [^\n]*(no model at|damaged|names no folder)[^\n]*$"):
        load_base("latin")
    with pytest.raises(ModelError, match=r"^[^\n]*(no model at|damaged|names no folder)[^\n]*$"):
        afterword.load("latin")
    assert load_base("german").name == "german"
    names, [note] = listed()
    assert names == ["english", "german"]
    assert "latin" in note


def test_of_two_packages_of_one_name_none_is_taken(german: Path) -> None:
    register(german.parent, "other-german", german="other")
    told = "the packages afterword-german and other-german both register the base german: uninstall all but one"
    with pytest.raises(OptionError, match=f"^base: {told}$"):
        load_base("german")
    assert listed() == (["english"], [told])


def test_a_package_that_is_installed_twice_counts_where_python_finds_it_first(
    german: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(tmp_path / "before", "Afterword_German", german="afterword_german")
    save(tmp_path / "before" / "afterword_german", base_of("\nab"))
    monkeypatch.syspath_prepend(tmp_path / "before")
    assert load_base("german").fingerprint == base_of("\nab").fingerprint


def test_a_name_that_means_something_else_is_ignored_with_a_note(german: Path) -> None:
    names = ["english", "auto", "none", "a b", "../x", "\x1b[2J", "-x"]
    register(german.parent, "taker", **dict.fromkeys(names, "afterword_german"))
    assert load_base("english").fingerprint == base_of("\nabc").fingerprint
    found, notes = listed()
    assert found == ["english", "german"]
    assert len(notes) == len(names)
    for told in notes:
        assert told.startswith("the package taker registers the base ")
        assert told.endswith(": it is ignored")
        assert "\x1b" not in told


def test_damaged_metadata_of_a_package_disturbs_nobody(german: Path) -> None:
    contents = [b"\xff[afterword.bases]", b"[afterword.bases]\nno value\n", b"afterword.bases = x\n"]
    for k, content in enumerate(contents):
        (register(german.parent, f"damaged-{k}") / "entry_points.txt").write_bytes(content)
    register(german.parent, "nameless", x="x").joinpath("METADATA").unlink()
    assert load_base("german").name == "german"
    assert listed()[0] == ["english", "german"]


def test_an_unknown_name_is_answered_with_those_that_exist(german: Path) -> None:
    told = "no model at latin: no such folder; installed bases: english, german"
    with pytest.raises(OptionError, match=f"^base: {told}$"):
        load_base("latin")
    with pytest.raises(ModelError, match=f"^{told}$"):
        afterword.load("latin")
    with pytest.raises(ModelError, match=r"^no model at no/latin: no such folder$"):
        afterword.load("no/latin")


def test_what_ships_is_a_base_that_writes() -> None:
    base = load_base("english")
    assert (base.name, base.model.ngram) == ("english", None)
    sample = afterword.load("english").generate("It wa", max_tokens=40, seed=1, temperature=0.5)
    assert sample.tokens == 40
    assert sample.text.startswith("s ")
