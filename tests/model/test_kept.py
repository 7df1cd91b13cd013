"""Models of each release, as that release's `train` and `calibrate` wrote them, are read by this one."""

from __future__ import annotations

from pathlib import Path

import pytest

import afterword
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


def test_a_model_that_an_earlier_version_imported_scores_writes_and_is_saved_as_then(tmp_path: Path) -> None:
    model = afterword.load(KEPT[-1] / "imported")
    model.save(tmp_path / "copy")
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
        says = f"its vocabulary is {name}, which Afterword reads up to version 0.3"
        assert refused.stderr.decode() == f"error: cannot read the model at {KEPT[-1] / name}: {says}\n"
