"""`afterword compare` through the real command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afterword.language_model import load
from afterword.operations import compare as operation
from afterword.scoring import comparing
from tests.cli.answers import records
from tests.cli.conftest import HARD, Run
from tests.comparison import compare

LONG = "".join(np.random.default_rng(0).choice(list("abcdé \n"), 1050))


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (comparing, operation):  # instead of 500, so that a short text has enough of them
        monkeypatch.setattr(module, "SHORTEST", 50)


@pytest.fixture
def long(place: Path, tmp_path: Path) -> str:
    """A text of 21 blocks, beside the models."""
    (tmp_path / "long.txt").write_text(LONG, encoding="utf-8")
    return str(tmp_path / "long.txt")


def test_each_model_has_the_row_of_its_own_score_and_the_difference(run: Run, long: str) -> None:
    found = records(run("compare", "tiny", "mixed", "--file", long, "--json"))
    expected = compare([load("tiny"), load("mixed")], LONG)
    for row, name, one in zip(found, ("tiny", "mixed"), expected, strict=True):
        [alone] = records(run("score", name, long, "--json"))
        parts = dict.fromkeys(("lstm", "ngram", "both"))  # which only one of them has
        own = {"difference": one.difference.bits_per_character, "margin_of_error": one.difference.margin_of_error}
        assert row == {"model": name, **parts, **alone, **own, "blocks": 21}
        assert row["difference"] == pytest.approx(row["bits_per_character"] - found[0]["bits_per_character"], abs=1e-9)
    assert found[1]["difference"] != 0 < found[1]["margin_of_error"]


@pytest.mark.parametrize("options", [[], ["--with", "lstm"], ["--mask", "[ab]+"]])
def test_the_ratio_of_a_line_is_the_difference_of_its_bits_in_runs_of_one_model(
    run: Run, long: str, options: list[str]
) -> None:
    asked = ("compare", "tiny", "mixed", "--file", long, "--file", "hard", "--lines", "--json", *options)
    finished = run(*asked)
    two = [records(run("score", name, long, "hard", "--lines", "--json", *options)) for name in ("tiny", "mixed")]
    likeliest, found = {"tiny": 0, "mixed": 0}, records(finished)
    for row, one, other in zip(found, *two, strict=True):
        bits = {"tiny": one["bits"], "mixed": other["bits"]}
        best = min(bits, key=bits.__getitem__)
        place = {name: one[name] for name in ("file", "line", "text")}
        assert row == {**place, "bits": bits, "ratio_bits": other["bits"] - one["bits"], "best": best}
        likeliest[best] += row["text"] != ""
    lines = sum(likeliest.values())
    said = [f"{name} is likeliest for {number:,} of {lines:,} lines" for name, number in likeliest.items()]
    assert finished.stderr.decode().splitlines()[-2:] == said
    top = run(*asked, "--top", "4")
    expected = sorted((row for row in found if row["text"].strip()), key=lambda row: -float(row["ratio_bits"]))
    assert records(top) == expected[:4]
    assert top.stderr == finished.stderr  # all lines are counted, however few are shown


@pytest.mark.usefixtures("place")
def test_the_first_model_decides_how_a_file_is_read(run: Run) -> None:
    text, short = HARD.decode(), "ab\nba\n"
    lines = [line for line in text.split("\n") if line]
    for names, file, read in (
        (("lines", "tiny"), text, lines),
        (("tiny", "lines"), text, text),
        (("tiny", "classic"), short, short),
    ):
        expected = [one.score.bits_per_character for one in compare([*map(load, names)], read)]
        found = records(run("compare", *names, "--file", "-", "--json", input=file.encode()))
        assert [row["bits_per_character"] for row in found] == expected


@pytest.mark.usefixtures("place")
def test_of_labelled_lines_all_models_are_asked_about_the_line_without_its_label(run: Run) -> None:
    asked = ("compare", "labelled", "lines", "--file", "-", "--lines", "--json")
    found = records(run(*asked, input="vowel\tcdé\ncab\n".encode()))
    own, plain = load("labelled").classify(["vowel\tcdé", "cab"]), load("lines").score_lines(["cdé", "cab"])
    assert [[*row["bits"].values()] for row in found] == [[a.bits, b.bits] for a, b in zip(own, plain, strict=True)]
