"""Two ranks are one run: begun, continued and refused together. `tests/torture` compares them with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from afterword.learning.ranks import Team
from afterword.runs import loop
from afterword.runs.run import Run
from tests.torture.ranks import losses, start_ranks, train
from tests.torture.runs import write_text

SMALL = ["--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--threads", "1", "--base", "none"]


def test_two_ranks_begin_and_continue_and_are_refused_as_one(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "book.txt"), tmp_path / "run"
    begin = ["train", text, "--out", out, "--steps", "4", *SMALL]
    train(begin, tmp_path, 2)
    train(["train", "--resume", out, "--more-minutes", "1e-9"], tmp_path, 2)
    assert len(losses(out)) == 5
    assert [process.wait(100) for process in start_ranks(begin, tmp_path, 2)] == [2, 2]


class Second(Team):
    """The second of two ranks, whose first one always has the state of step 5."""

    def from_first(self, value: float) -> float:
        return 5

    def wait(self) -> None: ...


def test_a_rank_goes_back_to_the_state_of_the_first_one(begin_run: Callable[..., Run]) -> None:
    run = begin_run(steps=6)
    list(loop.train_run(run))
    run.team = Second(1, 2)
    run.load_checkpoint()
    assert run.saved is not None
    assert run.saved[1].step == 5
