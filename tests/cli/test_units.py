"""`afterword units` and `afterword horizon` through the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.model.folder.saved import save_model
from tests.cli.answers import fine, records
from tests.cli.conftest import Run

TEXT = "abé\ndcab(a)bb" * 20


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_units_are_those_of_the_answer(model: Path, run: Run, text: Path) -> None:
    record = records(run("units", model, text, "--matching", "b+", "--json", "--top", "3"))[0]
    answer = load(model).units(TEXT).matching("b+", 3)
    assert [one["name"] for one in record["units"]] == [one.name for one in answer.units]
    assert record["units"][0]["area"] == answer.units[0].area


def test_every_ready_made_question_is_asked_and_those_that_do_not_apply_are_noted(
    model: Path, run: Run, text: Path
) -> None:
    finished = fine(run("units", model, text))
    assert "brackets (inside brackets): " in finished.stdout.decode()
    assert "note: quotes (inside quotation marks) matches nothing" in finished.stderr.decode()
    assert run("units", model, text, "--asking", "brackets").stdout.startswith(b"brackets")


def test_a_long_text_is_read_as_far_as_it_can_be_looked_at(model: Path, run: Run, text: Path) -> None:
    text.write_text(TEXT * 90)
    finished = run("units", model, text, "--matching", "b", "--json")
    assert finished.stderr.decode() == "note: only the first 20,000 characters are read\n"


def test_horizon_says_in_one_line_how_models_were_trained_unlike(
    tmp_path: Path, model: Path, run: Run, text: Path
) -> None:
    other, saved = tmp_path / "other", load(model)._saved
    training = {"steps": 472, "plan": {"steps": 3500}}
    saved.about |= {"training": training, "corpus": {"fingerprint": "0123456789abcdef"}}
    save_model(other, saved, "# Other\n")
    options = ("--steps", "4", "--places", "2", "--no-gradient", "--against")
    said = run("horizon", model, text, *options, other).stderr.decode()
    assert said == "note: these models were trained differently: steps unknown and 3500; text unknown and 01234567\n"
    assert run("horizon", model, text, *options, model).stderr == b""
    training["plan"] = {"steps": 3500, "minutes": 1.0}  # which the run had no time for
    save_model(tmp_path / "timed", saved, "# Other\n")
    said = run("horizon", model, text, *options, tmp_path / "timed").stderr.decode()
    assert "steps unknown and 472;" in said


def test_horizon_measures_models_side_by_side(model: Path, run: Run, text: Path) -> None:
    options = ["--steps", "20", "--places", "4", "--no-gradient"]
    one, two = records(run("horizon", model, text, *options, "--against", model, "--json"))
    assert one == two
    assert [row["k"] for row in one["steps"]] == [1, 2, 3, 5, 10, 20]
    printed = run("horizon", model, text, *options).stdout.decode()
    assert "tiny: bits" in printed
    assert "steps back" in printed


def test_held_parts_write_and_score_otherwise(model: Path, run: Run, text: Path) -> None:
    free, held = (
        run("generate", model, "--seed", "1", *options).stdout
        for options in ([], ["--hold", "output=0", "--hold", "l0.u1=1"])
    )
    assert free != held
    assert held.decode().strip() == load(model).hold("output=0", "l0.u1=1").generate(seed=1).text.strip()
    record = records(run("score", model, text, "--hold", "forget=1", "--json"))[0]
    assert record["bits_per_character"] == pytest.approx(load(model).hold("forget=1").score(TEXT).bits_per_character)
    assert record["free_bits_per_character"] == load(model).score(TEXT).bits_per_character
    [line, *_] = records(run("score", model, text, "--hold", "forget=1", "--json", "--lines"))
    assert "free_bits_per_character" in line
