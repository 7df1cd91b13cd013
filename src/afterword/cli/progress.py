"""A run's progress on standard error: a bar on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from afterword.cli.screen import shown
from afterword.language_model import LanguageModel
from afterword.learning.ranks import rank
from afterword.progress import as_time, figures, is_seen, training_bar
from afterword.runs.run import Run

if TYPE_CHECKING:
    from afterword.runs.progress import Progress

LINE_EVERY = 10.0  # seconds between plain lines
SAMPLE_EVERY = 15.0  # seconds between lines that the model writes


def say(line: str) -> None:
    """Print `line` on standard error. Training goes on where nobody listens any more, as behind `| head`.

    Of the ranks that train one model, the first one speaks.
    """
    if rank() > 0:
        return
    with contextlib.suppress(OSError):
        print(shown(line, sys.stderr), file=sys.stderr, flush=True)


def say_all(notes: Iterable[str]) -> None:
    """Print what a user should know."""
    for note in notes:
        say(f"note: {note}")


def show(run: Run, should_stop: Callable[[], bool]) -> None:
    """Train `run` to its end, or until `should_stop`, and tell how it goes."""
    samples = _Samples(run)
    with training_bar() if is_seen() else _lines() as tell:
        for progress in run.train(should_stop):
            say_all(progress.notes)
            tell(progress)
            written = samples.next(progress)
            if written:
                say(written)


@contextlib.contextmanager
def _lines() -> Iterator[Callable[[Progress], None]]:
    """A plain line on standard error for a report now and then."""
    told = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_EVERY or progress.step == progress.steps:
            told = time.monotonic()
            where = f"step {progress.step:,} of {progress.steps:,}"
            speed = f"{progress.characters_per_second:,.0f} characters/s"
            say(f"{where}, {as_time(progress.seconds_left)} left: {figures(progress)}, {speed}")

    yield tell


class _Samples:
    """Now and then a line that the best model so far writes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._written = time.monotonic()
        self._improved = False

    def next(self, progress: Progress) -> str | None:
        self._improved |= progress.improved
        model = self._run.model
        if rank() > 0 or model is None or not self._improved or time.monotonic() - self._written < SAMPLE_EVERY:
            return None
        self._written, self._improved = time.monotonic(), False
        sample = LanguageModel(model).generate(max_tokens=120, stop="\n", seed=progress.step)
        return f"    it writes: {sample.text.strip()}"
