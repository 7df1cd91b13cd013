"""Times in any spelling, found because they hardly ever decrease."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import afterword
from afterword.text.lines import MARK, Masks
from afterword.wings.odd.clocks import clocks
from afterword.wings.odd.odd import OddFinding
from tests.wings.odd.test_detectors import written

SPELLINGS = ("%Y%m%d-%-H:%-M:%-S:%f", "%y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y%m%d-%H:%M:%S:%f", "%-H:%-M:%-S")


def told(spelling: str, hours: range, seed: int) -> list[str]:
    """Return lines with times in a spelling, in order, but for one in a hundred."""
    draw, clock = random.Random(seed), datetime(2026, 3, 2, hours.start, 59)
    lines = []
    for number in range(600):
        clock += timedelta(seconds=draw.randrange(1, len(hours) * 10), milliseconds=draw.randrange(1000))
        early = clock - timedelta(seconds=20 * (number % 100 == 50))
        who = draw.choice(("ann", "bob", "carl"))
        text = f"order {draw.randrange(40)} of {who} by 1.{draw.randrange(3)}.2 took /a/1/2/3"
        lines.append(f"{early.strftime(spelling)}|Shop|{text}")
    return lines


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_only_times_are_hidden_in_every_line_and_the_next_day_is_not_odd(spelling: str, tmp_path: Path) -> None:
    good, new = told(spelling, range(4, 8), 1), told(spelling, range(13, 17), 2)
    found = dict(clocks(good))
    assert len(found) == 1
    for line in map(Masks([*found]), good):
        assert MARK in line
        assert re.search(r"1\.\d\.2 took /a/1/2/3$", line)
    new.insert(300, new[300].replace("took", "stole"))
    listed = [
        one
        for one in afterword.odd(
            written(tmp_path / "good", good), written(tmp_path / "new", new), out=str(tmp_path / "m")
        )
        if isinstance(one, OddFinding) and one.odd
    ]
    assert [one.lines[0].line for one in listed] == [301]
    assert afterword.calibrate(tmp_path / "m", written(tmp_path / "later", new[:300])).masks == [*found]


def test_numbers_that_are_no_time_are_not_hidden() -> None:
    draw = random.Random(3)
    assert not [
        *clocks([f"version 1.{k // 200}.0 at {draw.randrange(9)}-{draw.randrange(9)}-7 runs" for k in range(900)])
    ]


def test_nothing_is_hidden_in_sequences_of_events() -> None:
    assert not [*clocks([" ".join(f"{k}:{j % 9}:{k % 7}" for j in range(20)) for k in range(400)])]


def test_a_model_that_hides_nothing_is_calibrated_without_hiding_times(tmp_path: Path) -> None:
    names = written(tmp_path / "names", [("ann", "bob", "carl", "dora")[k % 4] for k in range(300)])
    list(afterword.odd(names, names, out=str(tmp_path / "model")))
    later = written(tmp_path / "later", told(SPELLINGS[0], range(4, 8), 1))
    assert afterword.calibrate(tmp_path / "model", later).masks == []
