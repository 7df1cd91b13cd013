"""Labelled lines through the real command: learned, written by label, told apart."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.text.encoded import EncodedCorpus
from tests.cli.answers import printed
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


def test_new_lines_of_a_kind_are_compared_with_that_kinds_lines_alone(labelled: Path, run: Run) -> None:
    options = ["--label", "vowel", "--num", "10", "--seed", "1", "--unique"]
    found = printed(run("generate", labelled, *options, "--novel")).splitlines()
    learned = EncodedCorpus.open(labelled / "corpus").texts("training")
    assert len(set(found)) == 10
    assert not {f"vowel\t{line}" for line in found} & set(learned)
    assert {line.removeprefix("vowel\t") for line in learned} & set(
        printed(run("generate", labelled, *options)).split()
    )


def test_score_tells_the_likeliest_label_and_how_often_it_is_right(labelled: Path, run: Run, text: Path) -> None:
    scored = run("score", labelled, text, "--lines", "--json")
    records = [json.loads(line) for line in printed(scored).splitlines()]
    names = ["line", "text", "bits", "bits_per_character", "label", "label_probability", "given_label"]
    assert [list(record) for record in records] == [names] * 512
    lines = text.read_text().splitlines()
    assert records[7] == {name: getattr(load(labelled).classify(lines)[7], name) for name in names} | {"line": 8}
    right = sum(record["label"] == record["given_label"] for record in records)
    assert right > 450
    [(label, often)] = Counter(line.partition("\t")[0] for line in lines).most_common(1)
    baseline = f"always {label!r} would be right for {often / 512:.1%}"
    assert scored.stderr.decode() == f"the label is right for {right / 512:.1%} of 512 lines; {baseline}\n"
    [top] = printed(run("score", labelled, text, "--lines", "--top", "1", "--json")).splitlines()
    assert json.loads(top) == max(records, key=lambda record: record["bits_per_character"])


def test_info_counts_the_lines_of_each_label(labelled: Path, run: Run) -> None:
    counts = load(labelled).labels
    [row] = [row for row in printed(run("info", labelled)).splitlines() if row.startswith("labels ")]
    assert row.split("  ")[-1].strip() == ", ".join(f"{label} ({count})" for label, count in counts.items())
