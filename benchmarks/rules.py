"""What rules cost: python -m benchmarks.rules MODEL [--turns 9]

Texts of 30 characters, free and by a pattern of 30 characters, in turns: one stream after another, and 1,024 texts side
by side; tokens per second and the median ratio. Then how long making the rules takes, and a guard against copies, where
MODEL is a run's folder. MODEL must know A to Z, a to z and the full stop.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import click

from afterword.errors import ModelError
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel, load

LENGTH, ALONE, TOGETHER = 30, 60, 1024
PATTERN = "[A-Z][a-z ]{28}[.]"
FREE = Sampling(max_tokens=LENGTH, min_p=0, repetition_penalty=1)
RULED = Sampling(max_tokens=LENGTH, min_p=0, repetition_penalty=1, pattern=PATTERN)
GUARDED = Sampling(max_tokens=LENGTH, min_p=0, repetition_penalty=1, no_copy=20)


@click.command(help=__doc__)
@click.argument("model")
@click.option("--turns", type=int, default=9, show_default=True)
def main(model: str, turns: int) -> None:
    began, loaded = time.perf_counter(), load(model)
    loaded.stream_by(RULED, None, 0)
    click.echo(f"loading and making the rules took {time.perf_counter() - began:.3f} s")
    began = time.perf_counter()
    loaded.stream_by(RULED, None, 0)
    ways = {"a pattern": RULED}
    try:
        loaded.stream_by(GUARDED, None, 0)
        click.echo(f"the passages of the training text took {time.perf_counter() - began:.3f} s")
        ways["no-copy 20"] = GUARDED
    except ModelError:
        click.echo("no-copy is left out: this is no run's folder")
    for name, write in (("one stream", alone), (f"{TOGETHER} side by side", together)):
        compare(name, loaded, write, ways, turns)


def compare(
    name: str,
    model: LanguageModel,
    write: Callable[[LanguageModel, Sampling, int], int],
    ways: dict[str, Sampling],
    turns: int,
) -> None:
    each = {"free": FREE, **ways}
    speeds: dict[str, list[float]] = {way: [] for way in each}
    for turn in range(turns + 1):
        for way, sampling in each.items():
            model.stream_by(sampling, None, 0)  # makes what it needs
            began = time.perf_counter()
            tokens = write(model, sampling, turn)
            if turn:  # the first one warms up
                speeds[way].append(tokens / (time.perf_counter() - began))
    for way, found in speeds.items():
        ratio = statistics.median(one / free for one, free in zip(found, speeds["free"], strict=True))
        click.echo(f"{name}, {way}: {statistics.median(found):,.0f} tokens per second, {ratio:.2f} of free")


def alone(model: LanguageModel, sampling: Sampling, turn: int) -> int:
    seeds = range(turn * ALONE, (turn + 1) * ALONE)
    return sum(model.stream_by(sampling, None, seed).sample().tokens for seed in seeds)


def together(model: LanguageModel, sampling: Sampling, turn: int) -> int:
    return sum(sample.tokens for sample in model.samples_by(sampling, [None], TOGETHER, turn * TOGETHER))


if __name__ == "__main__":
    main()
