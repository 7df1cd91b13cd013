"""Models of each release, as that release's `train` and `calibrate` wrote them, are read by this one."""

from __future__ import annotations

from pathlib import Path

import pytest

import afterword
from afterword.operations.odd import OddFinding

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
