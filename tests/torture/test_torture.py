"""What is found after any fault is the old or the new, and nothing is lost. `make torture` makes more faults."""

from __future__ import annotations

import sys

import pytest

from tests.torture.__main__ import rows

FAULTS = dict(rows(kills=15, flips=500, offsets=4))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="the simulated disk and torchrun's ranks need Linux' /proc")
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost(fault: str) -> None:
    figure, sound = FAULTS[fault]()
    assert sound, figure
