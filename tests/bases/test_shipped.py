"""Laws of the models that ship: they are called by their names, unless something else of that name stands there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import afterword
from afterword.bases import installed as shipped
from afterword.bases.base import load_base
from afterword.errors import ModelError
from tests.bases.small import base_of, save
from tests.processes import finished

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
ENGLISH = base_of("\nabc", name="english")


def program(folder: Path) -> Path:
    """The program's files in `folder`, linked, with a tiny model in place of the one that ships."""
    source = Path(afterword.__file__).parent
    bases = folder / "afterword" / "bases"
    bases.mkdir(parents=True)
    for place, target in ((bases.parent, source), (bases, source / "bases")):
        for entry in target.iterdir():
            if entry.name not in ("bases", "english", "__pycache__"):
                (place / entry.name).symlink_to(entry)
    save(bases / "english", ENGLISH)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`python -m afterword ARGUMENTS` in the empty folder `tmp_path / "here"`, with a tiny model that ships."""
    environment = {**os.environ, "PYTHONPATH": str(program(tmp_path / "program")), "OMP_NUM_THREADS": "1"}
    (tmp_path / "here").mkdir()

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "afterword", *arguments]
        return finished(command, env=environment, cwd=tmp_path / "here", fresh=True)

    return run


def test_every_command_that_reads_a_model_takes_the_name(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abc\ncab\n")
    wrote = run("generate", "english", "--max-tokens", "9", "--seed", "1", "--json")
    assert wrote.returncode == 0, wrote.stderr.decode()
    assert json.loads(wrote.stdout)["tokens"] == 9
    scored = json.loads(run("score", "english", text, "--json").stdout)
    assert scored["characters"] == 8
    told = json.loads(run("info", "english", "--json").stdout)
    assert (told["hidden_size"], told["base"], told["corpus"]["sources"]) == (6, None, ["books.txt"])
    assert run("inspect", "english", "abc").returncode == 0
    assert not list((tmp_path / "here").iterdir())


def test_what_stands_there_under_the_name_is_meant(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "here" / "english"
    place.write_text("English text.\n")
    refused = run("info", "english")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"no model at english: it is a file; it hides the base english: rename it" in refused.stderr
    place.unlink()
    place.mkdir()
    assert b"it has no config.json; it hides the base english: rename it" in run("info", "english").stderr
    place.rmdir()
    save(place, base_of("\nabc", hidden_size=9))
    assert json.loads(run("info", "english", "--json").stdout)["hidden_size"] == 9


def test_a_run_begins_from_it_by_its_name_alone(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "book.txt"
    text.write_text("abc cab bac\n" * 90)
    save(tmp_path / "here" / "english", base_of("\nabc", hidden_size=9))
    begun = run("train", text, "--base", "english", "--steps", "2", "--threads", "1", "--out", "run")
    assert begun.returncode == 0, begun.stderr.decode()
    record = json.loads((tmp_path / "here" / "run" / "run.json").read_text())
    assert record["base"] == {"name": "english", "fingerprint": ENGLISH.fingerprint}


def test_python_takes_the_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(shipped.FOLDERS, "english", save(tmp_path / "shipped", ENGLISH))
    assert afterword.load("english").info()["vocabulary_size"] == 6
    with pytest.raises(ModelError, match="no model at german: no such folder"):
        afterword.load("german")
    save(tmp_path / "english", base_of("\nabcd"))
    assert afterword.load("english").info()["vocabulary_size"] == 7


def test_what_ships_is_a_base_that_writes() -> None:
    base = load_base("english")
    assert (base.name, base.model.ngram) == ("english", None)
    sample = afterword.load("english").generate("It wa", max_tokens=40, seed=1, temperature=0.5)
    assert sample.tokens == 40
    assert sample.text.startswith("s ")
