"""How fast a network steps, writes and scores: NumPy, the engine fast, and torch.nn.LSTM of the same sizes.

    python -m benchmarks.engine steps               one stream and 256 lanes: the network alone, a step at a time
    python -m benchmarks.engine loop                one stream of 2×300 units beside a loop over torch.nn.LSTM
    python -m benchmarks.engine streams TEXT        one stream with the n-gram of TEXT, sampling included
    python -m benchmarks.engine streams RUN…        the same of models that were trained
    python -m benchmarks.engine batch TEXT          256 lanes of 1×512 units, n-gram and sampling included

Alone on the machine. Weights are random, except a RUN's. Random ones write what occurs in no text, so an n-gram has to
look up every context; a trained model returns to what it knows. Every way runs in a process of its own, because the
threads of one library wait for work by spinning and take the processor from another. The ways take turns, and a figure
is the median of its turns.
"""

from __future__ import annotations

import os
import statistics
import string
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import click
import numpy as np

from afterword.generation.continuation import Continuation, Policy
from afterword.generation.parallel import LANES_PER_BATCH
from afterword.generation.prefill import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import load
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config
from afterword.model.network.engines import FastEngine
from afterword.model.network.network import Network
from benchmarks.commands import as_written, machine
from benchmarks.random_models import random_model, random_weights

TURNS, WARM_UP, SECONDS = 9, 0.05, 0.15  # of a turn
PAUSE = 0.1  # seconds, after which the threads of the way before no longer spin
ROWS, EMBEDDING = 66, 64
SIZES = ["1x384", "1x512", "2x512", "1x1024"]
STEPS = ["numpy", "fast", "torch"]
LOOPS = ["NumPy stream", "nn.LSTM, 1 thread", "nn.LSTM, all threads"]
LOOP_TOKENS, TORCH_TOKENS = 2000, 50
ENGINES = ("numpy", "fast")
TOKENS = 100  # of each lane

turns_option = click.option("--turns", default=TURNS, show_default=True)


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Microseconds a step of the network alone.")
@click.option("--size", "sizes", multiple=True, default=SIZES)
@turns_option
def steps(sizes: tuple[str, ...], turns: int) -> None:
    click.echo(machine("onnxruntime", "torch"))
    for lanes in (1, LANES_PER_BATCH):
        click.echo(f"microseconds a step, lanes: {lanes}\n  {'':8}" + "".join(f"{way:>16}" for way in STEPS))
        for size in sizes:
            found = take_turns({way: child("step", way, size, lanes) for way in STEPS}, turns)
            medians = [statistics.median(times) * 1e6 for times in found.values()]
            click.echo(f"  {size:8}" + "".join(f"{figure:16,.1f}" for figure in medians))


@main.command(help="Characters per second of one stream of 2×300 units, and of a loop that calls nn.LSTM.")
@turns_option
def loop(turns: int) -> None:
    click.echo(machine("torch"))
    for name, speeds in take_turns({name: child("loop", name) for name in LOOPS}, turns).items():
        click.echo(f"  {name:40} {statistics.median(speeds):12,.0f} characters per second")


