"""`afterword compare` through the real command."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.text.characters import ClassicTokenizer
from tests.cli.answers import records
from tests.comparison import compare

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
TEXT = "abé\n\ndcb☃\nbadé\n"
LONG = "".join(np.random.default_rng(0).choice(list("abcdé \n"), 10_500))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    path.write_text(LONG, encoding="utf-8")
    return path


def with_labels(model: Path, folder: Path) -> Path:
    """A copy of a model of lines, which knows the labels a and b."""
    saved = load_model(model)
    saved.about["labels"] = {"a": 1, "b": 1}
    save_model(folder, saved, "# Tiny\n")
    return folder


def test_each_model_has_the_row_of_its_own_score_and_the_difference(
    model: Path, mixed_model: Path, run: Run, long_text: Path
) -> None:
    found = records(run("compare", model, mixed_model, "--file", long_text, "--json"))
    expected = compare([load(model), load(mixed_model)], LONG)
    names = ["difference", "standard_error", "margin_of_error", "blocks"]
    for row, path, one in zip(found, (model, mixed_model), expected, strict=True):
        [alone] = records(run("score", path, long_text, "--json"))
        assert row == {
            "model": str(path),
            **alone,
            "difference": one.difference.bits_per_character,
            "standard_error": one.difference.standard_error,
            "margin_of_error": one.difference.margin_of_error,
            "blocks": 21,
        }
        assert row["difference"] == pytest.approx(row["bits_per_character"] - found[0]["bits_per_character"], abs=1e-9)
    assert found[1]["difference"] != 0 < found[1]["standard_error"] < found[1]["margin_of_error"]
    assert [found[0][name] for name in names] == [0, 0, 0, 21]


def test_people_get_a_table_whose_columns_stand_below_each_other(
    model: Path, mixed_model: Path, run: Run, long_text: Path
) -> None:
    finished = run(
        "compare",
        model,
        mixed_model,
        "--file",
        long_text,
    )
    head, *rows = finished.stdout.decode().splitlines()
    assert re.split(" {2,}", head.strip()) == ["model", "bits per character", "difference", "margin of error", "blocks"]
    assert [row.split()[0] for row in rows] == [str(model), str(mixed_model)]
    assert len({len(row) for row in (head, *rows)}) == 1
    other = compare([load(model), load(mixed_model)], LONG)[1]
    assert rows[1].split()[1:] == [
        *(
            f"{figure:.4f}"
            for figure in (
                other.score.bits_per_character,
                other.difference.bits_per_character,
                other.difference.margin_of_error,
            )
        ),
        "21",
    ]
    assert finished.stderr == b""


def test_a_short_text_has_no_uncertainty_and_that_is_said(
    model: Path, mixed_model: Path, run: Run, text: Path, long_text: Path
) -> None:
    finished = run("compare", model, mixed_model, "--file", text, "--file", long_text, "--json")
    first, second, *others = records(finished)
    assert [row["file"] for row in (first, second, *others)] == [str(text)] * 2 + [str(long_text)] * 2
    for row in (first, second):
        assert (row["standard_error"], row["margin_of_error"], row["blocks"]) == (None, None, 1)
    assert second["difference"] == pytest.approx(second["bits_per_character"] - first["bits_per_character"])
    assert all(row["standard_error"] is not None for row in others)
    assert finished.stderr.decode() == (
        "note: a margin of error needs 20 blocks of 500 characters, and this text has 1\n"
    )
    _, *rows = (
        run(
            "compare",
            model,
            mixed_model,
            "--file",
            text,
        )
        .stdout.decode()
        .splitlines()
    )
    assert [row.split()[3] for row in rows] == ["-", "-"]


@pytest.mark.parametrize("options", [[], ["--with", "lstm"], ["--mask", "[ab]+"]])
def test_the_ratio_of_a_line_is_the_difference_of_its_bits_in_runs_of_one_model(
    model: Path, mixed_model: Path, run: Run, long_text: Path, text: Path, options: list[str]
) -> None:
    files = [text, long_text]
    named = [word for file in files for word in ("--file", file)]
    finished = run("compare", model, mixed_model, *named, "--lines", "--json", *options)
    first, second = (
        records(run("score", path, *files, "--lines", "--json", *options)) for path in (model, mixed_model)
    )
    likeliest = {str(model): 0, str(mixed_model): 0}
    for row, one, other in zip(records(finished), first, second, strict=True):
        best = str(model if one["bits"] <= other["bits"] else mixed_model)
        assert row == {
            **{name: one[name] for name in ("file", "line", "text")},
            "bits": {str(model): one["bits"], str(mixed_model): other["bits"]},
            "ratio_bits": other["bits"] - one["bits"],
            "best": best,
        }
        likeliest[best] += row["text"] != ""
    lines = sum(likeliest.values())
    assert finished.stderr.decode().splitlines()[-2:] == [
        f"{path} is likeliest for {number:,} of {lines:,} lines" for path, number in likeliest.items()
    ]


def test_the_lines_that_are_most_clearly_the_models_come_first_when_asked(
    model: Path, mixed_model: Path, run: Run, long_text: Path
) -> None:
    order = ["compare", model, mixed_model, "--file", long_text, "--lines", "--json"]
    whole = run(*order)
    every = records(whole)
    assert any(row["ratio_bits"] > 0 for row in every)
    assert any(row["ratio_bits"] < 0 for row in every)
    finished = run(*order, "--top", "4")
    expected = sorted((row for row in every if row["text"].strip()), key=lambda row: -row["ratio_bits"])
    assert records(finished) == expected[:4]
    assert finished.stderr == whole.stderr  # all lines are counted, however few are shown


def test_people_get_a_table_of_lines(model: Path, mixed_model: Path, run: Run, text: Path) -> None:
    found = run("compare", model, mixed_model, "--file", text, "--lines").stdout.decode().splitlines()
    head, *rows = found
    bits = [f"bits {path}" for path in (model, mixed_model)]
    assert re.split(" {2,}", head.strip()) == ["line", *bits, "ratio, bits", "text", "likeliest"]
    assert {row.index(line) for row, line in zip(rows, TEXT.split("\n"), strict=False) if line} == {head.index("text")}


def test_the_first_model_decides_how_a_file_is_read_and_the_other_kind_is_noted(
    model: Path, lines_model: Path, run: Run, text: Path
) -> None:
    lines = [line for line in TEXT.split("\n") if line]
    for first, other, read, note in (
        (lines_model, model, lines, "running text, so reading lines"),
        (model, lines_model, TEXT, "lines, so reading running text"),
    ):
        finished = run("compare", first, other, "--file", text, "--json")
        found = records(finished)
        expected = compare([load(first), load(other)], read)
        assert [row["bits_per_character"] for row in found] == [one.score.bits_per_character for one in expected]
        assert f"note: {other} was trained on {note} as {first} does" in finished.stderr.decode()
    finished = run(
        "compare",
        model,
        lines_model,
        "--file",
        text,
        "--lines",
    )
    assert f"note: {model} was trained on running text, so reading lines by --lines costs it more" in (
        finished.stderr.decode()
    )


def test_a_model_of_lower_case_alone_is_noted_since_it_has_less_to_predict(
    model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    saved = load_model(model)
    saved.tokenizer = type(saved.tokenizer).of(saved.tokenizer.characters, lowercase=True)  # type: ignore[attr-defined]
    save_model(tmp_path / "lower", saved, "# Tiny\n")
    finished = run(
        "compare",
        model,
        tmp_path / "lower",
        "--file",
        text,
    )
    assert (
        f"note: {tmp_path}/lower reads all text in lower case, so it has less to predict\n" in finished.stderr.decode()
    )


def test_of_labelled_lines_all_models_are_asked_about_the_line_without_its_label(
    lines_model: Path, run: Run, tmp_path: Path
) -> None:
    labelled = with_labels(lines_model, tmp_path / "labelled")
    asked = ("compare", labelled, lines_model, "--file", "-", "--lines", "--json")
    finished = run(*asked, input="b\tcdé\ncab\n".encode())
    found = records(finished)
    own, plain = load(labelled).classify(["b\tcdé", "cab"]), load(lines_model).score_lines(["cdé", "cab"])
    assert [[*row["bits"].values()] for row in found] == [[a.bits, b.bits] for a, b in zip(own, plain, strict=True)]
    finished = run("compare", lines_model, labelled, "--file", "-", "--lines", input=b"cab\n")
    assert (finished.returncode, finished.stdout) == (2, b"")
    assert b"knows labels that" in finished.stderr


def test_every_model_runs_on_the_engine_that_is_asked_for(model: Path, mixed_model: Path, run: Run, text: Path) -> None:
    pytest.importorskip("onnxruntime")
    finished = run("compare", model, mixed_model, "--file", text, "--engine", "fast", "--json")
    for row, path in zip(records(finished), (model, mixed_model), strict=True):
        fast: LanguageModel = load(path, engine="fast")
        assert row["engine"] == "fast"
        assert row["bits_per_character"] == fast.score(TEXT).bits_per_character


def test_another_encoding_is_read_when_named(model: Path, mixed_model: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes("abé\n".encode("latin-1"))
    found = records(run("compare", model, mixed_model, "--file", path, "--encoding", "latin-1", "--json"))
    assert [row["bits_per_character"] for row in found] == [
        load(one).score("abé\n").bits_per_character for one in (model, mixed_model)
    ]


def test_a_classic_model_is_compared_by_texts_alone_since_it_predicts_no_lines_end(
    lines_model: Path, model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    tokenizer = ClassicTokenizer.of("\nabcdé☃")
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, 4, 6, 2)
    weights = {name: np.full(shape, 0.1, np.float32) for name, shape in weight_shapes(config).items()}
    classic = tmp_path / "classic"
    save_model(classic, SavedModel(config, weights, tokenizer, [], {"lines": False}), "# Tiny\n")
    rows = records(run("compare", model, classic, "--file", text, "--json"))
    assert rows[1]["bits_per_character"] == load(classic).score(TEXT).bits_per_character
    for first, other, options in (
        (model, classic, ["--lines"]),
        (classic, model, ["--lines"]),
        (lines_model, classic, []),
    ):
        finished = run("compare", first, other, "--file", text, *options)
        assert (finished.returncode, finished.stdout) == (2, b"")
        assert b"classic is classic, so it does not predict where a line ends, as " in finished.stderr
        assert finished.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--top", "3"], "--top needs --lines: give --lines too"),
        (["--with", "ngram"], "other: this model has no n-gram"),
        ([], "standard input is empty: there is nothing to score"),
        (["--lines"], "standard input is empty: there is nothing to score"),
    ],
)
def test_wrong_input_gets_one_line_and_status_2(
    options: list[str],
    says: str,
    model: Path,
    mixed_model: Path,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "other")
    finished = run("compare", mixed_model, "other", "--file", "-", *options)
    assert (finished.returncode, finished.stdout) == (2, b"")
    assert says in finished.stderr.decode()
    assert finished.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("others", "says"),
    [([], b"missing argument 'MODEL2...'"), (["no/such"], b"no model at no/such"), ([""], b"the path is empty")],
)
def test_other_models_are_named_once_each(others: list[str], says: bytes, model: Path, run: Run) -> None:
    finished = run("compare", model, *others, "--file", "-", input=b"ab\n")
    assert (finished.returncode, finished.stdout) == (2, b"")
    assert says in finished.stderr
    assert b"is named twice" in run("compare", model, model, "--file", "-", input=b"ab\n").stderr
    assert b"name one with --file" in run("compare", model, model).stderr
