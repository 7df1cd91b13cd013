"""Many texts side by side: how fast, how many differ from what their seeds write alone, and how much memory.

    python -m benchmarks.batch speed TEXT         256 lanes of 1×512 units and the n-gram of TEXT, beside bare steps
    python -m benchmarks.batch names NAMES.txt    train on lines for 2 minutes, then write 100,000 by the real command
    python -m benchmarks.batch differ MODEL       1,000 texts, each alone and all side by side
    python -m benchmarks.batch memory MODEL       peak memory of the real command over one and ten million characters

Alone on the machine. In `speed` the weights are random, since speed does not depend on what a network has learned, and
the ways take turns; a figure is the median.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from afterword.generation.batch import LANES, write_samples
from afterword.generation.reading import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writing
from afterword.language_model import load
from afterword.model.config import Config, weight_shapes
from afterword.model.ngram import Ngram
from afterword.model.saved import SavedModel
from afterword.text.vocabularies.char import CharTokenizer

TURNS, TOKENS = 5, 200  # of each lane
UNITS, WEIGHT = 512, 0.3
PEAK = """
import resource, sys
from afterword.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command(help="Tokens per second of 256 lanes, sampling and n-gram included, beside the LSTM's bare steps.")
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--units", type=int, default=UNITS, show_default=True)
def speed(text: Path, units: int) -> None:
    model = random_model(text.read_text(encoding="utf-8"), units)
    together, bare = model.predictor(), model.network()
    times: dict[str, list[float]] = {"bare steps": [], "texts": [], "texts, top-k 20": []}
    ids = np.random.default_rng(0).integers(0, model.config.vocabulary_size - 2, (TOKENS, LANES))
    for turn in range(TURNS):
        began, state = time.perf_counter(), bare.start(LANES)
        for row in ids:
            _, state = bare.step(row, state)
        times["bare steps"].append(time.perf_counter() - began)
        for name, sampling in (
            ("texts", Sampling(max_tokens=TOKENS)),
            ("texts, top-k 20", Sampling(max_tokens=TOKENS, top_k=20)),
        ):
            began = time.perf_counter()
            reading = read_prompt(model, together, "\n")
            seeds = range(turn * LANES, (turn + 1) * LANES)
            texts = ((reading, seed) for seed in seeds)
            written = list(write_samples(Writing(model, sampling), together, texts))
            times[name].append(time.perf_counter() - began)
            assert sum(sample.tokens for sample in written) == LANES * TOKENS
    for name, seconds in times.items():
        median = statistics.median(seconds)
        share = statistics.median(b / s for b, s in zip(times["bare steps"], seconds, strict=True))
        click.echo(f"{name}: {LANES * TOKENS / median:,.0f} tokens per second, {share:.2f} of the bare steps")


@main.command(help="100,000 lines of a model that learns NAMES for some minutes.")
@click.argument("names", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--minutes", type=float, default=2, show_default=True)
@click.option("--num", type=int, default=100_000, show_default=True)
def names(names: Path, minutes: float, num: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        run, out = Path(place, "run"), Path(place, "out.txt")
        command("train", names, "--lines", "--base", "none", "--minutes", minutes, "--out", run)
        began = time.monotonic()
        command("generate", run, "--num", num, "--seed", 0, "--temperature", 1, "--out", out)
        took = time.monotonic() - began
        written = out.read_text(encoding="utf-8").splitlines()
        bits = load(run).about["validation"]["bits_per_character"]
    known, different = set(names.read_text(encoding="utf-8").splitlines()), set(written)
    click.echo(
        f"{len(written):,} lines in {took:.1f} s, the command's start included: {len(different):,} different, "
        f"{len(different - known):,} of them not in {names.name}; held out, {bits:.3f} bits per character"
    )


@main.command(help="How many of 1,000 texts differ, alone and side by side, and by how much the others' costs do.")
@click.argument("model")
@click.option("--num", type=int, default=1000, show_default=True)
@click.option("--max-tokens", type=int, default=200, show_default=True)
def differ(model: str, num: int, max_tokens: int) -> None:
    loaded = load(model)
    together = loaded.samples(num=num, seed=0, max_tokens=max_tokens, temperature=1)
    apart, largest = 0, 0.0
    for seed, sample in enumerate(together):
        alone = loaded.generate(seed=seed, max_tokens=max_tokens, temperature=1)
        if alone.text == sample.text:
            largest = max(largest, abs(alone.log_probability - sample.log_probability) / sample.tokens)
        else:
            apart += 1
    click.echo(
        f"{apart} of {num:,} texts of {max_tokens} tokens differ; the log-probabilities of the others by {largest:.1e} "
        "nats per token at most"
    )


@main.command(help="The peak memory of writing one and ten million characters.")
@click.argument("model")
def memory(model: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        for num in (2_000, 20_000):
            out = Path(place, f"{num}.txt")
            arguments = ["generate", model, "--num", str(num), "--max-tokens", "500", "--seed", "0", "--out", str(out)]
            done = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
            click.echo(f"{out.stat().st_size:,} bytes written: {done.stderr.split()[-1]} MB at the peak")


def command(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "afterword", *map(str, arguments)], check=True, capture_output=True)


def random_model(text: str, units: int, layers: int = 1) -> SavedModel:
    """A model of random weights, with the n-gram of `text`."""
    tokenizer = CharTokenizer.of("".join(sorted(set(text))))
    config = Config(
        tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=64, hidden_size=units, num_layers=layers
    )
    random = np.random.default_rng(0)
    weights = {name: random.normal(0, 0.05, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
    rows = tokenizer.rows
    ngram = Ngram.learn(tokenizer.encode(text), rows, rows - 2, int(tokenizer.encode("\n")[0]))
    return SavedModel(config, weights, tokenizer, [rows - 2, rows - 1], {}, ngram=ngram, mixture_weight=WEIGHT)


if __name__ == "__main__":
    main()
