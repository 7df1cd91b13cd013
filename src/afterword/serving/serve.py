"""Serve models: a web page for people, an API for programs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from afterword.errors import OptionError
from afterword.operations.operation import ModelName, Request, Source, argument, operation, path_names
from afterword.operations.options import Engine
from afterword.operations.work import Work
from afterword.serving.http.limits import Access, Limits
from afterword.settings import setting, settings_class
from afterword.storage import read_whole

KEY = "AFTERWORD_API_KEY"
LEAST_KEY, MOST_KEY = 8, 2**16  # characters


@settings_class()
class Serve(Access, Engine, Limits, Request):
    """Serve models: a web page to write with at /, and an API for OpenAI's clients at /v1.

    MODEL is a model's folder, the folder of its run, the name of a base, or hf://USER/NAME. Clients address a
    model by the name of its folder, or of the base, or by that NAME. The model of a run is reloaded when the run
    saves a better one.

    With `run`, the page shows the progress of a run, and its model is served as soon as it exists. With `train`,
    clients can send texts and train models on them, one at a time, in DIR only. MODEL can then be left out: people
    write with the base english until their model can write.

    The server listens on this machine only; another `host` needs a key, and 0.0.0.0 is all addresses of this machine.
    Ctrl-C stops it after the answers in progress;
    a second Ctrl-C stops it at once.
    """

    example = "serve book --port 8000"
    first = ("host", "port", "api_key_file", "run", "train", "engine")

    models: Annotated[ModelName | Sequence[ModelName], argument("the models", metavar="MODEL", least=0)] = ()
    _: dataclasses.KW_ONLY
    run: ModelName | Sequence[ModelName] = setting("show this run too (repeatable)", default=(), metavar="RUN")
    train: str | os.PathLike[str] | None = setting("folder where clients may train models", default=None, metavar="DIR")
    api_key_file: Source | None = setting(f"the key that clients must send ({KEY})", default=None, metavar="FILE")


@operation(Serve)
def serve(request: Serve, work: Work) -> None:
    if not (request.models or request.run or request.train):
        raise OptionError("there is nothing to serve: give `models`, `run` or `train`")
    key, host = _key(request.api_key_file), request.host
    if host not in ("127.0.0.1", "localhost", "::1") and key is None:
        needed = f"give a key with `api_key_file` or {KEY}"
        raise OptionError(f"`host` {host} can be reached from other machines: {needed}")
    try:
        from afterword.serving.runs.trainer import Trainer
        from afterword.serving.runs.watched import Runs
        from afterword.serving.server import Server, address, hosts, listen
        from afterword.serving.writing.models import Models
    except ModuleNotFoundError as error:
        raise OptionError(f"serve needs {error.name}: pip install 'afterword[serve]'") from None
    trainer = None if request.train is None else Trainer(Path(request.train))
    watched = Runs(path_names(request.run), trainer)
    # people write with english while the first model is trained
    served = Models(path_names(request.models) or ["english"] * (trainer is not None), request.engine, watched.folders)
    with listen(host, request.port) as listening:
        found = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        names = hosts(shown, found, request.allow_host)

        def ready() -> None:
            work.say(f"serving {', '.join(served.names()) or 'no model yet'} on http://{address(shown)}:{found}")

        try:
            Server(served, watched, request, request, listening, names, key).run(ready)
        finally:
            if trainer is not None and (name := trainer.training):
                work.say(f"saving the run {name}")
                trainer.close()
                if failure := trainer.failures().get(name):
                    work.note(f"the run {name} failed: {failure}")


def _key(file: Source | None) -> str | None:
    """Return the key from a file or from the environment. Raises OptionError if it is invalid."""
    try:
        key = os.environ.get(KEY) if file is None else read_whole(Path(file), MOST_KEY).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise OptionError(f"cannot read the key from {file}: {why}") from None
    if key is None:
        return None
    if len(key) < LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        rule = f"use {LEAST_KEY} or more printable ASCII characters and no spaces"
        raise OptionError(f"the key in {file or KEY} is invalid: {rule}")
    return key
