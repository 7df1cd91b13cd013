"""Labelled lines through the real command: learned, written by label, told apart."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.text.encoded import EncodedCorpus
from tests.cli.conftest import Run

KINDS = {"vowel": "aeio", "b_d": "bcdf"}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "words.txt"
    words = ((kind, "".join(word)) for kind in KINDS for word in itertools.product(KINDS[kind], repeat=4))
    path.write_text("".join(f"{kind}\t{word}\n" for kind, word in words))
    return path


@pytest.fixture(scope="module")
def labelled(run: Run, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to tell the two kinds apart, from a config file and a pipe."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "settings.toml").write_text(
        'labels = true\nbase = "none"\nhidden-size = 32\nbatch-size = 32\ndropout = 0\nthreads = 1\n'
        "steps = 250\nlearning-rate = 0.03\n"
    )
    options = ["--config", folder / "settings.toml", "--out", folder / "run"]
    trained = run("train", "-", *options, input=text.read_bytes())
    assert trained.returncode == 0, trained.stderr.decode()
    assert b" lines with 2 labels " in trained.stderr
    return folder / "run"


def answered(finished: subprocess.CompletedProcess[bytes]) -> str:
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.decode()


def test_lines_of_a_kind_are_written_without_the_label(labelled: Path, run: Run) -> None:
    model = load(labelled)
    for num in (3, 20):
        options = ["--label", "vowel", "--num", str(num), "--seed", "1"]
        wanted = [str(model.generate(label="vowel", seed=1 + k)) for k in range(num)]
        assert answered(run("generate", labelled, *options)).splitlines() == wanted
        records = [json.loads(line) for line in answered(run("generate", labelled, *options, "--json")).splitlines()]
        assert [(record["label"], record["prompt"], record["text"]) for record in records] == [
            ("vowel", "", line) for line in wanted
        ]


def test_a_prompt_goes_on_within_the_text_after_the_label(labelled: Path, run: Run) -> None:
    line = answered(run("generate", labelled, "--label", "vowel", "--prompt", "ae", "--seed", "1"))
    assert line == "ae" + load(labelled).generate("ae", label="vowel", seed=1).text + "\n"


def test_new_lines_of_a_kind_are_compared_with_that_kinds_lines_alone(labelled: Path, run: Run) -> None:
    options = ["--label", "vowel", "--num", "10", "--seed", "1", "--unique"]
    found = answered(run("generate", labelled, *options, "--novel")).splitlines()
    learned = EncodedCorpus.open(labelled / "corpus").texts("training")
    assert len(set(found)) == 10
    assert not {f"vowel\t{line}" for line in found} & set(learned)
    assert {line.removeprefix("vowel\t") for line in learned} & set(
        answered(run("generate", labelled, *options)).split()
    )


def test_score_tells_the_likeliest_label_and_how_often_it_is_right(labelled: Path, run: Run, text: Path) -> None:
    scored = run("score", labelled, text, "--lines", "--json")
    records = [json.loads(line) for line in answered(scored).splitlines()]
    names = ["line", "text", "bits", "bits_per_character", "label", "label_probability", "given_label"]
    assert [list(record) for record in records] == [names] * 512
    lines = text.read_text().splitlines()
    assert records[7] == {name: getattr(load(labelled).classify(lines)[7], name) for name in names} | {"line": 8}
    right = sum(record["label"] == record["given_label"] for record in records)
    assert right > 450
    [(label, often)] = Counter(line.partition("\t")[0] for line in lines).most_common(1)
    baseline = f"always {label!r} would be right for {often / 512:.1%}"
    assert scored.stderr.decode() == f"the label is right for {right / 512:.1%} of 512 lines; {baseline}\n"
    [top] = answered(run("score", labelled, text, "--lines", "--top", "1", "--json")).splitlines()
    assert json.loads(top) == max(records, key=lambda record: record["bits_per_character"])


def test_a_text_is_scored_as_it_is(labelled: Path, run: Run, text: Path) -> None:
    record = json.loads(answered(run("score", labelled, text, "--json")))
    scores = load(labelled).score_lines(text.read_text().splitlines())
    assert record["characters"] == sum(line.characters for line in scores) == len(text.read_text())
    assert record["nats_per_character"] == pytest.approx(sum(line.nats for line in scores) / record["characters"])


def test_info_counts_the_lines_of_each_label(labelled: Path, run: Run) -> None:
    counts = load(labelled).labels
    assert json.loads(answered(run("info", labelled, "--json")))["labels"] == counts
    [row] = [row for row in answered(run("info", labelled)).splitlines() if row.startswith("labels ")]
    assert row.split("  ")[-1].strip() == ", ".join(f"{label} ({count})" for label, count in counts.items())
