"""Afterword's speed against what the machine can do, as one table: python -m benchmarks.speed [TEXT]

The command in the last column of a row, or a short form of it, measures the row in a process of its own: both sides in
turn, the median of at least seven turns. It takes ten minutes and needs the machine to itself. OpenBLAS chooses its
kernels itself: variables OPENBLAS_… are unset. There are as many threads as cores, unless OMP_NUM_THREADS is set. TEXT
is the text of the n-gram models. --row measures only the rows of that name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.commands import DATA, as_written, echo_row, echo_table, machine

TURNS = 7
Rows = list[tuple[str, str, str]]
"""The quantity, the figure, and the figure to reach."""


def batch(text: Path, turns: int) -> Rows:
    from benchmarks.engine import batch_figures

    found = batch_figures(str(text), "1x512", turns)
    return [
        ("256 texts together, 1×512, part of the bare LSTM steps", f"{found['numpy'][1]:.2f}", "0.75"),
        ("the same by the engine fast, against NumPy", f"{found['fast'][2]:.2f}", "1.8"),
    ]


def stream(text: Path, turns: int) -> Rows:
    from benchmarks.engine import stream_figures

    found = {size: stream_figures(str(text), size, turns) for size in ("1x512", "1x768", "1x1024")}
    return [
        *(
            (f"one stream, {size}, part of its LSTM alone", f"{found[size][1]:.2f}", "0.85")
            for size in ("1x512", "1x768")
        ),
        *((f"one stream, {size}, fast against NumPy", f"{found[size][2]:.2f}", "2") for size in ("1x768", "1x1024")),
    ]


def score(text: Path, turns: int) -> Rows:
    from benchmarks.odd import ALONE, throughput_with

    figures = throughput_with(os.cpu_count() or 1)
    found = [speed / figures["allowed"] for name, speed in figures["speeds"].items() if name != ALONE]
    what = "scoring texts and lines, 1×512, part of what matrix products allow"
    return [(what, f"{min(found):.2f} to {max(found):.2f}", "0.75")]


def train(text: Path, turns: int) -> Rows:
    from benchmarks.training_speed import share_of

    what = "training, {}×{}, part of the bfloat16 matrix rate"
    return [(what.format(*size), f"{share_of(*size, 'bfloat16'):.2f}", "0.72") for size in ((1, 512), (2, 512))]


def serve(text: Path, turns: int) -> Rows:
    from benchmarks.serving import STREAMS, loads, share_of_batch

    loaded, many = loads(text, turns)
    return [(f"{STREAMS} streams of the server, part of generate --num", f"{share_of_batch(loaded, many):.2f}", "0.85")]


def link(text: Path, turns: int) -> Rows:
    command = [sys.executable, "-m", "benchmarks.ranks", "link", "--turns", str(turns)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in printed.splitlines() if "x" in line[:6]]
    return [(f"two ranks against one process, training {row[0]}", row[-1], "") for row in cells]


ROWS: dict[str, tuple[Callable[[Path, int], Rows], str]] = {
    "batch": (batch, "engine batch TEXT"),
    "stream": (stream, "engine streams TEXT"),
    "score": (score, "odd throughput"),
    "train": (train, "training_speed cpu"),
    "serve": (serve, "serving streams TEXT"),
    "link": (link, "ranks link"),
}


@click.command(help=as_written(__doc__))
@click.argument(
    "text", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=DATA / "tinyshakespeare.txt"
)
@click.option("--row", "names", multiple=True, type=click.Choice(list(ROWS)), default=list(ROWS))
@click.option("--turns", default=TURNS, show_default=True, help="use fewer only to check that it runs")
@click.option("--here", is_flag=True, hidden=True, help="Measure in this process, and print JSON.")
def main(text: Path, names: tuple[str, ...], turns: int, here: bool) -> None:
    if here:
        click.echo(json.dumps(ROWS[names[0]][0](text, turns)))
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    os.environ.clear()
    os.environ.update(environment)
    click.echo(f"{machine('onnxruntime', 'torch')}; OPENBLAS_… unset; medians of {turns} turns or more\n")
    echo_table(["what", "figure", "asked", "python -m benchmarks.…"])
    for name in names:
        command = [sys.executable, "-m", "benchmarks.speed", str(text), "--row", name, "--turns", str(turns), "--here"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for row in json.loads(done.stdout.splitlines()[-1]):
            echo_row([*row, f"`{ROWS[name][1]}`"])


if __name__ == "__main__":
    main()
