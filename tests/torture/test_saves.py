"""Laws of saving: what is found afterwards is the old or the new, whatever came between. `make torture` does more."""

from __future__ import annotations

import itertools
import sys

import pytest

from tests.torture.saves import SUBJECTS, damages, kill_at_every_operation, power_cuts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the simulated disk needs Linux' /proc"),
]


@pytest.mark.parametrize("name", ["checkpoint", "record"])
def test_a_save_that_is_killed_at_any_operation_leaves_the_old_or_the_new(name: str) -> None:
    kills = list(kill_at_every_operation(SUBJECTS[name]))
    assert len(kills) > 10
    assert not any(kills), kills


@pytest.mark.parametrize(("name", "states"), [("checkpoint", 10**9), ("record", 10**9), ("model", 150)])
def test_a_power_cut_leaves_the_old_or_the_new(name: str, states: int) -> None:
    cuts = list(itertools.islice(power_cuts(SUBJECTS[name]), states))
    assert len(cuts) > 20
    assert not any(cuts), next(filter(None, cuts))


@pytest.mark.parametrize("without", ["sync", "sync folder"])
@pytest.mark.parametrize("name", ["checkpoint", "record"])
def test_a_power_cut_is_noticed_where_either_sync_is_left_out(name: str, without: str) -> None:
    assert any(power_cuts(SUBJECTS[name], without=without))


def test_a_checkpoint_cut_anywhere_or_with_a_bit_turned_is_noticed_in_one_line() -> None:
    noticed = list(damages(flips=500))
    assert len(noticed) > 1000
    assert not any(noticed), next(filter(None, noticed))
