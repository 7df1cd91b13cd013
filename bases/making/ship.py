"""Make a base from the model of a run: `python -m bases.making.ship RUN NAME BOOKS.tsv`.

With `--package DIR`, it is a package of its own, which `pip install DIR` registers as the base NAME.

Its matrices are rounded to int8 with a scale per row, and its biases to float16. --text FILE prints
the cost of rounding: bits per character of its first 50,000 characters with the run's weights, in float16, and as
saved.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import shutil
import zlib
from pathlib import Path

import click
import numpy as np

from afterword.bases import __file__ as bases
from afterword.bases.installed import GROUP, installed
from afterword.model.arrays import Array, in_bytes
from afterword.model.folder.card import card_text, metadata
from afterword.model.folder.saved import SavedModel, load_model, model_folder, save_model
from afterword.scoring.costs import score
from benchmarks.commands import as_written

LICENCE = Path(__file__).parents[2] / "LICENSE"
FIGURE = 50_000  # characters
CARD = """\
# {name}: a base {place} Afterword

A small LSTM from which other runs can begin, trained with Afterword on {listed}

| | |
| --- | --- |
| text | {texts:,} texts, {training:,} characters to learn from |
| tokens | `{kind}`, {rows} rows |
| network | {layers} × {units} LSTM, embedding {embedding}, {parameters:,} one-byte parameters |
| last training | {steps:,} steps of {lanes} × {length} tokens, seed {seed}{begun} |
| {held_out} | {bits:.3f} bits per character |

```
afterword generate {name}
afterword train book.txt --base {name}
```
"""
SHIPPED = """public-domain books and
on today's prose under open licences. docs/base.md lists the texts, what was left out, and the model's blemishes: its
language and its prejudices are those of its texts. ATTRIBUTION.md names the authors whose licences ask for it."""
PACKAGED = """the texts that books.tsv
lists. Its language and prejudices are those of its texts. The weights have the licence of Afterword itself (MIT)."""
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "afterword-{name}"
version = "1"
description = "{name}: a base model for Afterword, from which its runs can begin."
readme = "{module}/README.md"
license = "MIT"
requires-python = ">=3.11"

[project.entry-points."{group}"]
{name} = "{module}"

[tool.hatch.build.targets.wheel]
packages = ["{module}"]
"""


@click.command(help=as_written(__doc__))
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
@click.argument("books", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--package", type=click.Path(file_okay=False, path_type=Path), help="make a package in this folder")
@click.option(
    "--sources",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Markdown for the README of a package: where its texts come from, and their licences",
)
def main(run: Path, name: str, books: Path, text: Path | None, package: Path | None, sources: Path | None) -> None:
    """Save the model of RUN as the base NAME, which ships or is a package. BOOKS is the books.tsv of its text."""
    if (package is None) != (sources is None):
        raise click.UsageError("--package and --sources go together: a package says where its texts come from")
    folder = Path(bases).parent / name if package is None else new_package(package, name)
    model = load_model(model_folder(run))
    model.ngram, model.mixture_weight = None, 0.0  # it would hold the books themselves
    if (model.about.get("base") or {}).get("name") not in installed().folders.keys() - {name}:
        model.about["base"] = None  # a local folder, or what this base replaces: it means nothing to others
    forms = {"float32": model}
    for form in ("float16", "int8"):
        weights = {name: rounded(weight, form) for name, weight in model.weights.items()}
        forms[form] = dataclasses.replace(model, weights=weights)
    told = "" if sources is None else f"\n## Sources\n\n{sources.read_text(encoding='utf-8')}"
    save_model(folder, forms["int8"], card(name, model, books, packaged=package is not None) + told)
    if package is not None:
        shutil.copy(books, folder / "books.tsv")
    files = [file.read_bytes() for file in folder.iterdir()]
    compressed = sum(len(zlib.compress(file)) for file in files)
    click.echo(f"{folder}: {sum(map(len, files)):,} bytes, {compressed:,} in a wheel")
    if text is not None:
        sample = text.read_text(encoding="utf-8")[:FIGURE]
        for form, rounded_model in forms.items():
            cost = score(rounded_model.network(), model.tokenizer, sample).bits_per_character
            click.echo(f"{form}: {cost:.5f} bits per character")


def rounded(weight: Array, form: str) -> Array:
    """Round a weight as it is saved in `form`; a vector has no rows to scale, and becomes float16."""
    if form == "int8" and weight.ndim == 2:
        multiples, scale = in_bytes(weight)
        return multiples * scale[:, None]
    return weight.astype(np.float16).astype(np.float32)


def new_package(package: Path, name: str) -> Path:
    """Write the pyproject.toml of the package that registers the base `name`. Return the folder for its model."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise click.UsageError(
            f"the name {name!r} must be of lower-case letters, digits and hyphens, and begin with a letter"
        )
    module = f"afterword_{name.replace('-', '_')}"
    package.mkdir(parents=True, exist_ok=True)
    shutil.copy(LICENCE, package)
    (package / "pyproject.toml").write_text(PYPROJECT.format(name=name, module=module, group=GROUP), encoding="utf-8")
    return package / module


def card(name: str, model: SavedModel, books: Path, packaged: bool = False) -> str:
    """The README.md of a shipped model."""
    config, about = model.config, model.about
    plan = about["training"]["plan"]
    with open(books, encoding="utf-8") as file:
        learned = sum(row["part"] == "training" for row in csv.DictReader(file, delimiter="\t"))
    body = CARD.format(
        name=name,
        place="for" if packaged else "that ships with",
        listed=PACKAGED if packaged else SHIPPED,
        texts=learned,
        training=about["corpus"]["training"]["characters"],
        kind=model.tokenizer.kind,
        rows=config.vocabulary_size,
        layers=config.num_layers,
        units=config.hidden_size,
        embedding=config.embedding_size,
        parameters=config.parameters,
        steps=about["training"]["steps"],
        lanes=plan["batch_size"],
        length=plan["seq_length"],
        seed=plan["seed"],
        begun=f", from the base {about['base']['name']}" if about.get("base") else "",
        held_out="held-out texts" if packaged else "held-out texts, by other authors",
        bits=about["validation"]["bits_per_character"],
    )
    return card_text({**metadata(model), "license": "mit"}, body)


if __name__ == "__main__":
    main()
