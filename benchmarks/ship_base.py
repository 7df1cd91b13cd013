"""Make a model that ships out of a run's: `python -m benchmarks.ship_base RUN NAME BOOKS.tsv`.

Its weights are rounded to float16; what that costs a text is printed, where one is given: bits per character of its
first 50,000 characters, before and after.
"""

from __future__ import annotations

import csv
from pathlib import Path

import click

from afterword.bases import __file__ as bases
from afterword.language_model import load
from afterword.model.saved import SavedModel, load_model, model_folder, save_model

FIGURE = 50_000  # characters
CARD = """\
# {name}: a base that ships with Afterword

A small LSTM to begin other runs from, trained with Afterword on public-domain books. docs/base.md says which they are,
what was left out, and what the model's blemishes are: its language is that of old books, and so are its prejudices.

| | |
| --- | --- |
| text | {books} books, {training:,} characters to learn from |
| tokens | `{kind}`, {rows} rows |
| network | {layers} × {units} LSTM, embedding {embedding}, {parameters:,} parameters, in float16 |
| training | {steps:,} steps of {lanes} × {length} tokens, seed {seed} |
| held-out books, by other authors | {bits:.3f} bits per character |

```
afterword generate {name} --prompt "It was"
afterword train book.txt --base {name}
```
"""


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
@click.argument("books", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(run: Path, name: str, books: Path, text: Path | None) -> None:
    """Save the model of RUN as the shipped base NAME. BOOKS is the books.tsv of its text."""
    folder = Path(bases).parent / name
    model = load_model(model_folder(run))
    model.ngram, model.mixture_weight = None, 0.0  # it would hold the books themselves
    save_model(folder, model, card(name, model, books), half=True)
    size = sum(file.stat().st_size for file in folder.iterdir())
    click.echo(f"{folder}: {size:,} bytes")
    if text is not None:
        sample = text.read_text(encoding="utf-8")[:FIGURE]
        before, after = (load(place).score(sample).bits_per_character for place in (run, folder))
        click.echo(f"{before:.5f} bits per character in float32, {after:.5f} in float16")


def card(name: str, model: SavedModel, books: Path) -> str:
    """The README.md of a shipped model."""
    config, about = model.config, model.about
    plan = about["training"]["plan"]
    with open(books, encoding="utf-8") as file:
        learned = sum(row["part"] == "training" for row in csv.DictReader(file, delimiter="\t"))
    return CARD.format(
        name=name,
        books=learned,
        training=about["corpus"]["training"]["characters"],
        kind=model.tokenizer.kind,
        rows=config.vocabulary_size,
        layers=config.num_layers,
        units=config.hidden_size,
        embedding=config.embedding_size,
        parameters=config.parameters,
        steps=plan["steps"],
        lanes=plan["batch_size"],
        length=plan["seq_length"],
        seed=plan["seed"],
        bits=about["validation"]["bits_per_character"],
    )


if __name__ == "__main__":
    main()
