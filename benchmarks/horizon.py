"""How far back an LSTM and a plain recurrent network remember, of the same size, on the same text, in the same time.

    python benchmarks/horizon.py TEXT [--steps N] [--seeds 0 1 2] [--svg FILE]

Both are trained by the real command for the same number of steps, so that nothing depends on the clock; the seconds
are printed (on the CPU a plain layer is no faster in torch than an LSTM). `afterword horizon` then measures them on the
last tenth of TEXT, which keep-best alone has looked at. A figure is the mean over the places of all seeds together, and
± its standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from afterword.inspection.horizon import Horizon, SideBySide
from afterword.inspection.picture import horizon_figure, write_figure
from afterword.language_model import LanguageModel, load
from afterword.text.reading import read_text


def train(
    text: Path, out: Path, cell: str, steps: int, seed: int, options: argparse.Namespace
) -> tuple[LanguageModel, float]:
    """A model by the real command, and the seconds that it took."""
    arguments = [
        "train",
        str(text),
        "--base",
        "none",
        "--cell",
        cell,
        "--steps",
        str(steps),
        "--seed",
        str(seed),
        "--out",
        str(out),
    ]
    arguments += [
        "--hidden-size",
        str(options.hidden_size),
        "--learning-rate",
        str(options.learning_rate),
        "--threads",
        "1",
        "--ngram",
        "0",
    ]
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "afterword", *arguments], check=True, capture_output=True)
    return load(out), time.perf_counter() - begin


def together(name: str, found: list[Horizon]) -> Horizon:
    """The places of several seeds in one."""
    gradients = [one.gradients for one in found if one.gradients is not None]
    joined = np.concatenate(gradients) if gradients else None
    return dataclasses.replace(
        found[0], name=name, changes=np.concatenate([one.changes for one in found]), gradients=joined
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.014)
    parser.add_argument("--svg")
    options = parser.parse_args()
    whole, _ = read_text([options.text])
    held_out = whole[int(0.9 * len(whole)) :]
    found: dict[str, list[Horizon]] = {}
    bits: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            lstm, seconds = train(options.text, Path(folder, f"l{seed}"), "lstm", options.steps, seed, options)
            plain, plain_seconds = train(options.text, Path(folder, f"p{seed}"), "rnn", options.steps, seed, options)
            print(f"seed {seed}: {options.steps} steps: lstm {seconds:.0f} s, rnn {plain_seconds:.0f} s", flush=True)
            for name, model in (("lstm", lstm), ("rnn", plain)):
                found.setdefault(name, []).append(model.horizon(held_out, seed=seed))
                bits.setdefault(name, []).append(model.about["validation"]["bits_per_character"])
    curves = [together(name, each) for name, each in found.items()]
    for name, each in bits.items():
        print(f"{name}: held out {np.mean(each):.3f} bits per character ({', '.join(f'{one:.3f}' for one in each)})")
    print(SideBySide(curves))
    if options.svg:
        write_figure(horizon_figure(curves), svg=options.svg)


if __name__ == "__main__":
    main()
