"""Laws of ranks: what a step learns does not depend on how many there are, and none of them is needed to go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.torture.ranks import ARGUMENTS, compare, kill_one, start_ranks
from tests.torture.runs import write_text


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the ranks of torchrun are found in Linux' /proc")
def test_two_ranks_learn_what_one_does_and_the_same_again_also_after_one_was_killed(tmp_path: Path) -> None:
    largest, equal = compare(tmp_path)
    assert largest <= 1e-5
    assert equal
    gone, equal = kill_one(tmp_path)
    assert gone < 30
    assert equal


def test_more_ranks_than_lanes_are_refused_in_one_line(tmp_path: Path) -> None:
    text = write_text(tmp_path / "book.txt")
    arguments = [*ARGUMENTS, "--batch-size", "1"]
    processes = start_ranks(["train", text, "--out", tmp_path / "run", *arguments], tmp_path, 2)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [2, 2]
    told = "".join((tmp_path / f"log-{rank}").read_text() for rank in range(2))
    assert told.count("\n") == 1
    assert "2 ranks and a batch-size of 1" in told
    assert not (tmp_path / "run").exists()
