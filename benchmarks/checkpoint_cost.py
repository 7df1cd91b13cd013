"""What it costs that a run cannot be lost: python -m benchmarks.checkpoint_cost TEXT [--minutes 3]

Trains on TEXT with everything at its default, a checkpoint a minute among it, and adds up the time that goes into
keeping the run: checking that a state is finite, copying and writing it, writing the best model, the reports and the
record, every sync included. Printed: that time as a share of the training time.              target: less than 2 %
"""

from __future__ import annotations

import functools
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

MOST = 0.02
KEEPING = [
    *((Run, name) for name in ("save_checkpoint", "save_model", "report", "change_record", "take_notes")),
    *((Learner, name) for name in ("is_finite", "tensors")),
]


def timed(function: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    """`function`, which adds the seconds that it takes to `spent`."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[function.__name__] = spent.get(function.__name__, 0.0) + time.perf_counter() - began

    return call


@click.command(help=as_written(__doc__))
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--minutes", default=3.0, show_default=True)
def main(text: Path, minutes: float) -> None:
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        run = begin([text], Path(place, "run"), TextSettings(), TrainingSettings(base="none", minutes=minutes))
        for owner, name in KEEPING:
            mock.patch.object(owner, name, timed(getattr(owner, name), spent)).start()
        *_, last = train_run(run)
        mock.patch.stopall()
        size = max((run.folder.path / "checkpoints").iterdir()).stat().st_size
    share = sum(spent.values()) / last.seconds
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(spent.items()))
    click.echo(f"{machine('torch')}; {text.name}, {minutes:g} min, {last.steps} steps, states of ", nl=False)
    click.echo(f"{size / 1e6:.0f} MB: {share:.2%} of the training time; {'met' if share < MOST else 'MISSED'}")
    click.echo(f"seconds: {parts}; training {last.seconds:.1f}")


if __name__ == "__main__":
    main()
