"""`afterword serve MODEL…`: a page for people and an API for programs, on this machine."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from afterword.cli.engine import engine_option
from afterword.cli.options import PATH, settings_options
from afterword.errors import OptionError
from afterword.serving.limits import Limits

KEY = "AFTERWORD_API_KEY"
LEAST_KEY = 8  # characters


@click.command()
@click.argument("models", nargs=-1, type=PATH, metavar="MODEL...")
@click.option("--run", "runs", multiple=True, type=PATH, metavar="RUN", help="watch this run, too (several)")
@click.option("--train", type=PATH, metavar="DIR", help="let clients train runs, in this folder")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="the address to listen on; beyond this machine only with a key",
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one")
@click.option("--api-key-file", type=PATH, metavar="FILE", help=f"the key that clients must send (else {KEY}, if set)")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="a name by which clients may call this server (several)"
)
@engine_option
@settings_options(Limits, "limits")
def serve(
    models: tuple[str, ...],
    runs: tuple[str, ...],
    train: str | None,
    host: str,
    port: int,
    api_key_file: str | None,
    allow_host: tuple[str, ...],
    engine: str,
    limits: Limits,
) -> None:
    """Serve models: a page to write with at /, and an API as OpenAI's clients use it at /v1.

    MODEL is a model's folder, the folder of its run, or english, which ships; each is asked for by its folder's name.
    A run's model is read again when the run has written a better one.

    With --run, the page shows how a run gets on, and its model is served as soon as there is one. With --train, clients
    may send texts and have runs trained of them, one at a time, in DIR and nowhere else. MODEL may then be left out.

    It listens on this machine alone, unless --host says otherwise, which needs a key. Ctrl-C ends it once the answers
    that are under way are written; pressed again, at once.
    """
    if not (models or runs or train):
        raise OptionError("there is nothing to serve: name a model")
    key = _key(api_key_file)
    if host not in ("127.0.0.1", "localhost", "::1") and key is None:
        raise OptionError(f"--host {host} can be reached from other machines: give a key by --api-key-file or {KEY}")
    try:
        from afterword.serving.models import Models
        from afterword.serving.runs import Runs
        from afterword.serving.server import Server, hosts, listen
        from afterword.serving.trainer import Trainer
    except ModuleNotFoundError as error:
        raise OptionError(f"serve needs {error.name}: pip install 'afterword[serve]'") from None
    trainer = None if train is None else Trainer(Path(train))
    if trainer is None:
        limits = dataclasses.replace(limits, max_text=limits.max_body)
    watched = Runs(runs, trainer)
    _check_names(models, watched.folders())
    served = Models(models, engine, watched.folders)
    with listen(host, port) as listening:
        found = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        names = hosts(shown, found, allow_host)

        def ready() -> None:
            what = ", ".join(served.names()) or "no model yet"
            print(f"serving {what} on http://{shown}:{found}", file=sys.stderr, flush=True)

        try:
            Server(served, watched, limits, listening, names, key).run(ready)
        finally:
            if trainer is not None and (name := trainer.training):
                print(f"the run {name} is being saved", file=sys.stderr, flush=True)
                trainer.close()
                if failure := trainer.failures().get(name):
                    print(f"note: the run {name} failed: {failure}", file=sys.stderr, flush=True)


def _check_names(models: Sequence[str], runs: Mapping[str, Path]) -> None:
    """Raise OptionError where a model has the name of another run, whose model has that too."""
    for model in map(Path, models):
        name = model.resolve().name if model.exists() else str(model)
        if name in runs and (not model.exists() or not model.samefile(runs[name])):
            raise OptionError(f"a model and a run are both named {name}: rename the folder of one")


def _key(file: str | None) -> str | None:
    """The key from a file, or from the environment. Raises OptionError for one that is none."""
    if file is None:
        key, source = os.environ.get(KEY), KEY
    else:
        source = file
        try:
            key = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(
                f"cannot read the key from {file}: {getattr(error, 'strerror', None) or 'it is no text'}"
            ) from None
    if key is None:
        return None
    if len(key) < LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise OptionError(
            f"{source} holds no key: it must be {LEAST_KEY} or more printable ASCII characters without spaces"
        )
    return key
