"""Print lines that a model writes while it learns, on standard error."""

from __future__ import annotations

import time

from afterword import bars
from afterword.cli.output import say
from afterword.language_model import LanguageModel
from afterword.learning.ranks import rank
from afterword.runs.record import OnReport, Progress
from afterword.runs.run import Run

SAMPLE_EVERY = 15.0  # seconds between lines that the model writes
SAMPLE = 120  # tokens of them, of which the first line is shown


def samples(run: Run) -> OnReport:
    """Return a function of the reports of `run` that prints a line that the model writes, now and then."""
    improved, written = False, time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal improved, written
        improved |= progress.improved
        due = improved and time.monotonic() - written >= SAMPLE_EVERY
        if due and run.model and bars.form == "auto" and rank() == 0:
            improved, written = False, time.monotonic()
            model = LanguageModel(run.model)
            text = model.generate(max_tokens=SAMPLE, seed=progress.step).text
            if line := text.strip().partition("\n")[0]:
                say(f"    it writes: {line}")

    return report
