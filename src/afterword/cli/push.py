"""`afterword push MODEL USER/NAME`: send a model to the Hugging Face hub."""

from __future__ import annotations

import sys

import click

from afterword.bases.installed import named
from afterword.cli.options import PATH
from afterword.cli.output import note, say
from afterword.errors import OptionError
from afterword.model.folder.card import HUB, UNKNOWN, disclosure
from afterword.model.folder.hub import Upload
from afterword.model.folder.saved import load_model, model_folder


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("repository", metavar="USER/NAME")
@click.option("--private", is_flag=True, help="make a new repository private")
@click.option("--license", metavar="ID", help="the licence of the model, such as mit or cc-by-4.0, for its card")
@click.option("--language", metavar="CODE", help="the language of the text, such as en, for the card")
@click.option("--yes", is_flag=True, help="send without asking")
def push(model: str, repository: str, private: bool, license: str | None, language: str | None, yes: bool) -> None:
    """Send a model to the repository USER/NAME of the Hugging Face hub, which is created if it does not exist.

    First, print the files to be sent and what they reveal of the training text, then ask. Afterwards, every command
    takes the model by the name hf://USER/NAME. This needs an access token: run hf auth login, or set HF_TOKEN.
    """
    folder = model_folder(named(model))
    saved = load_model(folder)
    upload = Upload.of(folder, saved, repository, private, license=license, language=language)
    say(f"to {repository}, {_state(upload)}:")
    for name, size in upload.sizes.items():
        say(f"  {name:<24} {size:>13,} bytes")
    say(f"what this reveals: {' '.join(disclosure(saved))}")
    if upload.about["license"] == UNKNOWN:
        note("the card gives no licence, so nobody may use the model: name one with --license")
    if "language" not in upload.about:
        note("the card gives no language: name it with --language, such as en")
    if not yes:
        if not sys.stdin.isatty():
            raise OptionError("nothing was sent: push asks first, and standard input is not a terminal; give --yes")
        try:
            agreed = click.confirm("send it?", err=True)
        except click.Abort:  # Ctrl-C, or the end of the input
            raise KeyboardInterrupt from None
        if not agreed:
            say("nothing was sent")
            return
    print(upload.send())
    say(f"next: afterword generate {HUB}{repository}")


def _state(upload: Upload) -> str:
    readers = "which only those with access can read" if upload.private else "which everybody can read"
    return f"{'a new repository' if upload.replaced is None else 'an existing repository'}, {readers}"
