"""Save the mean of two models: `python -m bases.making.mean EARLIER LATER OUT --text HELD-OUT.txt`.

LATER continued the training of EARLIER. In both trainings, the learning rate fell to zero. Weights midway between the
two can predict better than either (Izmailov et al. 2018). OUT takes everything else from LATER, except the cost of
held-out text. That cost is measured on --text for all three models, and OUT records its own.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from afterword.errors import AfterwordError
from afterword.model.folder.saved import SavedModel, load_model, model_folder, save_model
from afterword.scoring.costs import score
from benchmarks.commands import as_written

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=as_written(__doc__))
@click.argument("earlier", type=folder)
@click.argument("later", type=folder)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--text", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(earlier: Path, later: Path, out: Path, text: Path) -> None:
    if out.exists():
        raise click.UsageError(f"{out} exists already: name a new folder")
    try:
        first, second = (load_model(model_folder(place)) for place in (earlier, later))
        held_out = text.read_text(encoding="utf-8")
    except (AfterwordError, UnicodeError) as error:
        raise click.UsageError(str(error)) from None
    if first.config != second.config or first.tokenizer.names != second.tokenizer.names:
        raise click.UsageError(f"{earlier} and {later} must have the same sizes and tokens")
    model = mean(first, second)
    for place, each in ((earlier, first), (later, second), (out, model)):
        cost = score(each.network(), each.tokenizer, held_out)
        click.echo(f"{place}: {cost.bits_per_character:.3f} bits per character")
    figures = {"nats_per_character": cost.nats_per_character, "bits_per_character": cost.bits_per_character}
    model.about["validation"] = figures
    save_model(out, model, f"# The mean of {earlier.name} and {later.name}, to begin a run from\n")


def mean(first: SavedModel, second: SavedModel) -> SavedModel:
    """Return the model `second` with the mean weights of both."""
    weights = {name: 0.5 * first.weights[name] + 0.5 * weight for name, weight in second.weights.items()}
    return dataclasses.replace(second, weights=weights)


if __name__ == "__main__":
    main()
