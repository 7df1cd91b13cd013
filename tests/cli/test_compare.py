"""`afterword compare` through the real command."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from afterword.language_model import load
from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.operations import compare as operation
from afterword.scoring import comparing
from afterword.text.characters import ClassicTokenizer
from tests.cli.answers import records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.comparison import compare

TEXT = "abé\n\ndcb☃\nbadé\n"
LONG = "".join(np.random.default_rng(0).choice(list("abcdé \n"), 1050))


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (comparing, operation):  # instead of 500, so that a short text has enough of them
        monkeypatch.setattr(module, "SHORTEST", 50)


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    path.write_text(LONG, encoding="utf-8")
    return path


def test_each_model_has_the_row_of_its_own_score_and_the_difference(
    model: Path, mixed_model: Path, run: Run, long_text: Path
) -> None:
    asked = ("compare", model, mixed_model, "--file", long_text)
    found = records(run(*asked, "--json"))
    expected = compare([load(model), load(mixed_model)], LONG)
    for row, path, one in zip(found, (model, mixed_model), expected, strict=True):
        [alone] = records(run("score", path, long_text, "--json"))
        names = {"difference": "bits_per_character", "margin_of_error": "margin_of_error"}
        differences = {name: getattr(one.difference, own) for name, own in names.items()}
        parts = dict.fromkeys(("lstm", "ngram", "both"))  # which only one of them has
        assert row == {"model": str(path), **parts, **alone, **differences, "blocks": 21}
        assert row["difference"] == pytest.approx(row["bits_per_character"] - found[0]["bits_per_character"], abs=1e-9)
    assert found[1]["difference"] != 0 < found[1]["margin_of_error"]
    head, *rows = run(*asked).stdout.decode().splitlines()
    assert re.split(" {2,}", head.strip()) == ["model", "bits per character", "difference", "margin of error", "blocks"]
    figures = [f"{found[1][name]:.4f}" for name in ("bits_per_character", "difference", "margin_of_error")]
    assert rows[1].split() == [str(mixed_model), *figures, "21"]
    assert len({len(row) for row in (head, *rows)}) == 1  # the columns stand below each other


def test_a_short_text_has_no_uncertainty_and_that_is_said(
    model: Path, mixed_model: Path, run: Run, text: Path, long_text: Path
) -> None:
    finished = run("compare", model, mixed_model, "--file", text, "--file", long_text, "--json")
    first, second, *others = records(finished)
    assert [row["file"] for row in (first, second, *others)] == [str(text)] * 2 + [str(long_text)] * 2
    for row in (first, second):
        assert (row["margin_of_error"], row["blocks"]) == (None, 1)
    assert all(row["margin_of_error"] is not None for row in others)
    assert finished.stderr == b"note: a margin of error needs 20 blocks of 50 characters, and this text has 1\n"
    _, *rows = run("compare", model, mixed_model, "--file", text).stdout.decode().splitlines()
    assert [row.split()[3] for row in rows] == ["-", "-"]


@pytest.mark.parametrize("options", [[], ["--with", "lstm"], ["--mask", "[ab]+"]])
def test_the_ratio_of_a_line_is_the_difference_of_its_bits_in_runs_of_one_model(
    model: Path, mixed_model: Path, run: Run, long_text: Path, text: Path, options: list[str]
) -> None:
    asked = ("compare", model, mixed_model, "--file", text, "--file", long_text, "--lines", "--json", *options)
    finished = run(*asked)
    two = [records(run("score", path, text, long_text, "--lines", "--json", *options)) for path in (model, mixed_model)]
    likeliest, found = {str(model): 0, str(mixed_model): 0}, records(finished)
    for row, one, other in zip(found, *two, strict=True):
        best = str(model if one["bits"] <= other["bits"] else mixed_model)
        bits = {str(model): one["bits"], str(mixed_model): other["bits"]}
        place = {name: one[name] for name in ("file", "line", "text")}
        assert row == {**place, "bits": bits, "ratio_bits": other["bits"] - one["bits"], "best": best}
        likeliest[best] += row["text"] != ""
    lines = sum(likeliest.values())
    said = [f"{path} is likeliest for {number:,} of {lines:,} lines" for path, number in likeliest.items()]
    assert finished.stderr.decode().splitlines()[-2:] == said
    ratios = [row["ratio_bits"] for row in found]
    assert options or min(ratios) < 0 < max(ratios)
    top = run(*asked, "--top", "4")
    expected = sorted((row for row in found if row["text"].strip()), key=lambda row: -row["ratio_bits"])
    assert records(top) == expected[:4]
    assert top.stderr == finished.stderr  # all lines are counted, however few are shown


def test_the_first_model_decides_how_a_file_is_read_and_the_other_kind_is_noted(
    model: Path, lines_model: Path, run: Run, text: Path
) -> None:
    lines = [line for line in TEXT.split("\n") if line]
    for first, other, read, note in (
        (lines_model, model, lines, "running text, so reading lines"),
        (model, lines_model, TEXT, "lines, so reading running text"),
    ):
        finished = run("compare", first, other, "--file", text, "--json")
        expected = [one.score.bits_per_character for one in compare([load(first), load(other)], read)]
        assert [row["bits_per_character"] for row in records(finished)] == expected
        assert f"note: {other} was trained on {note} as {first} does" in finished.stderr.decode()
    said = run("compare", model, lines_model, "--file", text, "--lines").stderr.decode()
    assert f"note: {model} was trained on running text, so reading lines by --lines costs it more" in said


def test_models_that_read_a_text_in_other_ways_are_noted(model: Path, run: Run, text: Path, tmp_path: Path) -> None:
    saved, joined = load_model(model), tmp_path / "joined"
    saved.about["unwrapped"] = 3
    save_model(joined, saved, "# Tiny\n")
    for first, second, way in ((joined, model, "joins wrapped lines"), (model, joined, "keeps all lines")):
        said = run("compare", first, second, "--file", text).stderr.decode()
        assert f"note: {first} {way}, so all models read the text in this way; not all were trained that way\n" in said
    saved.tokenizer = type(saved.tokenizer).of(saved.tokenizer.characters, lowercase=True)  # type: ignore[attr-defined]
    save_model(tmp_path / "lower", saved, "# Tiny\n")
    said = run("compare", model, tmp_path / "lower", "--file", text).stderr.decode()
    assert f"note: {tmp_path / 'lower'} reads all text in lower case, so it has less to predict\n" in said


def test_of_labelled_lines_all_models_are_asked_about_the_line_without_its_label(
    lines_model: Path, run: Run, tmp_path: Path
) -> None:
    saved, labelled = load_model(lines_model), tmp_path / "labelled"
    saved.about["labels"] = {"a": 1, "b": 1}
    save_model(labelled, saved, "# Tiny\n")
    asked = ("--file", "-", "--lines", "--json")
    found = records(run("compare", labelled, lines_model, *asked, input="b\tcdé\ncab\n".encode()))
    own, plain = load(labelled).classify(["b\tcdé", "cab"]), load(lines_model).score_lines(["cdé", "cab"])
    assert [[*row["bits"].values()] for row in found] == [[a.bits, b.bits] for a, b in zip(own, plain, strict=True)]
    assert "knows labels that" in error_line(run("compare", lines_model, labelled, *asked, input=b"cab\n"))


def test_a_classic_model_is_compared_by_texts_alone_since_it_predicts_no_lines_end(
    lines_model: Path, model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    tokenizer = ClassicTokenizer.of("\nabcdé☃", lowercase=True)
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, 4, 6, 2)
    weights = {name: np.full(shape, 0.1, np.float32) for name, shape in weight_shapes(config).items()}
    classic = tmp_path / "classic"
    save_model(classic, SavedModel(config, weights, tokenizer, [], {"lines": False}), "# Tiny\n")
    rows = records(run("compare", model, classic, "--file", text, "--json"))
    assert rows[1]["bits_per_character"] == load(classic).score(TEXT).bits_per_character
    for models, options in (
        ((model, classic), ["--lines"]),
        ((classic, model), ["--lines"]),
        ((lines_model, classic), []),
    ):
        said = error_line(run("compare", *models, "--file", text, *options))
        assert "classic is classic, so it does not predict where a line ends, as " in said
