"""Models of each release that were calibrated find odd lines as then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import afterword
from afterword.wings.odd.odd import OddFinding
from tests.cli.conftest import Run
from tests.model.test_kept import KEPT


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
    (tmp_path / "good.log").write_text("".join(f"open file{k % 9} by {['ann', 'bob'][k % 2]}\n" for k in range(150)))
    assert run("calibrate", folder, tmp_path / "good.log").returncode == 0
    assert run("info", folder).stderr == b""
