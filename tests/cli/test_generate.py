"""`afterword generate` through the real command."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.operations.train import train
from afterword.text.encoded import SPLITS, EncodedCorpus
from tests.cli.answers import printed
from tests.cli.conftest import Run
from tests.processes import running, until


def test_a_seed_that_nobody_gave_is_told_and_writes_the_text_again(model: Path, run: Run) -> None:
    first = run("generate", model, "--max-tokens", "40")
    note = first.stderr.decode()
    assert note.startswith("seed ")
    again = run("generate", model, "--max-tokens", "40", "--seed", note.split()[1])
    assert (printed(again), again.stderr) == (printed(first), b"")
    assert run("generate", model, "--max-tokens", "40", "-t", "0").stderr == b""  # which depends on no seed


def test_a_prompt_comes_from_a_file_or_from_standard_input_and_what_is_typed_most_has_a_letter(
    model: Path, run: Run, tmp_path: Path
) -> None:
    file, out = tmp_path / "prompt", tmp_path / "out"
    file.write_bytes("ab\r\né\n".encode())  # without its last newline
    options = ["--seed", "4", "--max-tokens", "10", "--temperature", "0.5", "--num", "2"]
    wanted = printed(run("generate", model, "--prompt", "ab\né", *options))
    assert printed(run("generate", model, "--prompt-file", file, *options)) == wanted
    assert printed(run("generate", model, "--prompt-file", "-", *options, input="ab\né\n".encode())) == wanted
    assert printed(run("generate", model, "--prompt", "-", *options, input="ab\né".encode())) == wanted
    letters = ["-p", "ab\né", "-t", "0.5", "-n", "2", "-o", out]
    assert printed(run("generate", model, *letters, "--seed", "4", "--max-tokens", "10")) == ""
    assert out.read_text("utf-8") == wanted


def test_many_samples_are_those_of_their_seeds(mixed_model: Path, lines_model: Path, run: Run) -> None:
    asked = ("--prompt", "ab", "--seed", "5", "--max-tokens", "20", "--temperature", "1.5")
    model = load(mixed_model)
    for num in (30, 1):
        done = run("generate", mixed_model, "--num", str(num), *asked)
        texts = [str(model.generate("ab", seed=5 + k, max_tokens=20, temperature=1.5)) for k in range(num)]
        texts = [text if text.endswith("\n") else text + "\n" for text in texts]
        assert (printed(done), done.stderr) == ("---\n".join(texts), b"")
    shown = printed(run("generate", lines_model, "--num", "4", "--seed", "1")).splitlines()
    assert shown == [load(lines_model).generate(seed=seed).text for seed in range(1, 5)]


def test_ctrl_c_keeps_the_samples_that_are_complete(lines_model: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "names.txt"
    command: list[str | Path] = [sys.executable, "-m", "afterword", "generate", lines_model]
    command += ["--num", "100000000", "--seed", "5", "--out", out]
    with running(command, stderr=subprocess.PIPE) as process:
        until(lambda: any(part.stat().st_size > 500 for part in tmp_path.glob(".names.txt.*.part")))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    lines = out.read_text("utf-8").splitlines(keepends=True)
    assert err.decode() == f"interrupted: {len(lines):,} of 100,000,000 samples are complete\n"
    assert lines[:5] == [str(load(lines_model).generate(seed=5 + k)) + "\n" for k in range(5)]
    assert list(tmp_path.iterdir()) == [out]


def test_unique_and_novel_lines_are_those_of_further_seeds(run: Run, tmp_path: Path) -> None:
    lines = [f"{a}{b}{c}" for a in "abcd" for b in ["", *"abcd"] for c in ["", *"abcd"]]
    out = tmp_path / "run"
    loaded = train(text=lines, out=out, lines=True, base="none", steps=20, threads=1, hidden_size=8)
    options = ["--num", "25", "--seed", "5", "--temperature", "1.5"]
    done = run("generate", out, *options, "--unique", "--novel")
    assert re.search(rb"^wrote 25 of 25 lines, \d+ seeds tried$", done.stderr, re.MULTILINE)
    kept = {line for part in SPLITS for line in EncodedCorpus.open(out / "corpus").texts(part)}
    assert kept == set(lines)
    written = [str(one) for one in loaded.samples(num=300, seed=5, temperature=1.5)]
    assert "" in written  # an empty line is not a new one
    new = [line for line in written if line and line not in kept]
    assert printed(done).splitlines() == [*dict.fromkeys(new)][:25]
    assert printed(run("generate", out, *options, "--novel")).splitlines() == new[:25]


def test_new_lines_of_a_label_are_compared_with_that_labels_lines_alone(run: Run, tmp_path: Path) -> None:
    words = ["".join(word) for word in itertools.product("ab", repeat=6)]
    out = tmp_path / "run"
    lines = [f"{'x' if k % 2 else 'y'}\t{word}" for k, word in enumerate(words)]
    train(text=lines, out=out, labels=True, base="none", steps=1, threads=1, hidden_size=8)
    options = ["--label", "x", "--num", "10", "--seed", "1", "--unique", "--pattern", "[ab]{6}"]
    every, new = (printed(run("generate", out, *options, *more)).splitlines() for more in ([], ["--novel"]))
    assert len({*new}) == 10
    assert not {f"x\t{line}" for line in new} & {*lines}
    assert {f"y\t{line}" for line in new} & {*lines}
    assert {f"x\t{line}" for line in every} & {*lines}


def test_what_was_found_is_kept_where_no_more_new_lines_come(
    lines_model: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterword.generation.writer.LAST", 1000)
    out = tmp_path / "lines.txt"
    done = run("generate", lines_model, "--num", "9", "--seed", "5", "--unique", "--pattern", "ab", "--out", out)
    assert done.returncode == 1
    assert b"error: wrote 1 of 9 lines, 1,000 seeds tried: fewer than 1 in 100 of the last" in done.stderr
    assert out.read_text("utf-8") == "ab\n"
