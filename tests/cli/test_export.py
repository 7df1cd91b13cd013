"""`afterword export` and `afterword import`: each file that is asked for, or one line and nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterword.cli import main as command
from afterword.errors import OptionError
from afterword.interchange.export_formats import FORMATS
from afterword.language_model import load


def exported(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        command.main(["export", *map(str, arguments)])
    return int(str(left.value.code))


def test_several_formats_are_written_at_once_and_each_says_what_it_lacks(
    mixed_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exported(mixed_model, "--onnx", tmp_path / "book.onnx", "--torch", tmp_path / "torch") == 0
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["wrote", "note:", "wrote", "note:"]
    assert "without the n-gram" in lines[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.onnx", "torch"]


def test_an_option_needs_a_format_that_takes_it(
    mixed_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exported(mixed_model, "--js", tmp_path / "book.js", "--title", "A book") == 2
    assert "error: --title needs --html: give --html too\n" in capfd.readouterr().err
    both = ("--js", tmp_path / "book.js", "--html", tmp_path / "book.html")
    assert exported(mixed_model, *both, "--title", "A <book>", "--ngram-megabytes", 0) == 0
    assert "<h1>A &lt;book&gt;</h1>" in (tmp_path / "book.html").read_text(encoding="utf-8")
    notes = capfd.readouterr().err
    assert notes.count("the file reveals the tokens of") == 2
    assert exported(mixed_model, "--js", tmp_path / "mixed.js") == 0
    notes = capfd.readouterr().err
    assert "all n-grams are kept: the text that the model writes costs 0.0" in notes
    assert "the file reveals nearly all of the training text, 8 tokens at a time" in notes
    with pytest.raises(OptionError, match="author= is not an option of js"):
        load(mixed_model).export("js", tmp_path / "other.js", author="me")
    with pytest.raises(OptionError, match="weight_bytes= must be 2 or less"):
        load(mixed_model).export("js", tmp_path / "other.js", weight_bytes=4)


def test_types_are_written_beside_a_module_but_never_over_a_file_of_the_users(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert exported(model, "--js", tmp_path / "book.mjs", "--overwrite") == 0
        assert "export interface Model" in (tmp_path / "book.d.mts").read_text(encoding="utf-8")
    (tmp_path / "book.d.mts").write_text("mine")
    assert exported(model, "--js", tmp_path / "book.mjs", "--overwrite") == 0
    assert "book.d.mts exists and is not from export" in capfd.readouterr().err
    assert (tmp_path / "book.d.mts").read_text() == "mine"


def test_a_folder_is_never_replaced(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "book").mkdir()  # an empty one is as good as a new one
    assert exported(model, "--torch", tmp_path / "book") == 0
    files = sorted(path.name for path in (tmp_path / "book").iterdir())
    assert files == ["config.json", "model.safetensors", "tokenizer.json", "write.py"]
    capfd.readouterr()
    for place in (tmp_path / "book", tmp_path / "book" / "write.py", "-"):
        assert exported(model, "--torch", place, "--overwrite") == 2
        assert "exists already: name a new folder" in capfd.readouterr().err
    assert exported(model, "--torch", "") == 2
    assert exported(model, "--torch", tmp_path / "missing" / "book") == 2
    assert "does not exist" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["book"]


def test_without_a_format_the_error_names_all_of_them(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert exported(model) == 2
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert all(f"--{name.replace('_', '-')}" in line for name in FORMATS)


def test_what_python_cannot_export_is_refused(mixed_model: Path, tmp_path: Path) -> None:
    model = load(mixed_model)
    with pytest.raises(OptionError, match="format must be one of html, js"):
        model.export("pickle", tmp_path / "x")
    with pytest.raises(OptionError, match="a held model cannot be exported"):
        model.hold("forget=1").export("onnx", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_exported_for_pytorch_is_imported(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exported(model, "--torch", tmp_path / "torch") == 0
    file, out = str(tmp_path / "torch" / "model.safetensors"), str(tmp_path / "again")
    (tmp_path / "torch" / "vocabulary.json").write_text(json.dumps(["a"]))
    for arguments, status, says in (
        ([file], 2, "--out is missing: name the new model's folder"),
        ([file, "--out", out, "--vocabulary", str(tmp_path / "torch" / "vocabulary.json")], 2, "has 1 characters"),
        ([file, "--out", out], 0, "2 × 6 LSTM, 6 characters"),
        ([file, "--out", out], 2, "exists already: name a new folder"),
    ):
        with pytest.raises(SystemExit) as left:
            command.main(["import", *arguments])
        assert left.value.code == status
        assert says in capfd.readouterr().err
    assert load(out).score("abc").token_nats.tolist() == load(model).score("abc").token_nats.tolist()
