"""Progress bars on standard error, shown on a terminal and in a notebook."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from afterword.learning.ranks import rank
from afterword.settings import OnProgress

if TYPE_CHECKING:
    from rich.console import Console

    from afterword.runs.record import Progress

DELAY = 2.0  # seconds before a bar appears
NOTEBOOK_WIDTH = 100  # characters


def is_seen() -> bool:
    """Return whether a bar would be seen. If several ranks train one model, only the first shows a bar."""
    return rank() == 0 and (sys.stderr.isatty() or _in_notebook())


def _in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter


def _console() -> Console:
    from rich.console import Console

    if _in_notebook() and importlib.util.find_spec("ipywidgets") is None:  # which rich needs to draw there
        return Console(file=sys.stderr, force_jupyter=False, force_terminal=True, width=NOTEBOOK_WIDTH)
    return Console(stderr=True)


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[Progress], None]]:
    """Show a bar, and yield a function that takes each report of a run. Other output appears above the bar."""
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
        left = f"{as_time(report.seconds_left)} left, {figures(report)}"
        bar.update(task, completed=report.step / report.steps, description=left)

    bar.start()
    try:
        yield show
    finally:
        with contextlib.suppress(OSError):  # the terminal may be gone, but the run must still be saved
            bar.stop()


@contextlib.contextmanager
def waiting(what: str) -> Iterator[OnProgress]:
    """Show a bar named `what` once the block has taken `DELAY` seconds, and remove it at the end.

    Yields a function that takes the fraction that is done. Until it is called, the bar shows only the time.
    """
    fraction: float | None = None
    done = threading.Event()

    def advance(now: float) -> None:
        nonlocal fraction
        fraction = now

    def show() -> None:
        if done.wait(DELAY):
            return
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Bar(*columns, console=_console(), transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            task = bar.add_task(what, total=None)
            while not done.wait(0.1):
                if fraction is not None:
                    bar.update(task, total=1.0, completed=fraction)

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


def figures(report: Progress) -> str:
    """Return the figures of a report, short enough to leave room for a bar."""
    held_out = "" if report.best is None else f", held out {report.best / math.log(2):.3f}"
    return f"training {report.loss / math.log(2):.3f}{held_out} bits per character"


def as_time(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
