"""What two processes gain on one machine: python -m benchmarks.ranks [TEXT] [--minutes 1] [--rounds 2]

Trains the same network on TEXT (or the topics of Python's help) for the same minutes: one process of two threads, then
two processes of one thread each under torchrun, in turn. A step reads the same batch either way. Printed: steps, and
the bits per character of the held-out text.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from afterword.language_model import load
from benchmarks.commands import as_written, echo_row, echo_table, machine
from benchmarks.python_help import topics
from tests.processes import finished

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WAYS = {
    "one process, two threads": ([], "2"),
    "two processes, one thread each": (TORCHRUN, "1"),
}
NETWORK = ["--num-layers", "1", "--hidden-size", "256", "--embedding-size", "64", "--batch-size", "16"]
NETWORK += ["--seq-length", "64", "--dropout", "0.1", "--learning-rate", "0.01", "--ngram", "0"]


@click.command(help=as_written(__doc__))
@click.argument("text", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--minutes", default=1.0, show_default=True)
@click.option("--rounds", default=2, show_default=True)
def main(text: Path | None, minutes: float, rounds: int) -> None:
    click.echo(f"{machine('torch')}; {minutes:g} min each\n")
    echo_table(["", "steps", "held-out bits per character"])
    with tempfile.TemporaryDirectory() as place:
        if text is None:
            text = Path(place, "topics.txt")
            text.write_text(topics(), encoding="utf-8")
        for number in range(rounds):
            for k, way in enumerate(WAYS):
                steps, bits = train(way, text, Path(place, f"{number}-{k}"), minutes)
                echo_row([way, f"{steps:,}", f"{bits:.3f}"])


def train(way: str, text: Path, out: Path, minutes: float) -> tuple[int, float]:
    """Return the steps, and the held-out bits per character."""
    launcher, threads = WAYS[way]
    command = [sys.executable, *launcher, "-m", "afterword", "train", str(text), "--out", str(out), *NETWORK]
    arguments = ["--minutes", str(minutes), "--threads", threads]
    done = finished([*command, *arguments], timeout=600 + 120 * minutes, env={**os.environ, "OMP_NUM_THREADS": threads})
    if done.returncode:
        sys.exit(done.stderr.decode())
    about = load(out).about
    return about["training"]["steps"], about["validation"]["bits_per_character"]


if __name__ == "__main__":
    main()
