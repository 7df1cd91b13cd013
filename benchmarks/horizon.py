"""How far back an LSTM and a plain recurrent network remember, of the same size, on the same text, in the same steps.

    python -m benchmarks.horizon TEXT      prints the table, and draws docs/horizon.svg

Both are trained by the real command, with three seeds each. `afterword.horizon` then measures them on the last tenth of
TEXT, which keep-best alone has looked at. A figure is the mean over the places of all seeds together, and ± its
standard error.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import click
import numpy as np

import afterword
from afterword.inspection.figures import COLOURS, STYLES, stacked_axes, write_figure
from afterword.wings.lesson.horizon import Horizon
from benchmarks.commands import PLACE, as_written, run_afterword, split
from tests.reading import read_text

FIXED = ["--base", "none", "--threads", 1, "--ngram", 0, "--hidden-size", 128, "--learning-rate", 0.014]
KINDS = {"changes": "change of the prediction (bits)", "gradients": "gradient of log P"}


def measured(text: Path, held_out: str, cell: str, steps: int) -> Horizon:
    """Return the horizon over the places of three seeds."""
    found = []
    for seed in range(3):
        with tempfile.TemporaryDirectory() as place:
            options = [*FIXED, "--cell", cell, "--steps", steps, "--seed", seed, "--out", Path(place, "run")]
            run_afterword("train", text, *options)
            found.append(afterword.horizon(afterword.load(Path(place, "run")), held_out, seed=seed))
    joined = {kind: np.concatenate([getattr(one, kind) for one in found]) for kind in KINDS}
    return dataclasses.replace(found[0], name=cell, changes=joined["changes"], gradients=joined["gradients"])


@click.command(help=as_written(__doc__))
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--steps", default=1500, show_default=True)
@click.option("--svg", type=click.Path(path_type=Path), default=PLACE.parent / "docs" / "horizon.svg")
def main(text: Path, steps: int, svg: Path) -> None:
    _, held_out = split(read_text([text])[0])
    curves = [measured(text, held_out, cell, steps) for cell in ("lstm", "rnn")]
    click.echo("\n".join(map(str, curves)))
    figure, axes = stacked_axes(width=5.5, heights=[2.6] * len(KINDS))
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
        for one, colour, style in zip(curves, COLOURS, STYLES, strict=False):
            values = getattr(one, kind)
            ks = sorted({*np.unique(np.geomspace(1, values.shape[1], 60).astype(int)).tolist(), *one.steps})
            means, errors = np.array([one.at(k, values) for k in ks]).T
            axis.plot(ks, means, style, color=colour, label=one.name)
            axis.fill_between(ks, np.maximum(means - errors, means / 10), means + errors, color=colour, alpha=0.2, lw=0)
        axis.set(xscale="log", yscale="log", xlabel=f"k, {curves[0].unit}s back", ylabel=title)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    write_figure(figure, svg=svg)


if __name__ == "__main__":
    main()
