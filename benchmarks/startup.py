"""How soon the command answers: `afterword --help`, and the first byte of `afterword generate` in a pipe.

    python -m benchmarks.startup [--runs 15]

The model is a 2 × 300 LSTM with random weights over 70 characters, made in a temporary folder. Each figure is the
median over processes started anew, measured from before the start to the byte's arrival.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from afterword.model.folder.saved import save_model
from benchmarks.commands import as_written, machine
from benchmarks.random_models import random_model


@click.command(help=as_written(__doc__))
@click.option("--runs", default=15, show_default=True)
def main(runs: int) -> None:
    click.echo(f"{machine()}; medians of {runs} runs")
    with tempfile.TemporaryDirectory() as place:
        model = Path(place, "model")
        save_model(model, random_model(map(chr, range(32, 101)), layers=2, units=300), "# Random weights\n")
        write = ["generate", str(model), "--seed", "1"]
        for name, arguments in (("afterword --help", ["--help"]), ("afterword generate, first byte", write)):
            first_byte(*arguments)  # fills the caches
            click.echo(f"{name:32} {statistics.median(first_byte(*arguments) for _ in range(runs)):.3f} s")


HERE = (sys.executable, "-m", "afterword")


def first_byte(*arguments: str, command: Sequence[str | Path] = HERE) -> float:
    """Return the seconds from before the start to the first byte."""
    start = time.perf_counter()
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        first = time.perf_counter() - start
        process.stdout.read()
        return first


if __name__ == "__main__":
    main()
