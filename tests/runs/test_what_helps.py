"""What a run says would help most: more text, more minutes, a free machine, or nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.language_model import complete_card
from afterword.planning.expectation import FREE, MOST_READ, savings
from afterword.runs.in_words import WORTH, what_helps
from afterword.runs.loop import train_run
from afterword.runs.record import Ended
from afterword.runs.run import Run
from tests.bases.small import save
from tests.cli.answers import fine
from tests.cli.conftest import run_here
from tests.runs.conftest import BOOK

SIZES, PASSES, EITHER = st.integers(1_000, MOST_READ), st.floats(0.01, 100), st.booleans()
GAINED = st.floats(-0.1, 0.5)


def said(run: Run) -> str:
    """Train `run` to its end, if it has not ended, and return what would help it most."""
    if run.record.ended is None:
        list(train_run(run))
    return "".join(what_helps(run, complete_card(run.folder.path).about, "continue"))


@given(SIZES, PASSES, PASSES, GAINED, EITHER)
def test_nothing_loses_and_minutes_gain_nothing_beyond_the_most_passes(
    size: int, passes: float, most: float, gained: float, from_base: bool
) -> None:
    saved = savings(size, passes, most, gained, from_base, FREE)
    assert all(fraction >= 0 for fraction in saved.values())
    assert saved["twice the minutes"] == 0 or (passes < most and gained > 0)


@given(SIZES, st.floats(2, 100), PASSES, GAINED)
def test_more_text_gains_less_the_more_there_is(size: int, times: float, passes: float, gained: float) -> None:
    less, more = (
        savings(each, passes, 24, gained, False, FREE)["twice the text"] for each in (size, round(times * size))
    )
    assert more < less


@given(SIZES, PASSES, EITHER, GAINED, GAINED)
def test_what_training_has_gained_so_far_promises_more(
    size: int, passes: float, from_base: bool, one: float, other: float
) -> None:
    less, more = (savings(size, passes, 24, gained, from_base, FREE) for gained in sorted((one, other)))
    assert all(less[way] <= more[way] for way in less)


@given(SIZES, PASSES, EITHER, GAINED, st.floats(0.01, FREE), st.floats(0.01, FREE))
def test_a_free_machine_gains_more_than_minutes_and_more_the_less_is_free_now(
    size: int, passes: float, from_base: bool, gained: float, one: float, other: float
) -> None:
    busier, freer = (savings(size, passes, 24, gained, from_base, share) for share in sorted((one, other)))
    gain, less = (saved.get("a free machine", 0.0) for saved in (busier, freer))
    assert gain >= less
    assert ("a free machine" in freer) == (max(one, other) < FREE / 2)
    assert gain >= busier["twice the minutes"] or "a free machine" not in busier


@pytest.mark.parametrize(
    ("size", "passes", "gained", "from_base", "share", "best"),
    [
        (100_000, 5.0, 0.05, False, FREE, "twice the text"),
        (10_000_000, 0.3, 0.07, False, FREE, "twice the minutes"),
        (1_000_000, 0.02, 0.05, True, FREE, "twice the minutes"),
        (100_000, 4.0, 0.1, True, 0.1, "twice the text"),  # it has read enough
        (1_000_000, 0.5, 0.01, False, 0.1, "a free machine"),
    ],
)
def test_each_can_help_most(size: int, passes: float, gained: float, from_base: bool, share: float, best: str) -> None:
    saved = savings(size, passes, 4.0 if from_base else 24.0, gained, from_base, share)
    assert max(saved, key=saved.__getitem__) == best
    assert saved[best] >= WORTH


def test_more_text_or_a_free_machine_would_help_a_run_by_the_clock(
    begin_run: Callable[..., Run], text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_file.write_text(BOOK * 20)
    run = begin_run(base="none", steps=None, minutes=0.02, threads=None)
    assert said(run).startswith("what would help most: more text; twice the text should save about 0.")
    assert not [*what_helps(run, {"validation": None}, "continue")], "without held-out text, nothing is known"
    run.computing = 0.01 * run.stepping  # as if other programs had taken the rest of the time
    monkeypatch.setattr("afterword.planning.expectation.TEXT_GAIN", 0.0)
    assert said(run).startswith("what would help most: a free machine; a free machine should save about 0.")
    monkeypatch.setattr("afterword.planning.expectation.GAIN", 0.0001)
    assert said(run).startswith("what would help most: nothing; ")


@pytest.mark.parametrize("asked", [{"recipe": "classic"}, {"ngram": 0}, {"cell": "rnn"}])
def test_of_runs_that_have_not_been_tried_nothing_is_said(begin_run: Callable[..., Run], asked: dict[str, Any]) -> None:
    run = begin_run(base="none", **asked)
    run.change_record(ended=Ended(24, 1.0))
    assert not [*what_helps(run, {"validation": {"nats_per_character": 1.0, "ngram": 1.1}}, "continue")]


def test_the_command_that_is_printed_continues_the_run(tmp_path: Path) -> None:
    text, base, out = tmp_path / "book.txt", save(tmp_path / "base"), tmp_path / "my run"
    text.write_text(BOOK * 40)
    asked = ["--base", base, "--steps", 20, "--batch-size", 16, "--seq-length", 64, "--threads", 1]
    trained = fine(run_here([*map(str, ["train", text, "--out", out, *asked])])).stderr.decode()
    *_, last = trained.splitlines()
    assert last.startswith("what would help most: more minutes; twice the minutes should save about 0.")
    command = shlex.split(last.partition("; most of it comes by ")[2])  # of this program, whatever its name
    again = fine(run_here(command[command.index("train") :])).stderr.decode()
    assert "the run continues from step 20 to step " in again
