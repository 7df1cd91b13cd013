"""Make a model that ships out of a run's: `python -m benchmarks.ship_base RUN NAME`.

Its weights are rounded to float16; what that costs a text is printed, where one is given: bits per character of its
first 50,000 characters, before and after.
"""

from __future__ import annotations

from pathlib import Path

import click

from afterword.bases import __file__ as bases
from afterword.language_model import load
from afterword.model.card import card
from afterword.model.saved import load_model, model_folder, save_model

FIGURE = 50_000  # characters


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
@click.option("--text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(run: Path, name: str, text: Path | None) -> None:
    """Save the model of RUN as the shipped base NAME."""
    folder = Path(bases).parent / name
    model = load_model(model_folder(run))
    model.ngram, model.mixture_weight = None, 0.0  # it would hold the books themselves
    save_model(folder, model, card(model, samples=[]), half=True)
    size = sum(file.stat().st_size for file in folder.iterdir())
    click.echo(f"{folder}: {size:,} bytes")
    if text is not None:
        sample = text.read_text(encoding="utf-8")[:FIGURE]
        before, after = (load(place).score(sample).bits_per_character for place in (run, folder))
        click.echo(f"{before:.5f} bits per character in float32, {after:.5f} in float16")


if __name__ == "__main__":
    main()
