"""What a model's folder tells of its text to those it is shared with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.hostile.test_found import BOOK, SMALL

HOLDS = {
    "": "`ngram.safetensors` contains nearly all of the training text: 8 tokens at a time",
    "--ngram 0": "It has no n-gram, whose file would contain nearly all",
    "--recipe classic": "`model.safetensors` contains the training text itself",
}


@pytest.mark.parametrize("options", HOLDS)
def test_a_models_folder_names_its_text_without_the_folders_and_says_what_it_holds(
    run: Run, tmp_path: Path, options: str
) -> None:
    out, private = tmp_path / "run", tmp_path / "clients of Dr. Who"
    private.mkdir()
    book, held_out = private / "letters.txt", private / "held.txt"
    for text in (book, held_out):
        text.write_bytes(BOOK)
    trained = run("train", book, "--validation", held_out, "--out", out, *SMALL, *options.split())
    assert f"to share: {shlex.quote(str(out / 'model'))}" in trained.stderr.decode()
    for file in (out / "model").rglob("*"):
        assert b"Dr. Who" not in file.read_bytes(), file
    assert json.loads((out / "model" / "config.json").read_bytes())["about"]["corpus"]["sources"] == ["letters.txt"]
    assert json.loads((out / "run.json").read_bytes())["text"]["sources"] == [str(book)]
    card = (out / "model" / "README.md").read_text(encoding="utf-8")
    assert [option for option, says in HOLDS.items() if says in card] == [options]
    assert "of a run, share only `model/`" in card
