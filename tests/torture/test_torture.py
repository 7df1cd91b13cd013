"""What is found after any fault is the old or the new, and nothing is lost. `make torture` makes more faults."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bases.small import save
from tests.torture.__main__ import rows
from tests.torture.ranks import losses, train
from tests.torture.runs import outcome, write_text

FAULTS = dict(rows(kills=15, flips=500, offsets=4))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="the simulated disk and torchrun's ranks need Linux' /proc")
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost(fault: str) -> None:
    figure, sound = FAULTS[fault]()
    assert sound, figure


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ranks_begin_from_the_weights_of_one_base(tmp_path: Path) -> None:
    text, base = write_text(tmp_path / "book.txt"), save(tmp_path / "base")
    arguments = ["--base", base, "--steps", "6", "--batch-size", "6", "--seq-length", "32", "--threads", "1"]
    for name, ranks in (("one", 1), ("two", 2)):
        train(["train", text, "--out", tmp_path / name, "--learning-rate", "0.001", *arguments], tmp_path, ranks)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 6
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1e-4
    assert outcome(tmp_path / "one")["record"].base == outcome(tmp_path / "two")["record"].base
    begun = [(tmp_path / name / "base.safetensors").read_bytes() for name in ("one", "two")]
    assert begun[0] == begun[1]
