"""What docs/lines.md says: scoring lines on Ray and Spark, beside the command.

    python -m benchmarks.bulk MODEL LINES_FILE

Runs the page's own code, on one and on two workers of this machine, in an environment of its own, .venv-bulk, which is
made where it is missing; Spark only where there is Java. Fails unless every line comes out once, as it was, with the
bits that `afterword score --lines` finds. Throughput is counted from the first batch to the last, when the first worker
has loaded the model; the whole time has the start of the engine in it too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.commands import PLACE, as_written, echo_table, machine, peer_python

COLUMNS = ["", "lines per second", "characters per second", "of one worker's", "loading", "whole", "largest difference"]
PACKAGES = ("ray[data]==2.60.0", "pyspark==4.3.0", "pandas<3")
PAGE = (PLACE.parent / "docs" / "lines.md").read_text(encoding="utf-8").split("## With Ray and Spark")[1]
NUMBERING, RAY, ODD, SPARK = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TWO = "WORKERS = 2"  # in the code for Ray; Spark has as many as its master says
WITHIN = 1e-4  # of the command's bits

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One way to score the lines; in seconds."""

    name: str
    work: float
    whole: float
    loading: float | None = None
    """Of the model, by the slowest worker."""
    difference: float | None = None
    """The largest one from the command's bits, as a share of them."""


@click.command(help=as_written(__doc__))
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("lines_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(model: Path, lines_file: Path) -> None:
    python = peer_python("bulk", *PACKAGES, options=["-e", str(PLACE.parent)])
    engines = {"ray": RAY, "spark": SPARK}
    if not shutil.which("java"):
        click.echo("there is no Java: Spark is left out", err=True)
        del engines["spark"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "book").symlink_to(model.resolve())
        (place / "today.log").symlink_to(lines_file.resolve())
        finished([python, "-c", NUMBERING], place)
        began = time.monotonic()
        printed = finished([python, "-m", "afterword", "score", "book", "today.log", "--lines", "--json"], place)
        took = time.monotonic() - began
        expected = {row["line"]: row for row in map(json.loads, printed.splitlines())}
        runs = [Run("the command", took, took)]
        for engine, code in engines.items():
            for workers in (1, 2):
                runs.append(run(python, engine, code, workers, place, expected))
    characters = sum(len(row["text"]) + 1 for row in expected.values())
    click.echo(f"{machine()}: {len(expected):,} lines, {characters:,} characters")
    echo_table(COLUMNS, rows(runs, len(expected), characters))


def finished(command: Sequence[str | Path], place: Path) -> str:
    """What `command` prints, run in `place` with one thread of BLAS. Raises ClickException where it fails."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"exit status {done.returncode}:\n{done.stderr}")
    return done.stdout


def run(python: Path, engine: str, code: str, workers: int, place: Path, expected: Mapping[int, Row]) -> Run:
    """Run `code` in `place` on an engine of so many workers. Raises ClickException unless `expected` comes out."""
    name = f"{engine.title()}, {workers} worker{'s' * (workers > 1)}"
    for left in ("scored", "times"):  # by the run before
        shutil.rmtree(place / left, ignore_errors=True)
    (place / "block.txt").write_text(code.replace(TWO, f"WORKERS = {workers}"), encoding="utf-8")
    began = time.monotonic()
    finished([python, PLACE / "peers" / "bulk.py", engine, "block.txt", str(workers)], place)
    whole = time.monotonic() - began
    result = json.loads((place / "result.json").read_bytes())
    if sorted(result["line"]) != sorted(expected):
        raise click.ClickException(f"{name}: of {len(expected):,} lines {len(result['line']):,} came out, or others")
    difference = 0.0
    for number, text, bits in zip(result["line"], result["text"], result["bits"], strict=True):
        if text != expected[number]["text"]:
            raise click.ClickException(f"{name}: line {number} came out as {text!r}")
        difference = max(difference, abs(bits / expected[number]["bits"] - 1))
    if difference > WITHIN:
        raise click.ClickException(f"{name}: the bits of a line differ by {difference:.1g} of them")
    times = result["times"]
    work = max(time.get("ended", 0) for time in times) - min(time["began"] for time in times if "began" in time)
    return Run(name, work, whole, max(time.get("loading", 0) for time in times), difference)


def rows(runs: Sequence[Run], lines: int, characters: int) -> Iterator[list[str]]:
    one = runs[0].work
    for run in runs:
        if run.name.endswith(" 1 worker"):
            one = run.work
        ratio = f"{one / run.work:.2f}" if run.difference is not None else ""
        loading = "" if run.loading is None else f"{run.loading:.1f} s"
        difference = "" if run.difference is None else f"{run.difference:.0e}"
        speeds = [f"{lines / run.work:,.0f}", f"{characters / run.work:,.0f}"]
        yield [run.name, *speeds, ratio, loading, f"{run.whole:.1f} s", difference]


if __name__ == "__main__":
    main()
