"""Printing the progress of a run on standard error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from afterword import bars
from afterword.bars import as_time, figures, is_seen, training_bar
from afterword.cli.output import say
from afterword.language_model import LanguageModel
from afterword.learning.ranks import rank
from afterword.runs.record import Progress
from afterword.runs.run import Run

LINE_EVERY = 10.0  # seconds between plain lines
SAMPLE_EVERY = 15.0  # seconds between lines that the model writes
SAMPLE = 120  # characters of them


def show(run: Run, should_stop: Callable[[], bool], note: Callable[..., object], writes: bool = True) -> None:
    """Train `run` to its end, or until `should_stop`; print its progress and, if it `writes`, now and then a line.

    `note` prints the notes of the run.
    """
    from afterword.runs.loop import train_run  # with PyTorch, which takes a second

    writes = writes and bars.form == "auto"
    improved, written = False, time.monotonic()
    with training_bar() if is_seen() else _lines() as report:
        for progress in train_run(run, should_stop):
            note(*progress.notes)
            report(progress)
            improved |= progress.improved
            if run.model and writes and improved and rank() == 0 and time.monotonic() - written >= SAMPLE_EVERY:
                improved, written = False, time.monotonic()
                model = LanguageModel(run.model)
                length = model.writing_defaults.tokens(SAMPLE)
                text = model.generate(max_tokens=length, seed=progress.step).text
                if line := text.strip().partition("\n")[0]:
                    say(f"    it writes: {line}")


@contextlib.contextmanager
def _lines() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that prints a plain line for a report now and then."""
    reported = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal reported
        due = time.monotonic() - reported >= LINE_EVERY or progress.step == progress.steps
        if due and bars.form == "auto":
            reported = time.monotonic()
            where = f"step {progress.step:,} of {progress.steps:,}"
            speed = f"{progress.characters_per_second:,.0f} {progress.unit}s/s"
            say(f"{where}, {as_time(progress.seconds_left)} left: {figures(progress)}, {speed}")

    yield report
