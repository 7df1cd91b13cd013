"""What it costs that a run cannot be lost: python benchmarks/checkpoint_cost.py TEXT [--minutes 3]

Trains on TEXT with everything at its default, a checkpoint a minute among it, and adds up the time that goes into
keeping the run: checking that a state is finite, copying and writing it, writing the best model, the reports and the
record, every sync included. Printed: that time as a share of the training time.              target: less than 2 %
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from afterword.learning.learner import Learner
from afterword.planning.settings import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=3)
    chosen = parser.parse_args()
    if not chosen.text.exists():
        print(f"skipped: there is no {chosen.text}")
        return
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        run = begin(
            [chosen.text], Path(place, "run"), TextSettings(), TrainingSettings(base="none", minutes=chosen.minutes)
        )
        for owner, name in KEEPING:
            mock.patch.object(owner, name, timed(getattr(owner, name), spent)).start()
        *_, last = run.train()
        mock.patch.stopall()
        size = max((run.folder.path / "checkpoints").iterdir()).stat().st_size
    share = sum(spent.values()) / last.seconds
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(spent.items()))
    print(f"{chosen.text.name}, {chosen.minutes:g} min, {last.steps} steps, {os.cpu_count()} cores, states of ", end="")
    print(f"{size / 1e6:.0f} MB: {share:.2%} of the training time; {'met' if share < MOST else 'MISSED'}")
    print(f"seconds: {parts}; training {last.seconds:.1f}")


if __name__ == "__main__":
    main()
