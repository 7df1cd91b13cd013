"""`afterword serve MODEL…`: serve a page for people and an API for programs."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import click

from afterword.cli.options import PATH, engine_option, settings_options
from afterword.cli.output import note, say
from afterword.errors import OptionError
from afterword.serving.http.limits import Access, Limits

KEY = "AFTERWORD_API_KEY"
LEAST_KEY = 8  # characters


@click.command()
@click.argument("models", nargs=-1, type=PATH, metavar="MODEL...")
@click.option("--run", "runs", multiple=True, type=PATH, metavar="RUN", help="show this run too (repeatable)")
@click.option("--train", type=PATH, metavar="DIR", help="let clients train models, in this folder")
@click.option("--api-key-file", type=PATH, metavar="FILE", help=f"the key that clients must send ({KEY})")
@settings_options(Access, "access")
@engine_option
@settings_options(Limits, "limits")
def serve(
    models: tuple[str, ...],
    runs: tuple[str, ...],
    train: str | None,
    api_key_file: str | None,
    access: Access,
    engine: str,
    limits: Limits,
) -> None:
    """Serve models: a web page to write with at /, and an API for OpenAI's clients at /v1.

    MODEL is a model's folder, the folder of its run, the name of a base, or hf://USER/NAME. Clients address a
    model by the name of its folder, or of the base, or by that NAME. The model of a run is reloaded when the run
    saves a better one.

    With --run, the page shows the progress of a run, and its model is served as soon as it exists. With --train,
    clients can send texts and train models on them, one at a time, in DIR only. MODEL can then be left out.

    The server listens on this machine only; another --host needs a key. Ctrl-C stops it after the answers in progress;
    a second Ctrl-C stops it at once.
    """
    if not (models or runs or train):
        raise OptionError("there is nothing to serve: give MODEL, --run or --train")
    key = _key(api_key_file)
    host = access.host
    if host not in ("127.0.0.1", "localhost", "::1") and key is None:
        raise OptionError(f"--host {host} can be reached from other machines: give a key with --api-key-file or {KEY}")
    try:
        from afterword.serving.runs.trainer import Trainer
        from afterword.serving.runs.watched import Runs
        from afterword.serving.server import Server, hosts, listen
        from afterword.serving.writing.models import Models
    except ModuleNotFoundError as error:
        raise OptionError(f"serve needs {error.name}: pip install 'afterword[serve]'") from None
    trainer = None if train is None else Trainer(Path(train))
    if trainer is None:
        limits = dataclasses.replace(limits, max_text=limits.max_body)
    watched = Runs(runs, trainer)
    served = Models(models, engine, watched.folders)
    with listen(host, access.port) as listening:
        found = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        names = hosts(shown, found, access.allow_host)

        def ready() -> None:
            what = ", ".join(served.names()) or "no model yet"
            say(f"serving {what} on http://{shown}:{found}")

        try:
            Server(served, watched, limits, access, listening, names, key).run(ready)
        finally:
            if trainer is not None and (name := trainer.training):
                say(f"saving the run {name}")
                trainer.close()
                if failure := trainer.failures().get(name):
                    note(f"the run {name} failed: {failure}")


def _key(file: str | None) -> str | None:
    """Return the key from a file or from the environment. Raises OptionError if it is invalid."""
    try:
        key = os.environ.get(KEY) if file is None else Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise OptionError(f"cannot read the key from {file}: {why}") from None
    if key is None:
        return None
    if len(key) < LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise OptionError(
            f"the key in {file or KEY} is invalid: use {LEAST_KEY} or more printable ASCII characters and no spaces"
        )
    return key
