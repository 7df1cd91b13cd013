"""`afterword import FILE`: make a model from an LSTM that another program trained."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from afterword.cli.options import PATH, OutputFolder
from afterword.cli.output import say
from afterword.interchange.imported import import_model
from afterword.model.folder.card import card
from afterword.model.folder.saved import save_model


@click.command("import")
@click.argument("file", type=PATH, metavar="FILE")
@click.option("-o", "--out", type=OutputFolder(), required=True, metavar="DIR", help="the new model's folder")
@click.option(
    "--vocabulary",
    type=PATH,
    metavar="FILE",
    help="JSON file with the characters by row (default: tokenizer.json or vocabulary.json in the folder of FILE)",
)
def import_command(file: str, out: Path, vocabulary: str | None) -> None:
    """Make a model from FILE: .keras or .h5 of Keras 3, or .safetensors with the names that export --torch writes."""
    model = import_model(Path(file), None if vocabulary is None else Path(vocabulary))
    save_model(out, model, card(model, []))
    say(f"the model is in {out}: {model.config.network}, {len(model.tokenizer.characters):,} characters")
    say(f"next: afterword generate {shlex.quote(str(out))}")


globals()["import"] = import_command  # its name in the table of commands is a keyword of Python
