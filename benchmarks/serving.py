"""The server under load: over real sockets, on this machine.

    python -m benchmarks.serving streams TEXT     200 streams of 1×512 units beside the same texts without a server
    python -m benchmarks.serving join MODEL       200 seeded streams that join at random beside each of them alone
    python -m benchmarks.serving gone MODEL       1,000 clients that leave while they wait, are read or written for
    python -m benchmarks.serving class            25 students who open the gates of the lesson's network at once

Alone on the machine. In `streams` the weights are random, since speed does not depend on what a network has learned,
and the ways take turns; a figure is the median.
"""

from __future__ import annotations

import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import click

from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import load
from afterword.model.folder.saved import save_model
from benchmarks import subjects
from benchmarks.commands import as_written, some
from benchmarks.random_models import random_model
from benchmarks.serving_client import request
from tests.serving.server import serving

STREAMS, TOKENS, TURNS = some(200), 500, 3
PROMPT = 20  # characters
STUDENTS, CHARACTERS = 25, 500
OPENINGS = ["It was ", "The old man said: ", "CHAPTER I.\n\n", "No one ", "When the first ship", "She had not slept,"]


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="200 streams at once, beside the batch alone.")
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def streams(text: Path) -> None:
    read = text.read_text(encoding="utf-8")
    model = random_model(read, layers=1, units=512, ngram_of=read)
    network, speeds, shares, first = model.predictor(), list[float](), list[float](), list[float]()
    sampling = Sampling(max_tokens=TOKENS, temperature=1, min_p=0, new_word_p=0, repetition_penalty=1)
    with tempfile.TemporaryDirectory() as place:
        save_model(Path(place, "model"), model, "")
        with serving(Path(place, "model")) as served:
            for turn in range(TURNS):
                began = time.perf_counter()
                samples = Writer(model, network, sampling).samples(["a" * PROMPT], STREAMS, turn * STREAMS)
                batch = sum(sample.tokens for sample in samples) / (time.perf_counter() - began)
                asked = map(str, (served.port, STREAMS, TOKENS, PROMPT, turn * STREAMS))
                command = [sys.executable, "-m", "benchmarks.serving_client", *asked]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                assert found["complete"] == STREAMS
                speeds.append(found["tokens"] / found["seconds"])
                shares.append(speeds[-1] / batch)
                first += found["first"]
    first.sort()
    speed, share, late = statistics.median(speeds), statistics.median(shares), first[int(0.99 * len(first))]
    click.echo(f"{STREAMS} streams: {speed:,.0f} characters per second, {share:.2f} of the batch alone")
    click.echo(f"first character: median {statistics.median(first):.3f} s, p99 {late:.3f} s")


@main.command(help="200 streams that begin at random times, each beside what its seed writes alone.")
@click.argument("model")
def join(model: str) -> None:
    chance = random.Random(0)
    asked: list[dict[str, Any]] = [
        {"prompt": chance.choice(OPENINGS), "max_tokens": chance.randrange(50, 400), "temperature": 0.8, "seed": seed}
        for seed in range(STREAMS)
    ]

    def one(body: dict[str, Any]) -> str:
        time.sleep(2 * chance.random())
        answer = served.post("/v1/completions", {"model": Path(model).name, "stream": True, **body}).body
        lines = [line[6:] for line in answer.split(b"\n\n") if line.startswith(b"data: {")]
        return "".join(json.loads(line)["choices"][0]["text"] for line in lines)

    with serving(model) as served, ThreadPoolExecutor(STREAMS) as threads:
        texts = list(threads.map(one, asked))
    loaded = load(model)
    alone = [loaded.generate(**body, min_p=0, new_word_p=0, repetition_penalty=1).text for body in asked]
    equal = sum(text == other for text, other in zip(texts, alone, strict=True))
    click.echo(f"{equal} of {STREAMS} streams that joined at random are what their seeds write alone")


@main.command(help="1,000 clients that leave: how soon their places are free.")
@click.argument("model")
def gone(model: str) -> None:
    at_once, took = 5, list[float]()
    long = "It was a dark and stormy night. " * 3000
    with serving(model, "--max-requests", str(at_once), "--max-queue", str(at_once)) as served:
        for place, stream, _ in product(("prompt", "queue", "stream"), (False, True), range(some(34) or 1)):
            body = {"model": Path(model).name, "max_tokens": 16_000, "stream": stream, "prompt": "It was"}
            if place == "prompt":
                body |= {"prompt": long, "max_tokens": 5}
            waited = "queue" if place == "queue" else "places_in_use"
            filled = [begun(served.port, body) for _ in range(at_once if place == "queue" else 0)]
            if filled:
                served.wait_for("places_in_use", at_once)
            clients = [begun(served.port, body) for _ in range(at_once)]
            served.wait_for(waited, at_once)
            began = time.perf_counter()
            for connection in clients:
                connection.close()
            served.wait_for(waited, 0)
            took.append(time.perf_counter() - began)
            for connection in filled:
                connection.close()
            served.wait_for("places_in_use", 0)
    median, worst = 1000 * statistics.median(took), 1000 * max(took)
    click.echo(f"{at_once * len(took):,} clients left; free again after {median:.0f} ms, {worst:.0f} ms at worst")


@main.command("class", help="25 students who open the gates of the lesson's network at once.")
def class_() -> None:
    text, took = subjects.TEXT.read_text(encoding="utf-8"), list[float]()
    lines = [line for line in text.splitlines() if len(line) > 30]

    def student(k: int) -> None:
        began = time.perf_counter()
        asked = "\n".join(lines[k::STUDENTS])[:CHARACTERS]
        assert "<html" in served.answer("/v1/gates", text=asked)["html"]
        took.append(time.perf_counter() - began)

    with serving("lesson:divya") as served, ThreadPoolExecutor(STUDENTS) as threads:
        for _ in range(TURNS):
            list(threads.map(student, range(STUDENTS)))
    median, worst = statistics.median(took), max(took)
    click.echo(
        f"the gates of {CHARACTERS} characters for {STUDENTS} at once: median {median:.2f} s, {worst:.2f} s at worst"
    )


def begun(port: int, body: dict[str, Any]) -> socket.socket:
    """A request that was sent."""
    made = socket.create_connection(("127.0.0.1", port))
    made.sendall(request(port, body))
    return made


if __name__ == "__main__":
    main()
