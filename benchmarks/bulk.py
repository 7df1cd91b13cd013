"""What docs/bulk.md says: scoring lines on Ray, Spark, Dask and `datasets`, beside the command.

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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.commands import PLACE, as_written, echo_row, echo_table, machine, peer_python

PACKAGES = ("ray[data]==2.60.0", "pyspark==4.3.0", "dask[dataframe]==2026.8.0", "datasets==5.2.0", "pandas<3")
ENGINES = ("Ray", "Spark", "Dask", "datasets")
TWO = "WORKERS = 2"  # in the code of all but Spark, which has as many as its master says
WITHIN = 1e-4  # of the command's bits


@click.command(help=as_written(__doc__))
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("lines_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(model: Path, lines_file: Path) -> None:
    python = peer_python("bulk", *PACKAGES, options=["-e", str(PLACE.parent)])
    code = code_of_page()
    engines = [one for one in ENGINES if one != "Spark" or shutil.which("java")]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "book").symlink_to(model.resolve())
        (place / "today.log").symlink_to(lines_file.resolve())
        finished([python, "-c", code[""][0]], place)
        began = time.monotonic()
        printed = finished([python, "-m", "afterword", "score", "book", "today.log", "--lines", "--json"], place)
        took = time.monotonic() - began
        expected = {row["line"]: row for row in map(json.loads, printed.splitlines())}
        click.echo(machine())
        echo_table([f"{len(expected):,} lines", "lines per second", "of one worker's", "whole"])
        echo_row(["the command", f"{len(expected) / took:,.0f}", "", f"{took:.1f} s"])
        for engine in engines:
            one = 0.0
            for workers in (1, 2):
                began = time.monotonic()
                speed = len(expected) / run(python, engine, code[engine][0], workers, place, expected)
                whole, one = time.monotonic() - began, one or speed
                echo_row([f"{engine}, {workers} workers", f"{speed:,.0f}", f"{speed / one:.2f}", f"{whole:.1f} s"])


def code_of_page() -> dict[str, list[str]]:
    """Return the blocks of Python below each heading of docs/bulk.md; those above all of them below ""."""
    page = (PLACE.parent / "docs" / "bulk.md").read_text(encoding="utf-8")
    heading, *sections = page.split("\n## ")
    named = {"": heading, **{one.partition("\n")[0]: one for one in sections}}
    return {name: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for name, text in named.items()}


def finished(command: Sequence[str | Path], place: Path) -> str:
    """What `command` prints, run in `place` with one thread of BLAS. Raises ClickException where it fails."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"exit status {done.returncode}:\n{done.stderr}")
    return done.stdout


def run(python: Path, engine: str, code: str, workers: int, place: Path, expected: Mapping[int, Any]) -> float:
    """Run `code` in `place` on an engine of so many workers; return the seconds from the first batch to the last.

    Raises ClickException unless `expected` comes out.
    """
    for left in ("scored", "times", "engine"):  # by the run before
        shutil.rmtree(place / left, ignore_errors=True)
    (place / "block.txt").write_text(code.replace(TWO, f"WORKERS = {workers}"), encoding="utf-8")
    finished([python, PLACE / "peers" / "bulk.py", engine, "block.txt", str(workers)], place)
    result = json.loads((place / "result.json").read_bytes())
    came = {
        line: (text, bits) for line, text, bits in zip(*(result[key] for key in ("line", "text", "bits")), strict=True)
    }
    if came.keys() != expected.keys() or len(came) != len(result["line"]):
        raise click.ClickException(f"{engine}: of {len(expected):,} lines {len(result['line']):,} came out, or others")
    for number, (text, bits) in came.items():
        if text != expected[number]["text"] or abs(bits / expected[number]["bits"] - 1) > WITHIN:
            raise click.ClickException(f"{engine}: line {number} came out as {text!r}, {bits} bits")
    times = result["times"]
    took: float = max(time["ended"] for time in times) - min(time["began"] for time in times)
    return took


if __name__ == "__main__":
    main()
