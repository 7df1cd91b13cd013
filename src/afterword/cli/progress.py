"""A run's progress on standard error: a bar on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from afterword.language_model import load
from afterword.learning.ranks import rank
from afterword.runs.run import Run, bits

if TYPE_CHECKING:
    from afterword.runs.loop import Progress

LINE_EVERY = 10.0  # seconds between plain lines
SAMPLE_EVERY = 15.0  # seconds between lines that the model writes


def say(line: str) -> None:
    """Print `line` on standard error. Training goes on where nobody listens any more, as behind `| head`.

    Of the ranks that train one model, the first one speaks.
    """
    if rank() > 0:
        return
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def say_all(notes: Iterable[str]) -> None:
    """Print what a user should know."""
    for note in notes:
        say(f"note: {note}")


def show(run: Run, should_stop: Callable[[], bool]) -> None:
    """Train `run` to its end, or until `should_stop`, and tell how it goes."""
    if sys.stderr.isatty() and rank() == 0:
        _show_bar(run, should_stop)
    else:
        _show_lines(run, should_stop)


def _show_bar(run: Run, should_stop: Callable[[], bool]) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    console = Console(stderr=True)
    columns = (TextColumn("{task.percentage:3.0f} %"), BarColumn(), TextColumn("{task.description}", markup=False))
    samples = _Samples(run)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=1.0)
        for progress in run.train(should_stop):
            share = progress.step / progress.steps
            bar.update(task, completed=share, description=f"{_time(progress.seconds_left)} left, {_figures(progress)}")
            for note in progress.notes:
                console.print(Text(f"note: {note}"))
            written = samples.next(progress)
            if written:
                console.print(Text(written, style="dim"))


def _show_lines(run: Run, should_stop: Callable[[], bool]) -> None:
    samples = _Samples(run)
    told = time.monotonic()
    for progress in run.train(should_stop):
        say_all(progress.notes)
        if time.monotonic() - told >= LINE_EVERY or progress.step == progress.steps:
            told = time.monotonic()
            where = f"step {progress.step:,} of {progress.steps:,}"
            say(f"{where}, {_time(progress.seconds_left)} left: {_figures(progress)}")
            written = samples.next(progress)
            if written:
                say(written)


def _figures(progress: Progress) -> str:
    held_out = "" if progress.best is None else f", held out {bits(progress.best):.3f}"
    figures = f"training {bits(progress.loss):.3f}{held_out} bits per character"
    return f"{figures}, {progress.characters_per_second:,.0f} characters/s"


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"


class _Samples:
    """Now and then a line that the best model so far writes."""

    def __init__(self, run: Run) -> None:
        self._folder = run.folder.path
        self._written = time.monotonic()
        self._improved = False

    def next(self, progress: Progress) -> str | None:
        self._improved |= progress.improved
        if rank() > 0 or not self._improved or time.monotonic() - self._written < SAMPLE_EVERY:
            return None
        self._written, self._improved = time.monotonic(), False
        sample = load(self._folder).generate(max_tokens=120, stop="\n", seed=progress.step)
        return f"    it writes: {sample.text.strip()}"
