"""The gain from several processes, on one machine and on several.

    python -m benchmarks.ranks train
    python -m benchmarks.ranks link [--turns 9]
    torchrun --nnodes 2 --node-rank … --master-addr … -m benchmarks.ranks link      the same command on each machine

`train` trains the same network on the topics of Python's help for half a minute: one process of two threads, then two
processes of one thread each under torchrun, in turn. A step reads the same batch either way. It prints the steps and
the bits per character of the held-out text.

`link` prints when several machines pay off, from the bytes of a step's gradients and the rate at which the ranks sum
them. All ranks measure that rate, in turn with steps of the first rank alone. Without torchrun, two ranks run on this
machine, so the rate is not that of a network. A second machine saves the time by which a step with half the lanes is
shorter, and costs the time to sum all gradients. So it pays off from the rate "needed" on, which is bytes ÷ time saved.
A step of n machines takes fixed + divided ÷ n + bytes · 2(n - 1) ÷ n ÷ rate, where divided is twice the time saved.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import torch

from afterword.language_model import load
from afterword.learning.optimizer import RENEW
from afterword.learning.ranks import Team, meet, ranks, ranks_here
from afterword.learning.trainable import TrainableNetwork
from afterword.planning.machine import available_threads
from afterword.text.characters import ClassicTokenizer
from benchmarks.commands import as_written, echo_row, echo_table, machine, topics
from benchmarks.training_speed import V, our_step, recipe
from tests.processes import finished

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WAYS = {
    "one process, two threads": ([], "2"),
    "two processes, one thread each": (TORCHRUN, "1"),
}
NETWORK = ["--num-layers", "1", "--hidden-size", "256", "--embedding-size", "64", "--batch-size", "16"]
NETWORK += ["--seq-length", "64", "--dropout", "0.1", "--learning-rate", "0.01", "--ngram", "0"]


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Train for the same time with one process and with two.")
def train() -> None:
    click.echo(f"{machine('torch')}; half a minute each\n")
    echo_table(["", "steps", "held-out bits per character"])
    with tempfile.TemporaryDirectory() as place:
        text, out = Path(place, "topics.txt"), Path(place, "run")
        text.write_text(topics(), encoding="utf-8")
        for way, (launcher, threads) in WAYS.items():
            command = [
                sys.executable,
                *launcher,
                "-m",
                "afterword",
                "train",
                str(text),
                "--out",
                str(out),
                "--overwrite",
            ]
            arguments = [*NETWORK, "--minutes", "0.5", "--threads", threads]
            done = finished([*command, *arguments], timeout=660, env={**os.environ, "OMP_NUM_THREADS": threads})
            if done.returncode:
                sys.exit(done.stderr.decode())
            about = load(out).about
            steps, bits = about["training"]["steps"], about["validation"]["bits_per_character"]
            echo_row([way, f"{steps:,}", f"{bits:.3f}"])


@main.command(help="Print when several machines pay off.")
@click.option("--turns", default=9, show_default=True)
def link(turns: int) -> None:
    if ranks() == 1:
        again = ["-m", "benchmarks.ranks", "link", "--turns", str(turns)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(available_threads())}  # torchrun would make it 1
        sys.exit(subprocess.run([sys.executable, *TORCHRUN, *again], env=environment).returncode)
    team, columns = meet(), ["", "MB a step", "ms a step", "of half the lanes", "MB/s needed", "MB/s here"]
    if team.rank == 0:
        click.echo(
            f"{machine('torch')}; {ranks()} ranks, {ranks_here()} of them here, of {available_threads()} threads\n"
        )
        echo_table([*columns, f"{ranks()} ranks against one process"])
    for size in ("1x256", "1x512", "2x512"):
        row = linked(team, size, turns)
        if team.rank == 0:
            echo_row([size, *row])
    team.leave()


def linked(team: Team, size: str, turns: int) -> list[str]:
    """Return the figures of `link`; those of the first rank count."""
    num_layers, hidden_size = map(int, size.split("x"))
    chosen = recipe(num_layers, hidden_size, "bfloat16")
    alone = [our_step(replace(chosen, batch_size=lanes)) for lanes in (chosen.batch_size, chosen.batch_size // 2)]
    together = our_step(chosen, team=team)
    network = TrainableNetwork(chosen.config(ClassicTokenizer.of(map(chr, range(0x4E00, 0x4E00 + V)), lowercase=True)))
    gradients = [torch.ones_like(parameter) for parameter in network.parameters()]
    size_in_bytes = 4 * sum(gradient.numel() for gradient in gradients)
    # the work to measure, its threads, and whether all ranks take part
    few, all_here = available_threads(), available_threads() * ranks_here()
    works: list[tuple[Callable[[], None], int, bool]] = [(step, all_here, False) for step in alone]
    works += [(together, few, True), (lambda: team.add_up(gradients), few, True)]
    times: list[list[float]] = [[] for _ in works]
    for turn in range(turns + 1):
        for (work, threads, is_shared), seconds in zip(works, times, strict=True):
            torch.set_num_threads(threads)
            team.wait()
            began = time.perf_counter()
            for _ in range(RENEW if is_shared or team.rank == 0 else 0):
                work()
            if turn:
                seconds.append((time.perf_counter() - began) / RENEW)
    whole, half, _, summed = map(statistics.median, times)
    ratio = statistics.median(one / other for one, other in zip(times[0], times[2], strict=True))
    needed = size_in_bytes / (whole - half) / 1e6 if whole > half else math.inf
    # n ranks send 2 (n - 1) ÷ n times the bytes: two ranks send them once
    rate = size_in_bytes * 2 * (team.size - 1) / team.size / summed / 1e6
    milliseconds = f"{1e3 * whole:.1f}", f"{1e3 * half:.1f}"
    return [f"{size_in_bytes / 1e6:.2f}", *milliseconds, f"{needed:,.0f}", f"{rate:,.0f}", f"{ratio:.2f}"]


if __name__ == "__main__":
    main()
