"""Laws of ranks: what a step learns does not depend on how many there are, and none of them is needed to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bases.small import save
from tests.torture.ranks import ARGUMENTS, losses, start_ranks, train
from tests.torture.runs import outcome, write_text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_more_ranks_than_lanes_are_refused_in_one_line(tmp_path: Path) -> None:
    text = write_text(tmp_path / "book.txt")
    arguments = [*ARGUMENTS, "--batch-size", "1"]
    processes = start_ranks(["train", text, "--out", tmp_path / "run", *arguments], tmp_path, 2)
    assert [process.wait(60) for process in processes] == [2, 2]
    told = "".join((tmp_path / f"log-{rank}").read_text() for rank in range(2))
    assert told.count("error: ") == 1
    assert "2 ranks and a batch-size of 1" in told
    assert not (tmp_path / "run").exists()


def test_ranks_begin_from_the_weights_of_one_base(tmp_path: Path) -> None:
    text, base = write_text(tmp_path / "book.txt"), save(tmp_path / "base")
    arguments = ["--base", base, "--steps", "6", "--batch-size", "6", "--seq-length", "32", "--threads", "1"]
    for name, ranks in (("one", 1), ("two", 2)):
        train(["train", text, "--out", tmp_path / name, "--learning-rate", "0.001", *arguments], tmp_path, ranks)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 6
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1e-4
    assert outcome(tmp_path / "one")["record"][1] == outcome(tmp_path / "two")["record"][1]
    begun = [(tmp_path / name / "base.safetensors").read_bytes() for name in ("one", "two")]
    assert begun[0] == begun[1]
