"""Give a saved model more units, and keep what it predicts: `python -m bases.making.widen MODEL UNITS OUT`.

The new units begin as in an untrained network, and nothing reads them yet: their weights into the gates of the old
units and into the output are zero (Chen et al., Net2Net, 2016, without the copies). A run from it learns to use them.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import numpy as np
import torch

from afterword.learning.trainable import TrainableNetwork, saved_name
from afterword.model.arrays import Array
from afterword.model.folder.saved import SavedModel, load_model, model_folder, save_model
from benchmarks.commands import as_written

GATES = 4


@click.command(help=as_written(__doc__))
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("units", type=click.IntRange(min=1))
@click.argument("out", type=click.Path(path_type=Path))
def main(model: Path, units: int, out: Path) -> None:
    """Save MODEL, an LSTM of one layer, with UNITS units as the model OUT."""
    narrow = load_model(model_folder(model))
    if narrow.config.num_layers != 1 or narrow.config.cell != "lstm" or narrow.config.hidden_size > units:
        raise click.UsageError(f"{model} must be an LSTM of one layer and at most {units} units")
    save_model(out, widened(narrow, units), f"# {model.name} with {units} units, to begin a run from\n")


def widened(narrow: SavedModel, units: int) -> SavedModel:
    """Return `narrow` with `units` units."""
    config = dataclasses.replace(narrow.config, hidden_size=units)
    network = TrainableNetwork(config)
    network.initialise(torch.Generator().manual_seed(0))
    weights = {saved_name(name): weight.detach().numpy() for name, weight in network.named_parameters()}
    had = narrow.config.hidden_size
    for name, old in narrow.weights.items():
        weights[name] = _within(weights[name], old, had, units)
    return dataclasses.replace(narrow, config=config, weights=weights)


def _within(new: Array, old: Array, had: int, units: int) -> Array:
    """Return `new` with `old` in its place: among the units of each gate, and before the columns of the new units."""
    new = new.copy()
    if old.shape[0] == GATES * had:
        gates = new.reshape(GATES, units, *new.shape[1:])
        if old.ndim == 2 and old.shape[1] == had:
            gates[:, :had] = 0
        gates[(slice(None), slice(had), *map(slice, old.shape[1:]))] = old.reshape(GATES, had, *old.shape[1:])
    elif old.ndim == 2 and old.shape[1] == had:
        new[:] = 0
        new[:, :had] = old
    else:
        new[:] = old
    return np.ascontiguousarray(new)


if __name__ == "__main__":
    main()
