"""Laws over all detectors of the table, and over one that a test adds to it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.wings.odd.detectors import DETECTORS, Detector, Verdict
from afterword.wings.odd.good_lines import GoodLines
from afterword.wings.odd.normal import OddLine
from afterword.wings.odd.odd import OddFinding


def example(number: int) -> str:
    """Return a good line of a log, by its number."""
    user, way = ("ann", "bob", "carl")[number * number % 3], ("key over lan", "token over wan")[number % 2]
    return f"login 0x{number:x} of {user} from 10.0.0.{number % 5} by {way}"


GOOD, NEW = [example(k) for k in range(900)], [example(k) for k in range(900, 1100)]


def loudest(lines: Sequence[str]) -> int:
    """Return the most capitals of a line."""
    return max(sum(map(str.isupper, line)) for line in lines)


def louder(usual: GoodLines, text: str, cost: OddLine) -> list[Verdict]:
    """Return the verdict on a line with more capitals than any good line."""
    most, count = (usual.learned or {})["capitals"], sum(map(str.isupper, text))
    return [Verdict("capitals", f"{count} capitals: at most {most}", "capitals", count, 0.001)] if count > most else []


CAPITALS = Detector(louder, learn=loudest)
ODD = {  # the lines that each finds among good ones
    "template": ["out of memory: process 77 was killed"],
    "value": [example(8).replace("10.0.0.3", "203.0.113.9")],
    "text": [example(8).replace("lan", "wan")],
    "episode": [f"kernel: {'very ' * number}slow" for number in range(1, 9)],
    "rate": [example(8)] * 60,
    "capitals": [example(8).replace("0x8", "0xA")],
}


@pytest.fixture(params=[*DETECTORS, "capitals"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a detector, which may be one that is in the table alone."""
    if request.param not in DETECTORS:
        monkeypatch.setitem(DETECTORS, request.param, CAPITALS)
    return str(request.param)


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def findings(good: Path, new: Path, **options: Any) -> list[OddFinding]:
    """Return what is listed."""
    return [one for one in afterword.odd(good, new, **options) if isinstance(one, OddFinding) and one.odd]


def test_each_finds_its_example_and_is_silent_on_good_lines_and_on_what_was_accepted(name: str, tmp_path: Path) -> None:
    good, quiet, out = written(tmp_path / "good", GOOD), written(tmp_path / "quiet", NEW), tmp_path / "out"
    new = written(tmp_path / "new", [*NEW[:100], *ODD[name], *NEW[100:]])
    [found] = findings(good, new, out=str(out))
    assert found.detector == name
    assert Counter(line.text for line in found.lines) >= Counter(ODD[name])
    assert not findings(out, quiet)
    afterword.accept(out, source=str(written(tmp_path / "listed", [json.dumps(found.to_dict())])))
    assert not findings(out, new)
    [other] = findings(out, written(new, [*NEW[:100], f"{NEW[0]} (again)", *NEW[100:]]))
    assert other.detector == "template"


def test_each_has_a_row_in_the_page_on_odd_lines() -> None:
    page = (Path(__file__).parents[3] / "docs" / "odd.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| `(\w+)` \|.*\| `.*` \|$", page) == [*DETECTORS]
