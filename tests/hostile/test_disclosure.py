"""What a model's folder tells of its text to those it is shared with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.hostile.test_found import BOOK
from tests.hostile.test_texts import SMALL


@pytest.mark.parametrize("options", [[], ["--ngram", "0"], ["--recipe", "classic"]], ids=["n-gram", "LSTM", "classic"])
def test_a_models_folder_names_its_text_without_the_folders_and_says_what_it_holds(
    run: Run, tmp_path: Path, options: list[str]
) -> None:
    private = tmp_path / "clients of Dr. Who"
    private.mkdir()
    book, held_out = private / "letters.txt", private / "held.txt"
    book.write_bytes(BOOK)
    held_out.write_bytes(BOOK)
    out = tmp_path / "run"
    trained = run("train", book, "--validation", held_out, "--out", out, *SMALL, *options)
    assert trained.returncode == 0, trained.stderr.decode()
    assert f"to share: {shlex.quote(str(out / 'model'))}" in trained.stderr.decode()
    for file in (out / "model").rglob("*"):
        assert b"Dr. Who" not in file.read_bytes(), file
    config = json.loads((out / "model" / "config.json").read_bytes())
    assert config["about"]["corpus"]["sources"] == ["letters.txt"]
    record = json.loads((out / "run.json").read_bytes())
    assert record["text"]["sources"] == [str(book)]
    card = (out / "model" / "README.md").read_text(encoding="utf-8")
    holds = {
        "": "`ngram.safetensors` contains nearly all of the training text: 8 tokens at a time",
        "--ngram": "It has no n-gram, whose file would contain nearly all",
        "--recipe": "`model.safetensors` contains the training text itself",
    }
    for option, says in holds.items():
        assert (says in card) == (option == "".join(options[:1]))
    assert "of a run, share only `model/`" in card
