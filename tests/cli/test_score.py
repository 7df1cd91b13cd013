"""`afterword score` through the real command; its figures are tested in tests/cli/test_json.py."""

from __future__ import annotations

import gzip
import importlib.util
import os
from pathlib import Path

import pytest

from afterword.language_model import load
from tests.cli.answers import records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

TEXT = "abcdé dcbaé abcdc\n" * 20
FIGURES = ["characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity"]


def test_each_of_several_files_is_scored_as_alone_and_named(model: Path, run: Run, text: Path) -> None:
    packed, no_text = text.with_suffix(".gz"), os.fsencode(text.parent) + b"/\xff.txt"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    with open(no_text, "w", encoding="utf-8") as file:
        file.write(TEXT)
    [alone] = records(run("score", model, text, "--json"))
    assert list(alone) == FIGURES
    found = records(run("score", model, text, packed, no_text, "-", "--json", input=TEXT.encode()))
    assert found == [{"file": name, **alone} for name in (str(text), str(packed), os.fsdecode(no_text), "-")]


def test_the_lines_that_cost_most_come_first_as_far_as_is_asked_and_blank_ones_are_left_out(
    model: Path, lines_model: Path, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "long.txt").write_text("aaaa\n" * 1500 + "ddddddbé\nébébébé\n", encoding="utf-8")
    (tmp_path / "short.txt").write_text("abc\n\n \t\n\ndcb☃\n", encoding="utf-8")
    places = [("long.txt", number) for number in range(1, 1503)] + [("short.txt", number) for number in range(1, 6)]
    for one, blanks in ((model, 3), (lines_model, 2)):  # a model of lines reads the spaces of " \t"
        every = records(run("score", one, tmp_path, "--lines", "--json"))
        assert [(Path(row["file"]).name, row["line"]) for row in every] == places
        read = [row for row in every if row["text"].strip() or (one == lines_model and row["text"])]
        assert len(read) == len(every) - blanks
        wanted = sorted(read, key=lambda row: -float(row["bits_per_character"]))  # of equals the first stays the first
        for top in (4, 10_000):
            assert records(run("score", one, tmp_path, "--lines", "--json", "--top", str(top))) == wanted[:top]


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
    mixed_model: Path, run: Run, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name, *more))
    asked = ("score", mixed_model, text, "--adapt", "--json", "--with")
    both, ngram, lstm = (run(*asked, using) for using in ("both", "ngram", "lstm"))
    [of_both], [of_ngram] = records(both), records(ngram)
    assert of_both["ngram"] == of_ngram["ngram"]
    assert b"only the n-gram adapts" in both.stderr
    assert not ngram.stderr
    assert "pip install" in error_line(lstm)


@pytest.mark.usefixtures("place")
def test_how_often_the_likeliest_label_is_right_is_told_where_each_line_has_one(run: Run) -> None:
    given = ["vowel", "vowel", "b d"]
    lines = "".join(f"{label}\tab{k}\n" for k, label in enumerate(given)).encode()
    done = run("score", "labelled", "-", "--lines", "--json", input=lines)
    found = records(done)
    assert [row["given_label"] for row in found] == given
    right = sum(row["label"] == row["given_label"] for row in found)
    baseline = "always 'vowel' would be right for 66.7%"
    assert done.stderr.decode().endswith(f"the label is right for {right / 3:.1%} of 3 lines; {baseline}\n")
    assert b"right" not in run("score", "labelled", "-", "--lines", input=lines + b"ab\n").stderr


def test_parts_that_are_held_are_scored_beside_free_ones(model: Path, run: Run, text: Path) -> None:
    [held] = records(run("score", model, text, "--hold", "forget=1", "--json"))
    assert held["bits_per_character"] == load(model).hold("forget=1").score(TEXT).bits_per_character
    assert held["free_bits_per_character"] == load(model).score(TEXT).bits_per_character
    [line, *_] = records(run("score", model, text, "--hold", "forget=1", "--json", "--lines"))
    assert "free_bits_per_character" in line
