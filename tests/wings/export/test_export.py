"""`afterword export`: each file that is asked for, or one line and nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.answers import fine
from tests.cli.conftest import Run


def test_several_formats_are_written_at_once_and_each_says_what_it_lacks(
    mixed_model: Path, tmp_path: Path, run: Run
) -> None:
    done = fine(run("export", mixed_model, "--onnx", tmp_path / "book.onnx", "--keras", tmp_path / "book.keras"))
    lines = done.stderr.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["wrote", "note:", "wrote", "note:"]
    assert "without the n-gram" in lines[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.keras", "book.onnx"]


def test_an_option_is_for_the_formats_that_take_it(mixed_model: Path, tmp_path: Path, run: Run) -> None:
    both = ("--js", tmp_path / "book.js", "--html", tmp_path / "book.html")
    done = fine(run("export", mixed_model, *both, "--title", "A <book>", "--ngram-megabytes", "0"))
    assert "<h1>A &lt;book&gt;</h1>" in (tmp_path / "book.html").read_text(encoding="utf-8")
    assert done.stderr.count(b"the file reveals the tokens of") == 2
    notes = fine(run("export", mixed_model, "--js", tmp_path / "mixed.js")).stderr.decode()
    assert "all n-grams are kept" in notes
    assert "the file reveals nearly all of the training text, 8 tokens at a time" in notes


def test_types_are_written_beside_a_module_but_never_over_a_file_of_the_users(
    model: Path, tmp_path: Path, run: Run
) -> None:
    asked = ("export", model, "--js", tmp_path / "book.mjs", "--overwrite")
    for _ in range(2):
        fine(run(*asked))
        assert "export interface Model" in (tmp_path / "book.d.mts").read_text(encoding="utf-8")
    (tmp_path / "book.d.mts").write_text("mine")
    assert b"book.d.mts exists and is not from export" in fine(run(*asked)).stderr
    assert (tmp_path / "book.d.mts").read_text() == "mine"
