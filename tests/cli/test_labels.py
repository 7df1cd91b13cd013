"""Labelled lines through the real command: learned, written by label, told apart."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.text.encoded import EncodedCorpus
from tests.cli.answers import fine, printed, records
from tests.cli.conftest import Run

KINDS = {"vowel": "aeio", "b_d": "bcdf"}
LINES = [f"{kind}\t{''.join(word)}" for kind in KINDS for word in itertools.product(KINDS[kind], repeat=4)]
TEXT = "\n".join([*LINES, ""])


@pytest.fixture(scope="module")
def labelled(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to tell the two kinds apart, from a pipe."""
    out = tmp_path_factory.mktemp("runs") / "run"
    sizes = ["--hidden-size", "32", "--batch-size", "32", "--dropout", "0", "--threads", "1"]
    sizes += ["--steps", "150", "--learning-rate", "0.03"]
    trained = fine(run("train", "-", "--labels", "--base", "none", *sizes, "--out", out, input=TEXT.encode()))
    assert b" lines with 2 labels " in trained.stderr
    return out


def test_new_lines_of_a_kind_are_compared_with_that_kinds_lines_alone(labelled: Path, run: Run) -> None:
    options = ["--label", "vowel", "--num", "10", "--seed", "1", "--unique"]
    found, other = (printed(run("generate", labelled, *options, *more)).splitlines() for more in (["--novel"], []))
    learned = {*EncodedCorpus.open(labelled / "corpus").texts("training")}
    assert len(set(found)) == 10
    assert not {f"vowel\t{line}" for line in found} & learned
    assert {f"vowel\t{line}" for line in other} & learned


def test_score_tells_the_likeliest_label_and_how_often_it_is_right(labelled: Path, run: Run, text: Path) -> None:
    scored = run("score", labelled, text, "--lines", "--json")
    found = records(scored)
    names = ["line", "text", "bits", "bits_per_character", "label", "label_probability", "given_label"]
    assert [list(record) for record in found] == [names] * 512
    assert found[7] == {name: getattr(load(labelled).classify(LINES)[7], name) for name in names} | {"line": 8}
    right = sum(record["label"] == record["given_label"] for record in found)
    assert right > 450
    [(label, often)] = Counter(line.partition("\t")[0] for line in LINES).most_common(1)
    baseline = f"always {label!r} would be right for {often / 512:.1%}"
    assert scored.stderr.decode() == f"the label is right for {right / 512:.1%} of 512 lines; {baseline}\n"
