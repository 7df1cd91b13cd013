"""Bars: shown where they are seen, once a work takes its time, and gone when it is done."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import threading

import pytest
from rich.console import Console

from afterword import bars
from afterword.runs.record import Progress
from tests.processes import until


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is seen at once, by somebody who looks."""
    screen = io.StringIO()
    monkeypatch.setattr(bars, "DELAY", 0.0)
    monkeypatch.setattr(bars, "is_seen", lambda: True)
    monkeypatch.setattr("rich.console.Console", lambda stderr: Console(file=screen, force_terminal=True, width=80))
    return screen


def test_a_work_that_takes_its_time_gets_a_bar_with_how_many_are_done_that_is_gone_at_its_end(
    screen: io.StringIO,
) -> None:
    before = threading.active_count()
    with contextlib.suppress(KeyError), bars.waiting("counting", "lines") as on_progress:
        on_progress(None, 1234)
        until(lambda: "counting: 1,234 lines, " in screen.getvalue())
        raise KeyError
    assert screen.getvalue().endswith("\x1b[2K")  # the line is empty again
    until(lambda: threading.active_count() <= before)  # rich's own thread ends a moment later


def test_json_has_a_line_at_the_beginning_and_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "form", "json")
    with bars.waiting("counting", "lines") as on_progress:
        on_progress(0.25, 0)
        on_progress(1.0, 12)
    first, *_, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.keys() == last.keys() == {"progress", "fraction", "seconds", "lines", "per_second"}
    assert (last["progress"], last["fraction"], last["lines"]) == ("counting", 1.0, 12)


def test_nothing_is_shown_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    before = threading.active_count()
    with bars.waiting("counting"):
        assert threading.active_count() <= before
    assert not bars.is_seen()


class Output:
    """The output of a cell, as IPython.display has it; `states` are what it showed one after the other."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def HTML(self, code: str) -> str:
        return code

    def display(self, code: str, display_id: bool) -> Output:
        return self

    def update(self, code: str) -> None:
        self.states.append(code)


def test_a_notebook_gets_bars_with_the_last_state_and_not_every_one(monkeypatch: pytest.MonkeyPatch) -> None:
    output, waited = Output(), Output()
    monkeypatch.setattr(bars, "_in_notebook", lambda: True)
    monkeypatch.setattr(bars, "DELAY", 0.0)
    monkeypatch.setitem(sys.modules, "IPython", output)
    monkeypatch.setitem(sys.modules, "IPython.display", output)
    with bars.training_bar() as show:
        for step in range(1, 1001):
            show(Progress(step, 1000, 0.1, 1e-3, 100.0, 1.0, 0.0, None, None, None, False))
    assert 2 <= len(output.states) < 1000
    assert output.states[0].startswith('<progress value="0.0010">')
    assert output.states[-1].startswith('<progress value="1.0000"></progress> 0:00 left, training 0.144')
    monkeypatch.setitem(sys.modules, "IPython.display", waited)
    with bars.waiting("a < b"):
        until(lambda: "<progress></progress> a &lt; b" in waited.states)
    assert waited.states[-1] == ""  # a work is gone at its end


def test_of_several_ranks_the_first_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for rank in range(3):
        monkeypatch.setattr(bars, "rank", lambda rank=rank: rank)
        assert bars.is_seen() == (rank == 0)