@main.command(help="Characters per second of one stream with LSTM and n-gram.")
@click.argument("given", metavar="TEXT|RUN…", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--size", "sizes", multiple=True, default=SIZES, help="with the n-gram of TEXT")
@turns_option
def streams(given: tuple[str, ...], sizes: tuple[str, ...], turns: int) -> None:
    click.echo(machine("onnxruntime"))
    for path, size in [(one, size) for one in given for size in (["run"] if Path(one).is_dir() else sizes)]:
        found = take_turns({engine: child("stream", engine, size, path) for engine in ENGINES}, turns)
        click.echo(f"{size}: " + ", ".join(f"{engine} {statistics.median(found[engine]):,.0f}" for engine in ENGINES))


@main.command(help="Tokens per second of 256 lanes, and what they are of NumPy's bare steps.")
@click.argument("text", type=click.Path(exists=True, dir_okay=False))
@turns_option
def batch(text: str, turns: int) -> None:
    click.echo(machine("onnxruntime"))
    ways = {engine: child("lanes", engine, "1x512", text) for engine in ENGINES}
    found = take_turns({**ways, "bare": child("step", "numpy", "1x512", LANES_PER_BATCH)}, turns)
    for engine in ENGINES:
        speeds = zip(found[engine], found["bare"], strict=True)
        share = statistics.median(speed * seconds / LANES_PER_BATCH for speed, seconds in speeds)
        speed = statistics.median(found[engine])
        click.echo(f"{engine}: {speed:,.0f} tokens per second, {share:.2f} of NumPy's bare steps")


@main.command("way", hidden=True, help="A child process.")
@click.argument("kind")
@click.argument("arguments", nargs=-1)
def way(kind: str, arguments: tuple[str, ...]) -> None:
    work = WAYS[kind](*arguments)
    for turn, _ in enumerate(sys.stdin, 1):
        print(work(turn), flush=True)


def step(kind: str, size: str, lanes: str) -> Callable[[int], float]:
    work = (torch_step if kind == "torch" else network_step)(config_of(size), int(lanes), kind)

    def seconds(turn: int) -> float:
        seconds_of(work, WARM_UP)  # threads that sleep since the last turn have to be woken
        return seconds_of(work, SECONDS)

    return seconds


def loop_way(name: str) -> Callable[[int], float]:
    model = random_model(string.ascii_letters + string.digits + " ", layers=2, units=300)
    return speed_of(written_stream(model) if name == LOOPS[0] else torch_loop(model, name))


def stream(engine: str, size: str, path: str) -> Callable[[int], float]:
    model = load(path).saved if size == "run" else model_of(size, path)
    return speed_of(written_stream(model, engine))


def lanes(engine: str, size: str, text: str) -> Callable[[int], float]:
    model = model_of(size, text)
    writer = Writer(model, model.predictor(engine=engine), Sampling(max_tokens=TOKENS))
    reading = read_prompt(model, writer.network, "\n")

    def write(turn: int) -> int:
        return sum(sample.tokens for sample in writer.samples([reading], LANES_PER_BATCH, turn * LANES_PER_BATCH))

    return speed_of(write)


WAYS: dict[str, Callable[..., Callable[[int], float]]] = {
    "step": step,
    "loop": loop_way,
    "stream": stream,
    "lanes": lanes,
}


def speed_of(write: Callable[[int], int]) -> Callable[[int], float]:
    """Return a function of the turn: the tokens per second that `write`, which is warmed up first, writes in it."""
    write(0)

    def speed(turn: int) -> float:
        began = time.perf_counter()
        tokens = write(turn)
        return tokens / (time.perf_counter() - began)

    return speed


def written_stream(model: SavedModel, engine: str = "numpy") -> Callable[[int], int]:
    """Return a function of the seed that writes as `afterword generate` does; it returns the number of characters."""
    writer = Writer(model, model.predictor(engine=engine), Sampling(max_tokens=LOOP_TOKENS))
    return lambda seed: sum(len(piece.text) for piece in writer.stream("\n", seed))


def seconds_of(work: Callable[[], object], long: float) -> float:
    """A step's mean, over so many seconds or a little more."""
    began, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < long:
        work()
        steps += 1
    return passed / steps


def model_of(size: str, text: str) -> SavedModel:
    layers, units = map(int, size.split("x"))
    read = Path(text).read_text(encoding="utf-8")
    return random_model(read, layers, units, ngram_of=read)


def config_of(size: str) -> Config:
    layers, units = map(int, size.split("x"))
    return Config(ROWS, 1, EMBEDDING, units, layers)


def network_step(config: Config, lanes: int, engine: str) -> Callable[[], object]:
    weights = random_weights(config)
    network = Network(config, weights, engine=FastEngine(config, weights) if engine == "fast" else None)
    ids, state = np.random.default_rng(0).integers(0, ROWS - 2, lanes), network.start(lanes)
    return lambda: network.step(ids, state)


def torch_step(config: Config, lanes: int, _: str) -> Callable[[], object]:
    import torch

    if lanes == 1:  # more threads are slower
        torch.set_num_threads(1)
    embedding, lstm, output = torch_layers(config)
    zeros = torch.zeros(config.num_layers, lanes, config.hidden_size)
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, ROWS - 2, (1, lanes)))

    @torch.inference_mode()
    def work() -> object:
        return output(lstm(embedding(ids), (zeros, zeros))[0])

    return work


def torch_loop(model: SavedModel, name: str) -> Callable[[int], int]:
    """The same network and the same draw, with one call of nn.LSTM per character."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1 if "all threads" in name else 1)
    embedding, lstm, output = torch_layers(model.config)
    policy = Policy(model, Sampling())

    @torch.inference_mode()
    def write(seed: int) -> int:
        text = Continuation(policy, "", seed)
        token, state = 0, None
        for _ in range(TORCH_TOKENS):
            hidden, state = lstm(embedding(torch.tensor([[token]])), state)
            ((token, _, _),) = policy.sampler.draw(output(hidden)[0].numpy(), [text])
        return TORCH_TOKENS

    return write


def torch_layers(config: Config) -> Any:
    from torch.nn import LSTM, Embedding, Linear

    return (
        Embedding(config.vocabulary_size, config.embedding_size),
        LSTM(config.embedding_size, config.hidden_size, config.num_layers),
        Linear(config.hidden_size, config.vocabulary_size),
    )


def child(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks.engine", "way", *map(str, arguments)]


def take_turns(ways: dict[str, list[str]], turns: int) -> dict[str, list[float]]:
    """Return what the process of each way answers in each of its turns."""
    children = {way: subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) for way, command in ways.items()}
    answers: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(turns):
        for way, child in children.items():
            assert child.stdin is not None
            assert child.stdout is not None
            time.sleep(PAUSE)
            child.stdin.write("\n")
            child.stdin.flush()
            answers[way].append(float(child.stdout.readline()))
    for child in children.values():
        child.communicate()
    return answers


if __name__ == "__main__":
    main()
