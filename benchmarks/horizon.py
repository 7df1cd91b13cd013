"""How far back an LSTM and a plain recurrent network remember, on the same text, in the same steps.

    python -m benchmarks.horizon TEXT      prints the table, and draws docs/horizon.svg

An LSTM, a plain network with as many units and one with as many weights are trained by the real command, with some
seeds each. `afterword.horizon` measures them on the last tenth of TEXT, which keep-best alone has looked at, and
`gradients` how the gradient vanishes there. Few places count for most of a mean, so a figure is the median over the
places of all seeds together, with the quartiles.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import click
import numpy as np
import torch

import afterword
from afterword.inspection.figures import COLOURS, STYLES, stacked_axes, write_figure
from afterword.language_model import LanguageModel
from afterword.learning.trainable import TrainableNetwork
from afterword.model.arrays import Floats, Ids
from afterword.wings.lesson.horizon import PLACES, STEPS, WARM_UP, around
from benchmarks.commands import PLACE, as_written, measured_here, results, run_afterword, split, write_result
from tests.reading import read_text

FIXED = ["--base", "none", "--threads", 1, "--ngram", 0, "--learning-rate", 0.014]
NETWORKS = {"LSTM": ("lstm", 128), "plain, as many units": ("rnn", 128), "plain, as many weights": ("rnn", 269)}
KINDS = {"changes": "change of the prediction (bits)", "gradients": "gradient of log P"}
SHOWN = (5, 20, 50, 100)
LEAST = 1e-18  # that is drawn
SEQUENCES_AT_ONCE = 8  # of which torch keeps every state


def measured(
    text: Path, held_out: str, cell: str, units: int, steps: int, seeds: int
) -> dict[str, Annotated[Floats, "N K"]]:
    """Return the changes and the gradients at the places of all seeds."""
    found: dict[str, list[Floats]] = {kind: [] for kind in KINDS}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as place:
            size = ["--cell", cell, "--hidden-size", units, "--steps", steps]
            run_afterword("train", text, *FIXED, *size, "--seed", seed, "--out", Path(place, "run"))
            model = afterword.load(Path(place, "run"))
            found["changes"].append(afterword.horizon(model, held_out).changes)
            found["gradients"].append(gradients(model, held_out))
    return {kind: np.concatenate(each) for kind, each in found.items()}


def quartiles(values: Annotated[Floats, "N K"], k: int) -> list[float]:
    """Return the lower quartile, the median and the upper quartile at `k`, smoothed as by `Horizon.at`."""
    each = values[:, around(k)].mean(axis=1)
    return [float(one) for one in np.quantile(each, [0.25, 0.5, 0.75])]


def gradients(model: LanguageModel, text: str) -> Annotated[Floats, "N K"]:
    """Return the size of d log P(next) / d input, 1 … K steps back, at places spread evenly over the text."""
    ids = model.tokenizer.encode(model.tokenizer.normalise(text))
    before = min(STEPS + WARM_UP, len(ids) - 1)
    ends = np.linspace(before, len(ids) - 1, PLACES).astype(np.intp)
    read = ids[ends[:, None] + np.arange(-before, 1)]
    begins = np.full((len(read), 1), model.tokenizer.end, read.dtype)
    rows = model.network().rows(np.concatenate([begins, read], axis=1))
    some = (rows[first : first + SEQUENCES_AT_ONCE] for first in range(0, len(rows), SEQUENCES_AT_ONCE))
    return np.concatenate([input_gradients(model, each, min(STEPS, before)) for each in some])


def input_gradients(model: LanguageModel, rows: Annotated[Ids, "N T"], steps: int) -> Annotated[Floats, "N K"]:
    """Return the size of d log P(last row) / d input, 1 … `steps` back, as the Euclidean norm over the embedding.

    Each of the N sequences is read from an empty state, T > `steps`; its last row is only predicted.
    """
    network = TrainableNetwork(model.config).load(model.saved.weights).requires_grad_(False)
    read = torch.from_numpy(rows.astype(np.int64))
    inputs = network.inputs(read[:, :-1]).transpose(0, 1).requires_grad_()
    outputs, _ = network.read(inputs, network.empty_state(len(rows)))
    expected = network.output(outputs[-1]).log_softmax(-1)
    total = expected.gather(1, read[:, -1:]).sum()  # a sequence's part depends on its own inputs alone
    (gradient,) = torch.autograd.grad(total, inputs)
    sizes: Floats = gradient.norm(dim=-1).T.flip(1)[:, :steps].double().numpy()
    return sizes


def table(kind: str) -> str:
    """Return the newest medians and quartiles of each network."""
    rows = {one["network"]: one[kind] for one in results("horizon")}
    lines = [f"| k | {' | '.join(rows)} |", f"| --- |{' ---: |' * len(rows)}"]
    for k in map(str, SHOWN):
        shown = (f"{middle:.1e} ({low:.0e}–{high:.0e})" for low, middle, high in (row[k] for row in rows.values()))
        lines.append(f"| {k} | {' | '.join(shown)} |")
    return "\n".join(lines)


@click.command(help=as_written(__doc__))
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--steps", default=1500, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--svg", type=click.Path(path_type=Path), default=PLACE.parent / "docs" / "horizon.svg")
def main(text: Path, steps: int, seeds: int, svg: Path) -> None:
    _, held_out = split(read_text([text])[0])
    curves = {name: measured(text, held_out, *network, steps, seeds) for name, network in NETWORKS.items()}
    for name, one in curves.items():
        figures = {kind: {k: quartiles(values, k) for k in SHOWN} for kind, values in one.items()}
        asked = {"network": name, "units": NETWORKS[name][1], "steps": steps, "seeds": seeds}
        write_result("horizon", **measured_here(), **asked, **figures)
    for kind, title in KINDS.items():
        click.echo(f"{title}\n\n{table(kind)}\n")
    figure, axes = stacked_axes(width=5.5, heights=[2.6] * len(KINDS))
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
        for name, colour, style in zip(NETWORKS, COLOURS, STYLES, strict=False):
            values = curves[name][kind]
            ks = sorted({*np.geomspace(1, values.shape[1], 60).astype(int).tolist(), *SHOWN})
            low, middle, high = np.maximum([quartiles(values, k) for k in ks], LEAST).T
            axis.plot(ks, middle, style, color=colour, label=name)
            axis.fill_between(ks, low, high, color=colour, alpha=0.2, lw=0)
        axis.set(xscale="log", yscale="log", xlabel="k, characters back", ylabel=title)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    write_figure(figure, svg=svg)


if __name__ == "__main__":
    main()
