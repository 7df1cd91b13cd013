"""Progress: bars on standard error if it is a terminal, or in a notebook as HTML, which needs no ipywidgets.

`--progress json` prints lines of JSON on standard error instead: one every second, and in training one per report.
"""

from __future__ import annotations

import contextlib
import html
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from afterword.learning.ranks import rank

if TYPE_CHECKING:
    from rich.console import Console

    from afterword.runs.record import Progress

DELAY = 2.0  # seconds before a bar appears
OFTEN = 0.2  # seconds between two states of a bar in a notebook, each of which is a message
EVERY = 1.0  # seconds between two lines of JSON
form = "auto"  # or "json" or "none": the value of --progress


def is_seen() -> bool:
    """Return whether progress is shown. If several ranks train one model, only the first shows it."""
    return rank() == 0 and (form == "json" or (form == "auto" and (sys.stderr.isatty() or _in_notebook())))


def _in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter


class _NotebookBar:
    """A bar in the output of a cell. The notebook stores its last state."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle = display(HTML(""), display_id=True)
        self._next = 0.0

    def update(self, fraction: float | None, text: str) -> None:
        """Show `fraction`, from 0 to 1, or an unknown one, and `text`, unless the last state is very new."""
        now = time.monotonic()
        if now < self._next and fraction != 1:
            return
        self._next = now + OFTEN
        value = "" if fraction is None else f' value="{fraction:.4f}"'
        self._handle.update(self._html(f"<progress{value}></progress> {html.escape(text)}"))

    def clear(self) -> None:
        self._handle.update(self._html(""))


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[Progress], None]]:
    """Show a bar, and yield a function that takes each report of a run.

    On a terminal, other output appears above the bar.
    """
    if form == "json":
        yield lambda report: _print_json("training", fraction=report.step / report.steps, **vars(report))
        return
    if _in_notebook():
        shown = _NotebookBar()
        yield lambda report: shown.update(report.step / report.steps, _state(report))
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    columns = (
        TextColumn("{task.percentage:3.0f} %", table_column=Column(no_wrap=True, min_width=5)),
        BarColumn(table_column=Column(min_width=8)),
        TextColumn("{task.description}", markup=False),
    )
    bar = Bar(*columns, console=_console())
    task = bar.add_task("starting", total=1.0)

    def show(report: Progress) -> None:
        bar.update(task, completed=report.step / report.steps, description=_state(report))

    bar.start()
    try:
        yield show
    finally:
        with contextlib.suppress(OSError):  # the terminal may be gone, but the run must still be saved
            bar.stop()


def _state(report: Progress) -> str:
    return f"{as_time(report.seconds_left)} left, {figures(report)}"


@contextlib.contextmanager
def waiting(what: str, unit: str = "") -> Iterator[Callable[..., object]]:
    """Show a bar named `what` once the block has taken `DELAY` seconds, and remove it at the end.

    Yields a function that takes the fraction that is done, or None if it is unknown, and the number of `unit` that are
    done. Until it is called, the bar shows only the time.
    """
    fraction: float | None = None
    count, began, done = 0, time.monotonic(), threading.Event()

    def advance(now: float | None, counted: int = 0) -> None:
        nonlocal fraction, count
        fraction, count = now, counted

    def state() -> str:
        return f"{what}: {count:,} {unit}, {count / (time.monotonic() - began):,.0f}/s" if count else what

    def print_json() -> None:
        seconds = time.monotonic() - began
        counted = {unit: count, "per_second": round(count / max(seconds, 1e-9), 3)} if unit else {}
        _print_json(what, fraction=fraction, seconds=round(seconds, 3), **counted)

    def show() -> None:
        if form == "json":
            print_json()
            while not done.wait(EVERY):
                print_json()
            print_json()
            return
        if done.wait(DELAY):
            return
        if _in_notebook():
            shown = _NotebookBar()
            while not done.wait(OFTEN):
                shown.update(fraction, state())
            shown.clear()
            return
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Bar(*columns, console=_console(), transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            task = bar.add_task(what, total=None)
            while not done.wait(0.1):
                bar.update(task, description=state(), total=None if fraction is None else 1.0, completed=fraction)

    if not is_seen():
        yield advance
        return
    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield advance
    finally:
        done.set()
        shower.join()


def _print_json(what: str, **facts: object) -> None:
    with contextlib.suppress(OSError):  # nobody reads it: the work continues
        print(json.dumps({"progress": what, **facts}), file=sys.stderr, flush=True)


def figures(report: Progress) -> str:
    """Return the figures of a report, short enough to leave room for a bar."""
    held_out = "" if report.best is None else f", held out {report.best / math.log(2):.3f}"
    return f"training {report.loss / math.log(2):.3f}{held_out} bits per {report.unit}"


def as_time(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
