"""The server under load: over real sockets, on this machine.

    python -m benchmarks.serving streams TEXT     200 streams of 1×512 units beside the same texts without a server

Alone on the machine. In `streams` the weights are random, since speed does not depend on what a network has learned,
and the ways take turns; a figure is the median.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from afterword.generation.batch import write_samples
from afterword.generation.reading import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writing
from afterword.model.saved import save_model
from benchmarks.batch import random_model

STREAMS, TOKENS, TURNS = 200, 500, 3
PROMPT = 20  # characters


@click.group(help=__doc__)
def main() -> None:
    pass


@contextmanager
def server(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The real command, ready; its process and its port."""
    command = [sys.executable, "-m", "afterword", "serve", *map(str, arguments), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r":(\d+)$", line.strip())
            if found is None:
                raise click.ClickException(line or "the server did not start")
            yield process, int(found[1])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def client(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.serving_client", *map(str, arguments)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def quantile(values: list[float], share: float) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))]


@main.command(help="200 streams at once, beside the batch alone and beside one stream.")
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--units", type=int, default=512, show_default=True)
@click.option("--streams", type=int, default=STREAMS, show_default=True)
@click.option("--turns", type=int, default=TURNS, show_default=True)
def streams(text: Path, units: int, streams: int, turns: int) -> None:
    model = random_model(text.read_text(encoding="utf-8"), units)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "model")
        save_model(folder, model, "")
        network, sampling = (
            model.predictor(),
            Sampling(max_tokens=TOKENS, temperature=1.0, min_p=0.0, repetition_penalty=1.0),
        )
        batch: list[float] = []
        many: list[dict[str, Any]] = []
        one: list[dict[str, Any]] = []
        with server(folder) as (process, port):
            for turn in range(turns):
                began = time.perf_counter()
                reading = read_prompt(model, network, "a" * PROMPT)
                texts = [(reading, seed) for seed in range(turn * streams, (turn + 1) * streams)]
                written = sum(s.tokens for s in write_samples(Writing(model, sampling), network, texts))
                batch.append(written / (time.perf_counter() - began))
                before = processor(process.pid)
                found = client(port, streams, TOKENS, PROMPT, 0, turn * streams)
                found["server"] = processor(process.pid) - before
                many.append(found)
                one.append(client(port, 1, TOKENS, PROMPT, 0, turn))
        assert all(found["complete"] == streams for found in many)
        speeds = [found["tokens"] / found["seconds"] for found in many]
        alone = [found["tokens"] / found["seconds"] for found in one]
        ratios = [speed / without for speed, without in zip(speeds, batch, strict=True)]
        first = sorted(seconds for found in many for seconds in found["first"])
        share = statistics.median(found["processor"] / found["seconds"] for found in many)
        used = statistics.median(found["server"] / found["seconds"] for found in many)
        click.echo(f"the batch alone: {statistics.median(batch):,.0f} characters per second")
        click.echo(
            f"{streams} streams: {statistics.median(speeds):,.0f} characters per second, "
            f"{statistics.median(ratios):.2f} of the batch; {many[-1]['tokens'] / many[-1]['parts']:.1f} characters a "
            f"chunk; the client took {share:.2f} of a core, the server {used:.2f}"
        )
        click.echo(f"first character: median {quantile(first, 0.5):.3f} s, p99 {quantile(first, 0.99):.3f} s")
        click.echo(
            f"one stream: {statistics.median(alone):,.0f} characters per second; "
            f"{streams} together write {statistics.median(speeds) / statistics.median(alone):.1f} times as fast"
        )


def processor(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
