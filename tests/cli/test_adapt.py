"""`afterword score --adapt` through the real command."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.cli.answers import records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

TEXT = "abcdé dcbaé abcdc\n" * 20


def test_files_are_learned_from_one_after_the_other_and_the_model_stays_as_it_was(
    mixed_model: Path, run: Run, text: Path
) -> None:
    before = {path.name: path.read_bytes() for path in mixed_model.iterdir()}
    [plain] = records(run("score", mixed_model, text, "--json"))
    first, second = records(run("score", mixed_model, text, text, "--adapt", "--json"))
    assert all(first[part] < plain[part] for part in ("both", "lstm", "ngram"))
    assert second["bits_per_character"] < 0.95 * first["bits_per_character"]
    assert {path.name: path.read_bytes() for path in mixed_model.iterdir()} == before


def test_without_pytorch_the_n_gram_alone_adapts_and_that_is_said(
    mixed_model: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name, *more))
    asked = ("score", mixed_model, "-", "--adapt", "--json", "--with")
    both, ngram, lstm = (run(*asked, using, input=TEXT.encode()) for using in ("both", "ngram", "lstm"))
    [of_both], [of_ngram] = records(both), records(ngram)
    assert of_both["ngram"] == of_ngram["ngram"]
    assert b"only the n-gram adapts" in both.stderr
    assert not ngram.stderr
    assert "pip install" in error_line(lstm)
