"""`afterword generate` through the real command."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.operations.train import train
from afterword.text.encoded import SPLITS, EncodedCorpus
from tests.cli.answers import printed, records
from tests.cli.conftest import Run
from tests.processes import running, until


def ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def test_a_seed_that_nobody_gave_is_told_and_writes_the_text_again(model: Path, run: Run) -> None:
    first = run("generate", model, "--max-tokens", "40")
    note = first.stderr.decode()
    assert note.startswith("seed ")
    again = run("generate", model, "--max-tokens", "40", "--seed", note.split()[1])
    assert (printed(again), again.stderr) == (printed(first), b"")
    assert run("generate", model, "--max-tokens", "40", "-t", "0").stderr == b""  # which depends on no seed


def test_a_prompt_comes_from_a_file_or_from_standard_input_without_its_last_newline(
    model: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "prompt"
    file.write_bytes("ab\r\né\n".encode())
    options = ["--seed", "4", "--max-tokens", "10"]
    wanted = printed(run("generate", model, "--prompt", "ab\né", *options))
    assert printed(run("generate", model, "--prompt-file", file, *options)) == wanted
    assert printed(run("generate", model, "--prompt-file", "-", *options, input="ab\né\n".encode())) == wanted
    piped = run("generate", model, "--prompt", "-", *options, "--json", input="ab\né".encode())
    assert json.loads(printed(piped))["prompt"] == "ab\né"


def test_what_is_typed_most_has_a_letter(model: Path, run: Run, tmp_path: Path) -> None:
    long = ("--prompt", "ab", "--temperature", "0.5", "--num", "2", "--out", tmp_path / "long")
    short = ("-p", "ab", "-t", "0.5", "-n", "2", "-o", tmp_path / "short")
    assert [printed(run("generate", model, "--seed", "4", *options)) for options in (long, short)] == ["", ""]
    assert (tmp_path / "long").read_text("utf-8") == (tmp_path / "short").read_text("utf-8")


def test_many_samples_are_those_of_their_seeds(mixed_model: Path, lines_model: Path, run: Run) -> None:
    loaded, lines = load(mixed_model), load(lines_model)
    for prompt, num in (("ab", 30), ("abé", 1), (None, 1)):
        asked = ["--num", str(num), *(["--prompt", prompt] if prompt else [])]
        done = run("generate", mixed_model, *asked, "--seed", "5", "--max-tokens", "20", "--temperature", "1.5")
        texts = [str(loaded.generate(prompt, seed=5 + k, max_tokens=20, temperature=1.5)) for k in range(num)]
        assert (printed(done), done.stderr) == ("---\n".join(map(ended, texts)), b"")
    shown = printed(run("generate", lines_model, "--num", "4", "--seed", "1")).splitlines()
    assert shown == [lines.generate(seed=seed).text for seed in range(1, 5)]


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
    text = tmp_path / "names.txt"
    text.write_text("".join(f"{a}{b}{c}\n" for a in "abcd" for b in ["", *"abcd"] for c in ["", *"abcd"]))
    out = tmp_path / "run"
    loaded = train(text, out=out, lines=True, base="none", steps=30, threads=1, hidden_size=8)
    options = ["--num", "25", "--seed", "5", "--temperature", "1.5"]
    done = run("generate", out, *options, "--unique", "--novel")
    found = printed(done).splitlines()
    assert re.search(rb"^wrote 25 of 25 lines, \d+ seeds tried$", done.stderr, re.MULTILINE)
    corpus = EncodedCorpus.open(out / "corpus")
    kept = {line for part in SPLITS for line in corpus.texts(part)}
    assert kept == set(text.read_text().split())
    assert len(found) == len(set(found)) == 25
    assert not kept & set(found)
    lines = dict.fromkeys(str(loaded.generate(seed=seed, temperature=1.5)) for seed in range(5, 305))
    assert "" in lines  # an empty line is not a new one
    assert found == [line for line in lines if line and line not in kept][:25]
    again = records(run("generate", out, *options, "--novel", "--json"))
    assert all(record["text"] not in kept for record in again)


def test_what_was_found_is_kept_where_no_more_new_lines_come(
    lines_model: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterword.generation.writer.LAST", 1000)
    out = tmp_path / "lines.txt"
    done = run("generate", lines_model, "--num", "9", "--seed", "5", "--unique", "--pattern", "ab", "--out", out)
    assert done.returncode == 1
    assert b"error: wrote 1 of 9 lines, 1,000 seeds tried: fewer than 1 in 100 of the last" in done.stderr
    assert out.read_text("utf-8") == "ab\n"
