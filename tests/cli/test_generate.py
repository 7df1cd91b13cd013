"""`afterword generate` through the real command."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.cli import main as command
from afterword.generation.texts import Sample
from afterword.language_model import load
from afterword.operations import generate as operation_of_generate
from afterword.operations.work import Work
from afterword.text.encoded import SPLITS, EncodedCorpus
from tests.processes import running, until

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def written(finished: subprocess.CompletedProcess[bytes]) -> str:
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.decode()


def test_the_output_is_the_prompt_and_what_the_model_writes(model: Path, run: Run) -> None:
    finished = run("generate", model, "--prompt", "abé", "--seed", "4", "--max-tokens", "40", "--temperature", "1")
    text = load(model).generate("abé", seed=4, max_tokens=40, temperature=1).text
    assert written(finished) == "abé" + text + ("" if text.endswith("\n") else "\n")
    assert finished.stderr == b""


def test_without_a_length_running_text_finishes_its_sentence_and_a_rule_refuses_to(model: Path, run: Run) -> None:
    cases: list[dict[str, Any]] = [{}, {"sentences": 2, "max_tokens": 40}, {"max_tokens": 30, "finish_sentence": True}]
    for options in cases:
        said = [f"--{name.replace('_', '-')}" + f"={value}" * (value is not True) for name, value in options.items()]
        found = json.loads(written(run("generate", model, "--seed", "4", "--json", *said)))
        sample = load(model).generate(seed=4, **options)
        assert (found["text"], found["finish_reason"]) == (sample.text, sample.finish_reason)
    refused = run("generate", model, "--only", "ab", "--sentences", "2")
    assert (refused.returncode, refused.stderr) == (
        2,
        b"error: --sentences and a rule exclude each other: give one of them\n",
    )


def test_without_a_prompt_only_what_the_model_writes_is_shown(model: Path, run: Run) -> None:
    text = load(model).generate(seed=4, max_tokens=40).text
    assert written(run("generate", model, "--seed", "4", "--max-tokens", "40")).rstrip("\n") == text.rstrip("\n")


def test_a_seed_that_nobody_gave_is_told_and_writes_the_text_again(model: Path, run: Run) -> None:
    first = run("generate", model, "--max-tokens", "40")
    note = first.stderr.decode()
    assert note.startswith("seed ")
    again = run("generate", model, "--max-tokens", "40", "--seed", note.split()[1])
    assert (written(again), again.stderr) == (written(first), b"")


def test_a_text_that_depends_on_no_seed_shows_none(model: Path, run: Run) -> None:
    assert run("generate", model, "--max-tokens", "40", "-t", "0").stderr == b""


def test_new_lines_that_cost_much_more_than_held_out_ones_are_noted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operation_of_generate, "TYPICAL", 3)
    notes, work = list[str](), Work()
    monkeypatch.setattr(work, "note", notes.append)
    check_cost = operation_of_generate._cost_check(2.0, work)
    for bits in (2.0, 2.4, 3.0, 3.0):  # per character
        for _ in range(3):
            check_cost(Sample("", "abc", 4, -4 * bits * math.log(2), "stop", 0))
    [note] = notes
    assert note.startswith("the last 3 lines cost 3.00 bits per character, held-out ones 2.00")


def test_a_prompt_comes_from_a_file_or_from_standard_input_without_its_last_newline(
    model: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "prompt"
    file.write_bytes("ab\r\né\n".encode())
    options = ["--seed", "4", "--max-tokens", "10"]
    wanted = written(run("generate", model, "--prompt", "ab\né", *options))
    assert written(run("generate", model, "--prompt-file", file, *options)) == wanted
    assert written(run("generate", model, "--prompt-file", "-", *options, input="ab\né\n".encode())) == wanted
    piped = run("generate", model, "--prompt", "-", *options, "--json", input="ab\né".encode())
    assert json.loads(written(piped))["prompt"] == "ab\né"


def test_what_is_typed_most_has_a_letter(model: Path, run: Run, tmp_path: Path) -> None:
    long = ["--prompt", "ab", "--temperature", "0.5", "--num", "2", "--out", "long"]
    short = ["-p", "ab", "-t", "0.5", "-n", "2", "-o", "short"]
    for options in (long, short):
        options[-1] = str(tmp_path / options[-1])
        written(run("generate", model, "--seed", "4", *options))
    assert (tmp_path / "long").read_text("utf-8") == (tmp_path / "short").read_text("utf-8")


def test_json_stands_alone_on_standard_output_an_object_a_sample(model: Path, run: Run) -> None:
    finished = run("generate", model, "--num", "3", "--seed", str(2**64 - 2), "--json", "--prompt", "é")
    records = [json.loads(line) for line in written(finished).splitlines()]
    names = ["prompt", "text", "tokens", "log_probability", "finish_reason", "seed"]
    assert [list(record) for record in records] == [names] * 3
    assert [record["seed"] for record in records] == [2**64 - 2, 2**64 - 1, 0]
    assert records[2]["text"] == load(model).generate("é", seed=0).text
    assert records[0]["prompt"] == "é"


def test_samples_of_running_text_are_set_apart_and_lines_stand_on_a_line_each(
    model: Path, lines_model: Path, run: Run
) -> None:
    samples = written(run("generate", model, "--num", "3", "--seed", "1", "--max-tokens", "20")).split("---\n")
    assert len(samples) == 3
    assert all(sample.endswith("\n") for sample in samples)
    lines = written(run("generate", lines_model, "--num", "4", "--seed", "1")).splitlines()
    assert lines == [load(lines_model).generate(seed=seed).text for seed in range(1, 5)]


def test_out_writes_the_file_and_nothing_else(model: Path, run: Run, tmp_path: Path) -> None:
    finished = run("generate", model, "--seed", "4", "--out", tmp_path / "text")
    assert written(finished) == ""
    assert (tmp_path / "text").read_text("utf-8") == written(run("generate", model, "--seed", "4"))
    assert os.listdir(tmp_path) == ["text"]


def test_out_writes_into_a_device_and_leaves_it_one(model: Path, run: Run) -> None:
    assert written(run("generate", model, "--seed", "4", "--max-tokens", "5", "--out", "/dev/stdout")) != ""
    assert written(run("generate", model, "--seed", "4", "--max-tokens", "5", "--out", "/dev/null")) == ""
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--max-tokens", "-1"], "max-tokens must be 0 or more, not -1"),
        (["--temperature", "-0.5"], "temperature must be 0 or more, not -0.5"),
        (["--temperature", "nan"], "temperature must be a finite number, not nan"),
        (["--temperature", "inf"], "temperature must be a finite number, not inf"),
        (["--top-k", "-3"], "top-k must be 0 or more, not -3"),
        (["--top-p", "0"], "top-p must be above 0, not 0.0"),
        (["--top-p", "1.5"], "top-p must be 1 or less, not 1.5"),
        (["--min-p", "1"], "min-p must be below 1, not 1.0"),
        (["--stop", ""], "stop must be text of at least one character"),
        (["--num", "0"], "num must be 1 or more, not 0"),
        (["--seed", "-1"], "seed must be 0 or more, not -1"),
        (["--seed", str(2**64)], "seed must be 18446744073709551615 or less"),
        (["--prompt", "a\udcff"], "lone surrogate"),
        (["--prompt", "a", "--prompt-file", "b"], "--prompt cannot be used with --prompt-file"),
        (["--prompt-file", "no/such/file"], "cannot read no/such/file"),
    ],
)
def test_an_option_that_cannot_be_gets_one_line_and_status_2(
    model: Path, options: list[str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["generate", str(model), "--seed", "1", *options])
    out, err = capfd.readouterr()
    assert left.value.code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    "options",
    [
        ["--temperature", "1e-30"],
        ["--temperature", "0"],
        ["--top-k", "1000000"],
        ["--top-p", "1e-9"],
        ["--max-tokens", "0"],
        ["--prompt", ""],
        ["--prompt", "Ünseen ☃"],
        ["--max-tokens", "1000000000000", "--stop", "a"],
    ],
)
def test_an_extreme_that_can_be_is_no_trouble(
    model: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["generate", str(model), "--seed", "1", *options])
    out, err = capfd.readouterr()
    assert (left.value.code, err) == (0, "")
    assert out.endswith("\n")


def test_many_samples_are_those_of_their_seeds(mixed_model: Path, lines_model: Path, run: Run) -> None:
    options = ["--num", "30", "--seed", "5", "--max-tokens", "20", "--temperature", "1.5", "--prompt", "ab"]
    loaded = load(mixed_model)
    texts = [str(loaded.generate("ab", seed=5 + k, max_tokens=20, temperature=1.5)) for k in range(30)]
    shown = "---\n".join(text if text.endswith("\n") else text + "\n" for text in texts)
    assert written(run("generate", mixed_model, *options)) == shown
    records = [json.loads(line) for line in written(run("generate", mixed_model, *options, "--json")).splitlines()]
    assert [record["prompt"] + record["text"] for record in records] == texts
    assert [record["seed"] for record in records] == list(range(5, 35))
    assert len(written(run("generate", lines_model, *options)).splitlines()) >= 30


def test_ctrl_c_keeps_the_samples_that_are_complete(lines_model: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "names.txt"
    command: list[str | Path] = [sys.executable, "-m", "afterword", "generate", lines_model]
    command += ["--num", "100000000", "--seed", "5", "--out", out]
    with running(command, stderr=subprocess.PIPE) as process:
        until(lambda: any(part.stat().st_size > 5000 for part in tmp_path.glob(".names.txt.*.part")))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    lines = out.read_text("utf-8").splitlines(keepends=True)
    assert err.decode() == f"interrupted: {len(lines):,} of 100,000,000 samples are complete\n"
    assert lines[:5] == [str(load(lines_model).generate(seed=5 + k)) + "\n" for k in range(5)]
    assert list(tmp_path.iterdir()) == [out]


def test_unique_and_novel_lines_are_those_of_further_seeds(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "names.txt"
    text.write_text("".join(f"{a}{b}{c}\n" for a in "abcd" for b in ["", *"abcd"] for c in ["", *"abcd"]))
    out = tmp_path / "run"
    settings = ["--lines", "--base", "none", "--steps", "30", "--threads", "1", "--hidden-size", "8", "--out", out]
    assert run("train", text, *settings).returncode == 0
    options = ["--num", "25", "--seed", "5", "--temperature", "1.5"]
    done = run("generate", out, *options, "--unique", "--novel")
    found = written(done).splitlines()
    assert re.search(rb"^wrote 25 of 25 lines, \d+ seeds tried$", done.stderr, re.MULTILINE)
    corpus = EncodedCorpus.open(out / "corpus")
    kept = {line for part in SPLITS for line in corpus.texts(part)}
    assert kept == set(text.read_text().split())
    assert len(found) == len(set(found)) == 25
    assert not kept & set(found)
    loaded = load(out)
    lines = dict.fromkeys(str(loaded.generate(seed=seed, temperature=1.5)) for seed in range(5, 305))
    assert "" in lines  # an empty line is not a new one
    assert found == [line for line in lines if line and line not in kept][:25]
    again = written(run("generate", out, *options, "--novel", "--json")).splitlines()
    assert all(json.loads(line)["text"] not in kept for line in again)


def test_where_no_more_new_lines_come_it_says_so(lines_model: Path, run: Run) -> None:
    done = run("generate", lines_model, "--num", "9", "--seed", "5", "--unique", "--pattern", "ab")
    assert done.returncode == 1
    assert b"error: wrote 1 of 9 lines, 10,000 seeds tried: fewer than 1 in 1,000 of the last" in done.stderr
    assert done.stdout == b"ab\n"


def test_new_lines_are_refused_where_there_are_no_lines_or_no_text(model: Path, lines_model: Path, run: Run) -> None:
    refused = run("generate", model, "--unique")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"--unique and --novel are for models of lines" in refused.stderr
    assert b"is not available: give the folder of its run" in run("generate", lines_model, "--novel").stderr
