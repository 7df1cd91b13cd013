"""How soon the command answers: `afterword --help`, and the first byte of `afterword generate` in a pipe.

    python benchmarks/startup.py [--runs 15]

The model is a 2 × 300 LSTM with random weights over 70 characters, made in a temporary folder. Each figure is the
median over processes started anew, measured from before the start to the byte's arrival.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from afterword.model.config import Config, weight_shapes
from afterword.model.saved import SavedModel, save_model
from afterword.text.vocabularies.char import CharTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}; medians of {runs} runs")
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "model"
        save_model(model, random_model(), "# Random weights\n")
        print_median("afterword --help", ["--help"], runs)
        print_median("afterword generate, first byte", ["generate", str(model), "--seed", "1"], runs)
        print_speed(["generate", str(model), "--seed", "1", "--max-tokens", "20000"])


def random_model() -> SavedModel:
    tokenizer = CharTokenizer.of("\n" + "".join(chr(code) for code in range(32, 101)))
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=64, hidden_size=300, num_layers=2)
    random = np.random.default_rng(0)
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
    return SavedModel(config, weights, tokenizer, [tokenizer.rows - 2, tokenizer.rows - 1], {"lines": False})


def print_median(name: str, arguments: Sequence[str], runs: int) -> None:
    first_byte(arguments)  # fills the caches
    print(f"{name:32} {statistics.median(first_byte(arguments) for _ in range(runs)):.3f} s")


def first_byte(arguments: Sequence[str]) -> float:
    """Seconds from before the process starts to its first byte on standard output."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "afterword", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.stdout.read()
    return seconds


def print_speed(arguments: Sequence[str]) -> None:
    """Characters a second of one stream, between the first byte and the last."""
    with subprocess.Popen(
        [sys.executable, "-m", "afterword", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        start = time.perf_counter()
        count = len(process.stdout.read())
        seconds = time.perf_counter() - start
    print(f"{'afterword generate, one stream':32} {count / seconds:,.0f} characters/s")


if __name__ == "__main__":
    main()
