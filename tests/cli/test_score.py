"""`afterword score` through the real command."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from afterword.language_model import load
from tests.cli.answers import records
from tests.cli.conftest import Run

TEXT = "abé\n\ndcb☃\n"
FIGURES = ["characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity"]


def test_several_files_are_named(model: Path, run: Run, text: Path) -> None:
    packed = text.with_suffix(".gz")
    packed.write_bytes(gzip.compress(TEXT.encode()))
    [alone] = records(run("score", model, text, "--json"))
    assert list(alone) == FIGURES
    found = records(run("score", model, text, packed, "-", "--json", input=TEXT.encode()))
    assert found == [{"file": str(name), **alone} for name in (text, packed, "-")]


def test_a_table_tells_people_the_same(model: Path, text: Path, run: Run) -> None:
    for options, bits in (
        ([], load(model).score(TEXT).bits_per_character),
        (["--lines"], load(model).score_lines(["abé"])[0].bits_per_character),
    ):
        head, first, *_ = run("score", model, text, *options).stdout.decode().splitlines()
        assert "bits per character" in head
        assert not set("_/") & set(head)
        assert "nats" not in head
        assert f"{bits:.4f}" in first


def test_a_file_name_that_is_no_text_leaves_the_json_valid(model: Path, run: Run, tmp_path: Path) -> None:
    path = bytes(tmp_path) + b"/\xff.txt"
    with open(path, "w") as file:
        file.write("ab")
    found = records(run("score", model, path, path, "--json"))
    assert [record["file"] for record in found] == [path.decode(errors="surrogateescape")] * 2


def test_the_lines_that_cost_most_come_first_as_far_as_is_asked(
    model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("aaaa\n" * 1500 + "ddddddbé\n" + "ébébébé\n", encoding="utf-8")
    every = records(run("score", model, text, other, "--lines", "--json"))
    assert [row["line"] for row in every] == [1, 2, 3, *range(1, 1503)]

    def cost(row: dict[str, Any]) -> float:
        return -float(row["bits_per_character"])

    wanted = sorted((row for row in every if row["text"]), key=cost)  # of equals the first one stays the first
    for top in (4, 10000):
        assert records(run("score", model, text, other, "--lines", "--json", "--top", str(top))) == wanted[:top]


def test_blank_lines_are_left_out_of_an_order_unless_a_model_of_lines_reads_their_spaces(
    model: Path, lines_model: Path, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "play.txt"
    path.write_text("abc\n\n \t\n\ndcb\n\n")
    for some, options, wanted in (
        (model, ["--top", "5"], {"abc", "dcb"}),
        (lines_model, ["--top", "5"], {"abc", "dcb", " \t"}),
    ):
        found = records(run("score", some, path, "--lines", "--json", *options))
        assert {row["text"] for row in found} == wanted
    assert len(records(run("score", model, path, "--lines", "--json"))) == 6


def test_the_lines_of_a_folder_are_numbered_in_each_file(model: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("one.txt", "below/two.txt"):
        (tmp_path / name).write_text("a\nb\n")
    found = records(run("score", model, tmp_path, "--lines", "--json"))
    places = [(str(tmp_path / name), line) for name in ("below/two.txt", "one.txt") for line in (1, 2)]
    assert [(row["file"], row["line"]) for row in found] == places
