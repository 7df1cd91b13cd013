"""Laws of a run that is killed, and of one whose disk is full. `make torture` does the same at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.runs import KINDS, fill_disk, kill_at_random, longest_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("kind", "kills"), [*zip(KINDS, (4, 3, 3, 3, 3), strict=True)])
def test_a_run_that_is_killed_at_random_ends_as_one_that_was_not(kind: str, kills: int) -> None:
    result = kill_at_random(kind, kills)
    assert result.kills >= kills
    assert (result.different, result.lost) == (0, 0)


def test_training_goes_on_beside_a_full_disk_and_loses_nothing(tmp_path: Path) -> None:
    saves = list(fill_disk(tmp_path, longest_file, 4))
    assert len(saves) == 4
    assert not any(saves), next(filter(None, saves))
