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
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from afterword.learning.ranks import rank
from afterword.wording import escaped

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from afterword.runs.record import OnReport, Progress

DELAY = 2.0  # seconds before a bar appears
OFTEN = 0.2  # seconds between two states of a bar in a notebook, each of which is a message
EVERY = 1.0  # seconds between two lines of JSON
LINE_EVERY = 10.0  # seconds between two lines about a training without a bar
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


@contextlib.contextmanager
def _bar(text: str, columns: Sequence[ProgressColumn], stays: bool) -> Iterator[Callable[[float | None, str], object]]:
    """Show a bar, with `columns` on a terminal. Yield a function that takes the fraction that is done and a text.

    A bar that `stays` shows its last state at the end, and other output appears above it; any other is removed.
    """
    if _in_notebook():
        from IPython.display import HTML, display

        handle, due = display(HTML(""), display_id=True), 0.0

        def show(fraction: float | None, text: str) -> None:
            nonlocal due
            now = time.monotonic()
            if now >= due or fraction == 1:
                due = now + OFTEN
                value = "" if fraction is None else f' value="{fraction:.4f}"'
                handle.update(HTML(f"<progress{value}></progress> {html.escape(text)}"))

        yield show
        if not stays:  # the notebook stores the last state
            handle.update(HTML(""))
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = Bar(*columns, console=Console(stderr=True), transient=not stays, redirect_stdout=stays, redirect_stderr=stays)
    task = bar.add_task(text, total=1.0 if stays else None)
    bar.start()
    try:
        yield lambda fraction, text: bar.update(
            task, description=text, total=None if fraction is None else 1.0, completed=fraction
        )
    finally:
        with contextlib.suppress(OSError):  # the terminal may be gone, but the work must still be saved
            bar.stop()


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[Progress], object]]:
    """Show a bar, and yield a function that takes each report of a run."""
    if form == "json":
        yield lambda report: _print_json("training", fraction=report.step / report.steps, **vars(report))
        return
    from rich.progress import BarColumn, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.percentage:3.0f} %", table_column=Column(no_wrap=True, min_width=5)),
        BarColumn(table_column=Column(min_width=8)),
        TextColumn("{task.description}", markup=False),
    )
    with _bar("starting", columns, stays=True) as show:
        yield lambda one: show(one.step / one.steps, f"{as_time(one.seconds_left)} left, {figures(one)}")


@contextlib.contextmanager
def waiting(what: str, unit: str = "") -> Iterator[Callable[..., object]]:
    """Show a bar named `what` once the block has taken `DELAY` seconds, and remove it at the end.

    Yields a function that takes the fraction that is done, or None if it is unknown, and the number of `unit` that are
    done. Until it is called, the bar shows only the time.
    """
    fraction: float | None = None
    name = escaped(what)
    count, began, done = 0, time.monotonic(), threading.Event()

    def advance(now: float | None, counted: int = 0) -> None:
        nonlocal fraction, count
        fraction, count = now, counted

    def state() -> str:
        return f"{name}: {count:,} {unit}, {count / (time.monotonic() - began):,.0f}/s" if count else name

    def print_json() -> None:
        seconds = time.monotonic() - began
        counted = {unit: count, "per_second": round(count / max(seconds, 1e-9), 3)} if unit else {}
        _print_json(what, fraction=fraction, seconds=round(seconds, 3), **counted)

    def report() -> None:
        if form == "json":
            print_json()
            while not done.wait(EVERY):
                print_json()
            print_json()
            return
        if done.wait(DELAY):
            return
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with _bar(name, columns, stays=False) as show:
            while not done.wait(0.1):
                show(fraction, state())

    if not is_seen():
        yield advance
        return
    shower = threading.Thread(target=report, daemon=True)
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


def training_lines(say: Callable[[str], object]) -> OnReport:
    """Return a function of reports that now and then passes a line about one to `say`."""
    reported = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal reported
        due = time.monotonic() - reported >= LINE_EVERY or progress.step == progress.steps
        if due and form == "auto":
            reported = time.monotonic()
            where = f"step {progress.step:,} of {progress.steps:,}"
            speed = f"{progress.characters_per_second:,.0f} {progress.unit}s/s"
            say(f"{where}, {as_time(progress.seconds_left)} left: {figures(progress)}, {speed}")

    return report
