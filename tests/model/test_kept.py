"""Models of each release, as that release's `train` and `calibrate` wrote them, are read by this one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import afterword
from afterword.operations.odd import OddFinding
from tests.cli.conftest import Run, run

__all__ = ["run"]

KEPT = sorted((Path(__file__).parent / "kept").iterdir())


def test_a_model_of_every_release_is_kept() -> None:
    assert [place.name for place in KEPT] == ["0.1", "0.2", "0.3"]


@pytest.mark.parametrize("place", KEPT, ids=lambda place: place.name)
def test_it_scores_and_writes_as_on_the_day_it_was_made(place: Path) -> None:
    model = afterword.load(place / "text")
    assert model.score("A fox carries stones.\n").bits_per_character == pytest.approx(2.06190979, abs=1e-6)
    assert model.generate("The ", max_tokens=20, temperature=0).text == "a bright bright brig"


@pytest.mark.parametrize("place", KEPT, ids=lambda place: place.name)
def test_its_calibration_finds_odd_lines(place: Path, tmp_path: Path) -> None:
    (tmp_path / "today.log").write_text("open file3 by ann\nqqqq zzzz!!\nopen file3 by bob\n")
    (finding,) = afterword.odd(place / "lines", tmp_path / "today.log")
    assert isinstance(finding, OddFinding)
    assert [placed.line for placed in finding.lines] == [2]
    assert finding.odd


@pytest.mark.parametrize("place", KEPT, ids=lambda place: place.name)
def test_without_a_checksum_of_its_good_lines_it_has_one_note_until_it_is_calibrated_again(
    place: Path, tmp_path: Path, run: Run
) -> None:
    folder = shutil.copytree(place / "lines", tmp_path / "lines")
    assert run("info", place / "text").stderr == b""
    said = run("info", folder).stderr.decode()
    assert said.count("\n") == 1
    assert said.startswith("note: ")
    assert "lines.json has no checksum" in said
    assert "run afterword calibrate MODEL NORMAL_FILE" in said
    (tmp_path / "good.log").write_text("".join(f"open file{k % 9} by {['ann', 'bob'][k % 2]}\n" for k in range(90)))
    assert run("calibrate", folder, tmp_path / "good.log").returncode == 0
    assert run("info", folder).stderr == b""


def test_a_model_that_an_earlier_version_imported_scores_writes_and_is_saved_as_then(tmp_path: Path) -> None:
    model = afterword.load(KEPT[-1] / "imported")
    model.calibrated(["abba zab"] * 200).save(tmp_path / "copy")
    for one in (model, afterword.load(tmp_path / "copy")):
        assert one.score("abba zab\n").bits_per_character == pytest.approx(3.54932631, abs=1e-6)
        assert one.generate("ab", max_tokens=20, temperature=0).text == "zzzzzzzzzzzzzzzzz zz"
        assert (one.info()["recipe"], one.about["source"], one.about["corpus"]) == ("imported", "one-hot.keras", None)
    assert "trained by another program" in (tmp_path / "copy" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["bpe", "byte"])
def test_a_vocabulary_that_went_is_refused_with_the_last_version_that_reads_it(name: str, run: Run) -> None:
    for command in ("info", "generate"):
        refused = run(command, KEPT[-1] / name)
        assert refused.returncode == 2
        says = f"its vocabulary is {name}: the last version of Afterword that reads it is 0.3"
        assert refused.stderr.decode() == f"error: cannot read the model at {KEPT[-1] / name}: {says}\n"
