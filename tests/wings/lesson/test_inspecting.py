"""What the lesson adds to `afterword inspect`, through the real command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.language_model import LanguageModel, load
from afterword.operations.inspect_ import Seen
from afterword.wings.lesson import inspecting
from afterword.wings.lesson.finding import Finding
from afterword.wings.lesson.inspecting import Found, inspect
from tests.cli.answers import records
from tests.cli.conftest import Run
from tests.cli.test_inspect import LONG, TEXT


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(LONG, encoding="utf-8")
    return path


KEEPS = ("--keeps", "abé", "--after", "\n", "--instead", "béa")
INSPECTIONS: dict[tuple[str, ...], Callable[[LanguageModel], Finding]] = {
    KEEPS: lambda model: afterword.keeps(model, LONG, "abé", after="\n", instead=["béa"]),
    ("--horizon",): lambda model: afterword.horizon(model, LONG),
}


@pytest.mark.parametrize("options", INSPECTIONS, ids=" ".join)
def test_an_inspection_prints_what_python_finds(options: tuple[str, ...], model: Path, run: Run, text: Path) -> None:
    asked = ("inspect", model, "--file", text, *options)
    assert_alike(run(*asked).stdout.decode(), f"{INSPECTIONS[options](load(model))}\n")
    found = INSPECTIONS[options](load(model).hold("l0.u1=1"))
    [record] = records(run(*asked, "--hold", "l0.u1=1", "--json"))
    assert_alike(json.dumps(record), json.dumps(found.to_dict()).replace("NaN", "null"))


def assert_alike(printed: str, expected: str) -> None:
    """But for what a batch of another size rounds otherwise."""
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|-?\de-\d+")
    assert number.sub("", printed).split() == number.sub("", expected).split()
    found, figures = ([*map(float, number.findall(text))] for text in (printed, expected))
    np.testing.assert_allclose(found, figures, atol=1e-3)


def test_as_much_is_read_as_is_measured(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "MOST_CHARACTERS", 50)
    for stretch, read in ((None, LONG[:50]), ("7:", LONG[7:57]), ("7:40", LONG[7:40])):
        found = inspect(model, LONG, horizon=True, stretch=stretch)
        assert isinstance(found, Found)
        assert str(found) == str(afterword.horizon(load(model), read))


def test_python_prints_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(inspect(model, TEXT), Seen)
    assert str(inspect(model, LONG, horizon=True)).startswith("tiny: ")
    assert capsys.readouterr() == ("", "")
