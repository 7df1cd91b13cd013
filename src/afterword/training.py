"""Training a run to its end, with a bar on a terminal or in a notebook."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable

from afterword.bars import is_seen, training_bar
from afterword.runs.record import Progress
from afterword.runs.run import Run


def train_shown(run: Run, on_progress: Callable[[Progress], object] | None) -> None:
    """Train `run` to its end. `on_progress` receives every report; if it is None, a bar is shown on a terminal."""
    from afterword.runs import loop  # with PyTorch, which takes a second

    seen = on_progress is None and is_seen()
    with training_bar() if seen else contextlib.nullcontext(on_progress) as show:
        if seen:
            _print_notes(run.take_notes())
        for report in loop.train(run):
            if seen:
                _print_notes(report.notes)
            if show is not None:
                show(report)


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
