"""Laws over all detectors of the table, and over one that a test adds to it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
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
    if number % 20 == 0:
        return "heart beats"
    user, way = ("ann", "bob", "carl")[number * number % 3], ("key over lan", "token over wan")[number % 2]
    return f"login 0x{number:x} of {user} from 10.0.0.{number % 5} by {way}"


GOOD, NEW = [example(k) for k in range(900)], [example(k) for k in range(900, 1300)]
QUIET = [line for line in NEW if "heart" not in line]


def louder(usual: GoodLines, text: str, cost: OddLine) -> list[Verdict]:
    """Return the verdict on a line with capitals, which no good line has."""
    count = sum(map(str.isupper, text))
    return [Verdict("capitals", f"{count} capitals: none is usual", "capitals", count, 0.001)] if count else []


ODD = {  # the lines that each finds among good ones
    "template": ["out of memory: process 77 was killed"],
    "value": [example(8).replace("10.0.0.3", "203.0.113.9")],
    "text": [example(8).replace("lan", "wan")],
    "episode": [f"kernel: {'very ' * number}slow" for number in range(1, 9)],
    "rate": [example(8)] * 60,
    "capitals": [example(8).replace("0x8", "0xA")],
}


def written(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def listed(good: Path, new: Path, **options: Any) -> dict[str, OddFinding]:
    """Return the findings that are listed, by how their reasons begin."""
    found = [one for one in afterword.odd(good, new, **options) if isinstance(one, OddFinding) and one.odd]
    return {one.why.partition(":")[0]: one for one in found}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the good lines, with a detector that is in the table alone."""
    monkeypatch.setitem(DETECTORS, "capitals", Detector(louder))
    quiet = written(tmp_path / "quiet", NEW)
    assert not listed(written(tmp_path / "good", GOOD), quiet, out=str(tmp_path / "out"))
    assert not listed(tmp_path / "out", quiet)
    return tmp_path / "out"


def test_each_finds_its_example_which_is_silent_once_accepted_and_no_other_one(out: Path, tmp_path: Path) -> None:
    both, row = tmp_path / "both", tmp_path / "row"
    examples = [[*each, *NEW[30 * k : 30 * k + 30]] for k, each in enumerate(ODD.values())]
    written(both, [*NEW[:100], *(line for each in examples for line in each), *QUIET[:250]])
    found = listed(out, both)
    assert sorted(one.detector for one in found.values()) == sorted([*DETECTORS, "rate"])  # a burst and a silence
    for name, one in found.items():
        if name != "silence":  # which has the line before it
            assert Counter(line.text for line in one.lines) >= Counter(ODD[one.detector])
        source = str(written(row, [json.dumps(one.to_dict())]))
        assert [afterword.accept(out, source=source).changed > 0 for _ in range(2)] == [True, False]
        assert listed(out, both).keys() == found.keys() - {name}
        assert afterword.accept(out, source=source, remove=True).accepted == 0
    afterword.accept(out, source=str(written(row, [json.dumps(one.to_dict()) for one in found.values()])))
    assert not listed(out, both)
    [other] = listed(out, written(both, [*NEW[:100], f"{NEW[1]} (again)", *NEW[100:]])).values()
    assert other.detector == "template"


def test_each_has_a_row_in_the_page_on_odd_lines() -> None:
    page = (Path(__file__).parents[3] / "docs" / "odd.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| `(\w+)` \|.*\| `.*` \|$", page) == [*DETECTORS]
