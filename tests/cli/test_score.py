"""`afterword score` through the real command."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

import pytest

from afterword.cli import main as command
from afterword.cli.command import CommandWork
from afterword.language_model import load
from afterword.settings import ignore_progress
from tests.cli.answers import records
from tests.processes import running

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
TEXT = "abé\n\ndcb☃\n"
FIGURES = ["characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_json_is_one_object_with_the_scores_figures(model: Path, run: Run, text: Path) -> None:
    [record] = records(run("score", model, text, "--json"))
    score = load(model).score(TEXT)
    assert list(record) == FIGURES
    assert record == {name: getattr(score, name) for name in FIGURES}


def test_several_files_are_named_and_a_gzip_and_standard_input_score_the_same(
    model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "text.gz"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    found = records(run("score", model, text, packed, "-", "--json", input=TEXT.encode()))
    assert [record.pop("file") for record in found] == [str(text), str(packed), "-"]
    assert found[0] == found[1] == found[2]


def test_lines_are_one_object_each_with_the_files_line_numbers(model: Path, run: Run, text: Path) -> None:
    found = records(run("score", model, text, "--lines", "--json"))
    expected = load(model).score_lines(["abé", "", "dcb☃"])
    names = ["line", "text", "bits", "bits_per_character"]
    assert [list(record) for record in found] == [names] * 3
    assert found == [{name: getattr(line, name) for name in names} for line in expected]
    assert [record["line"] for record in found] == [1, 2, 3]


def test_a_model_of_lines_scores_each_line_afresh_with_its_end_and_no_empty_ones(
    lines_model: Path, run: Run, text: Path
) -> None:
    [record] = records(run("score", lines_model, text, "--json"))
    lines = load(lines_model).score_lines(["abé", "dcb☃"])
    assert record["characters"] == 4 + 5
    assert record["tokens"] == sum(line.tokens for line in lines)
    nats = record["nats_per_character"]
    assert isinstance(nats, float)
    assert math.isclose(nats * 9, sum(line.nats for line in lines))


@pytest.mark.parametrize(("options", "counted"), [([], {"bytes": 13}), (["--lines"], {"lines": 3})])
def test_progress_is_json_beside_the_answers(
    model: Path, run: Run, options: list[str], counted: dict[str, int]
) -> None:
    done = run("score", model, "-", "--json", *options, "--progress", "json", input=TEXT.encode())
    records(done)
    *_, last = map(json.loads, done.stderr.splitlines())
    assert counted.items() <= last.items()
    quiet = run("score", model, "-", "--json", *options, "--progress", "none", input=TEXT.encode())
    assert (quiet.stdout, quiet.stderr) == (done.stdout, b"")


def test_a_table_tells_people_the_same(model: Path, text: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for options, bits in (
        ([], load(model).score(TEXT).bits_per_character),
        (["--lines"], load(model).score_lines(["abé"])[0].bits_per_character),
    ):
        with pytest.raises(SystemExit):
            command.main(["score", str(model), str(text), *options])
        head, first, *_ = capfd.readouterr().out.splitlines()
        assert "bits per character" in head
        assert not set("_/") & set(head)
        assert "nats" not in head
        assert f"{bits:.4f}" in first


def test_another_encoding_is_read_when_named(model: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes("abé\n".encode("latin-1"))
    [record] = records(run("score", model, path, "--encoding", "latin-1", "--json"))
    assert record["bits_per_character"] == load(model).score("abé\n").bits_per_character


def test_an_empty_text_is_refused_because_its_cost_would_look_like_a_perfect_fit(
    model: Path, lines_model: Path, run: Run
) -> None:
    for some, input in ((model, b""), (lines_model, b"\n\n")):
        finished = run("score", some, "-", "--json", input=input)
        assert (finished.returncode, finished.stdout) == (2, b"")
        assert finished.stderr == b"error: standard input is empty: there is nothing to score\n"


def test_a_file_name_that_is_no_text_leaves_the_json_valid(model: Path, run: Run, tmp_path: Path) -> None:
    path = bytes(tmp_path) + b"/\xff.txt"
    with open(path, "w") as file:
        file.write("ab")
    found = records(run("score", model, path, path, "--json"))
    assert [record["file"] for record in found] == [path.decode(errors="surrogateescape")] * 2


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (None, [], "cannot read"),
        (b"ab\xffcd", [], "encoding"),
        (b"ab", ["--encoding", "klingon"], "unknown encoding 'klingon'"),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_line_and_status_2(
    model: Path,
    tmp_path: Path,
    content: bytes | None,
    options: list[str],
    says: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as left:
        command.main(["score", str(model), str(path), *options])
    out, err = capfd.readouterr()
    assert (left.value.code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err


def test_a_model_with_an_n_gram_tells_each_part_and_predicts_with_the_one_that_is_asked_for(
    mixed_model: Path, run: Run, text: Path
) -> None:
    [both] = records(run("score", mixed_model, text, "--json"))
    assert list(both) == [*FIGURES, "lstm", "ngram", "both"]
    assert both["nats_per_character"] == both["both"]
    for name in ("lstm", "ngram"):
        [alone] = records(run("score", mixed_model, text, "--json", "--with", name))
        assert alone["nats_per_character"] == both[name] == alone[name]
    assert "ngram" not in records(run("score", mixed_model, text, "--json", "--with", "lstm"))[0]


def test_a_model_without_an_n_gram_cannot_predict_with_it(model: Path, run: Run, text: Path) -> None:
    finished = run("score", model, text, "--with", "ngram")
    assert finished.returncode == 2
    assert finished.stderr.startswith(b"error: this model has no n-gram")
    assert finished.stderr.count(b"\n") == 1


def test_the_lines_that_cost_most_come_first_as_far_as_is_asked(
    model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("aaaa\n" * 1500 + "ddddddbé\n" + "ébébébé\n", encoding="utf-8")
    every = records(run("score", model, text, other, "--lines", "--json"))
    assert [row["line"] for row in every] == [1, 2, 3, *range(1, 1503)]
    for options, key in (
        (["--sort", "bits"], "bits"),
        (["--sort", "bits-per-character"], "bits_per_character"),
        (["--top", "4"], "bits_per_character"),
        (["--top", "4", "--sort", "bits"], "bits"),
        (["--top", "10000"], "bits_per_character"),
    ):
        found = records(run("score", model, text, other, "--lines", "--json", *options))
        wanted = sorted(
            filter(itemgetter("text"), every), key=lambda row: -float(str(row[key]))
        )  # of equals the first one stays the first
        assert found == wanted[: int(options[1])] if "--top" in options else found == wanted


def test_blank_lines_are_left_out_of_an_order_unless_a_model_of_lines_reads_their_spaces(
    model: Path, lines_model: Path, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "play.txt"
    path.write_text("abc\n\n \t\n\ndcb\n\n")
    for some, options, wanted in (
        (model, ["--top", "5"], {"abc", "dcb"}),
        (model, ["--sort", "bits"], {"abc", "dcb"}),
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


def test_a_reader_that_has_enough_ends_the_command_quietly_with_status_0(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("abcd\n" * 20_000)
    command = [sys.executable, "-m", "afterword", "score", str(model), str(path), "--lines"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"bits" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_the_lines_that_cost_most_are_a_table_too(model: Path, text: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["score", str(model), str(text), "--lines", "--top", "1"])
    head, line = capfd.readouterr().out.splitlines()
    assert re.split(" {2,}", head.strip()) == ["line", "bits", "bits per character", "text"]
    most = max(load(model).score_lines(["abé", "", "dcb☃"]), key=lambda line: line.bits_per_character)
    assert line.split()[:2] == [str(most.line), f"{most.bits:.4f}"]


def test_a_ranking_is_printed_when_its_bar_is_gone(
    model: Path, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list[str]()

    @contextlib.contextmanager
    def waiting(*_: object, **more: object) -> Iterator[Callable[..., None]]:
        yield ignore_progress
        before.append(capsys.readouterr().out)

    monkeypatch.setattr(CommandWork, "progress", waiting)
    with pytest.raises(SystemExit):
        command.main(["score", str(model), str(text), "--lines", "--top", "1"])
    assert before == [""]
    assert "dcb☃" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--top", "3"], "--top needs --lines: give --lines too"),
        (["--sort", "bits"], "give --lines too"),
        (["--lines", "--top", "0"], "--top must be 1 or more, not 0"),
        (["--lines", "--sort", "length"], "--sort must be one of bits-per-character, bits, not length"),
    ],
)
def test_a_wrong_order_gets_one_line_and_status_2(options: list[str], says: str, run: Run, model: Path) -> None:
    finished = run("score", model, "-", *options)
    assert (finished.returncode, finished.stdout) == (2, b"")
    assert says in finished.stderr.decode()
    assert finished.stderr.count(b"\n") == 1
