"""How far back an LSTM and a plain recurrent network remember, of the same size, on the same text, in the same time.

    python -m benchmarks.horizon TEXT [--steps N] [--seed 0 --seed 1 …] [--svg FILE]

Both are trained by the real command for the same number of steps, so that nothing depends on the clock; the seconds
are printed (on the CPU a plain layer is no faster in torch than an LSTM). `LanguageModel.horizon` then measures them on
the last tenth of TEXT, which keep-best alone has looked at. A figure is the mean over the places of all seeds together,
and ± its standard error.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

import afterword
from afterword.inspection.figures import COLOURS, STYLES, stacked_axes, write_figure
from afterword.language_model import LanguageModel, load
from afterword.wings.lesson.horizon import Horizon
from benchmarks.commands import as_written, run_afterword, split
from tests.reading import read_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def train(text: Path, out: Path, cell: str, **options: object) -> tuple[LanguageModel, float]:
    """A model by the real command, and the seconds that it took."""
    fixed = ["--base", "none", "--threads", 1, "--ngram", 0, "--cell", cell]
    begin = time.perf_counter()
    run_afterword("train", text, "--out", out, *fixed, *chain(*((f"--{name}", each) for name, each in options.items())))
    return load(out), time.perf_counter() - begin


def together(name: str, found: list[Horizon]) -> Horizon:
    """The places of several seeds in one."""
    gradients = [one.gradients for one in found if one.gradients is not None]
    joined = np.concatenate(gradients) if gradients else None
    return dataclasses.replace(
        found[0], name=name, changes=np.concatenate([one.changes for one in found]), gradients=joined
    )


def horizon_figure(horizons: Sequence[Horizon]) -> Figure:
    """Return a figure of several models' curves: the change by a character k steps back, on two logarithmic scales."""
    kinds = [("changes", "change of the prediction (bits)")]
    if any(one.gradients is not None for one in horizons):
        kinds.append(("gradients", "gradient of log P"))
    figure, axes = stacked_axes(width=5.5, heights=[2.6] * len(kinds))
    units = " or ".join(dict.fromkeys(f"{one.unit}s" for one in horizons))
    for axis, (kind, title) in zip(axes, kinds, strict=True):
        for one, colour, style in zip(horizons, COLOURS, STYLES, strict=False):
            values = getattr(one, kind)
            if values is None:
                continue
            steps = sorted({*np.unique(np.geomspace(1, values.shape[1], 60).astype(int)).tolist(), *one.steps})
            means, errors = np.array([one.at(k, values) for k in steps]).T
            axis.plot(steps, means, style, color=colour, label=one.name)
            lowest = np.maximum(means - errors, means / 10)
            axis.fill_between(steps, lowest, means + errors, color=colour, alpha=0.2, lw=0)
        axis.set(xscale="log", yscale="log", xlabel=f"k, {units} back", ylabel=title)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    return figure


@click.command(help=as_written(__doc__))
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--steps", default=1500, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(0, 1, 2), show_default=True)
@click.option("--hidden-size", default=128, show_default=True)
@click.option("--learning-rate", default=0.014, show_default=True)
@click.option("--svg", type=click.Path())
def main(
    text: Path, steps: int, seeds: tuple[int, ...], hidden_size: int, learning_rate: float, svg: str | None
) -> None:
    _, held_out = split(read_text([text])[0])
    options = {"steps": steps, "hidden-size": hidden_size, "learning-rate": learning_rate}
    found: dict[str, list[Horizon]] = {}
    bits: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            for cell in ("lstm", "rnn"):
                model, seconds = train(text, Path(folder, f"{cell}-{seed}"), cell, seed=seed, **options)
                click.echo(f"seed {seed}: {steps} steps: {cell} {seconds:.0f} s")
                found.setdefault(cell, []).append(afterword.horizon(model, held_out, seed=seed))
                bits.setdefault(cell, []).append(model.about["validation"]["bits_per_character"])
    curves = [together(name, each) for name, each in found.items()]
    for name, each in bits.items():
        click.echo(
            f"{name}: held out {np.mean(each):.3f} bits per character ({', '.join(f'{one:.3f}' for one in each)})"
        )
    click.echo("\n".join(map(str, curves)))
    if svg:
        write_figure(horizon_figure(curves), svg=svg)


if __name__ == "__main__":
    main()
