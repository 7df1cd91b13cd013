"""Save the mean of models: `python -m bases.making.mean MODEL MODEL... OUT --text HELD-OUT.txt`.

The models are stages of one training, or runs that began side by side from one base, with or without that base. In
each training, the learning rate fell to zero. The mean of the weights can predict better than any of the models
(Izmailov et al. 2018, Wortsman et al. 2022). OUT takes everything else from the last model, except the cost of held-out
text. That cost is measured on --text for each model and for OUT, and OUT records its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from afterword.errors import AfterwordError
from afterword.model.folder.saved import SavedModel, load_model, model_folder, save_model
from afterword.scoring.costs import score
from benchmarks.commands import as_written

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=as_written(__doc__))
@click.argument("models", type=folder, nargs=-1, required=True)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--text", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(models: tuple[Path, ...], out: Path, text: Path) -> None:
    if out.exists():
        raise click.UsageError(f"{out} exists already: name a new folder")
    try:
        saved = [load_model(model_folder(place)) for place in models]
        held_out = text.read_text(encoding="utf-8")
    except (AfterwordError, UnicodeError) as error:
        raise click.UsageError(str(error)) from None
    for place, model in zip(models, saved, strict=True):
        if model.config != saved[0].config or model.tokenizer.names != saved[0].tokenizer.names:
            raise click.UsageError(f"{models[0]} and {place} must have the same sizes and tokens")
    model = mean(saved)
    for place, each in zip((*models, out), (*saved, model), strict=True):
        cost = score(each.network(), each.tokenizer, held_out)
        click.echo(f"{place}: {cost.bits_per_character:.3f} bits per character")
    figures = {"nats_per_character": cost.nats_per_character, "bits_per_character": cost.bits_per_character}
    model.about["validation"] = figures
    names = ", ".join(place.name for place in models)
    save_model(out, model, f"# The mean of {names}, to begin a run from\n")


def mean(models: Sequence[SavedModel]) -> SavedModel:
    """Return the last of `models`, with the mean of the weights of all."""
    last = models[-1]
    weights = {name: np.mean([model.weights[name] for model in models], axis=0) for name in last.weights}
    return dataclasses.replace(last, weights=weights)


if __name__ == "__main__":
    main()
