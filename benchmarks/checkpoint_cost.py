"""What it costs that a run cannot be lost: python -m benchmarks.checkpoint_cost TEXT [--minutes 3]

Trains on TEXT with everything at its default, a checkpoint a minute among it, and adds up the time that goes into
keeping the run: checking that a state is finite, copying and writing it, writing the best model, the reports and the
record, every sync included. Printed: that time as a share of the training time.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import click

from afterword.learning.learner import Learner
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings
from benchmarks.commands import as_written, machine

KEEPING = [
    *((Run, name) for name in ("save_checkpoint", "save_model", "report", "change_record", "take_notes")),
    *((Learner, name) for name in ("is_finite", "tensors")),
]


@click.command(help=as_written(__doc__))
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--minutes", default=3.0, show_default=True)
def main(text: Path, minutes: float) -> None:
    spent = dict.fromkeys((name for _, name in KEEPING), 0.0)

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent[function.__name__] += time.perf_counter() - began

        return call

    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as patches:
        run = begin([text], Path(place, "run"), TextSettings(), TrainingSettings(base="none", minutes=minutes))
        for owner, name in KEEPING:
            patches.enter_context(mock.patch.object(owner, name, timed(getattr(owner, name))))
        *_, last = train_run(run)
    share = sum(spent.values()) / last.seconds
    click.echo(
        f"{machine('torch')}; {text.name}, {minutes:g} min, {last.steps} steps: {share:.2%} of the training time"
    )


if __name__ == "__main__":
    main()
