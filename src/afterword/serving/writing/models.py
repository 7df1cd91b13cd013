"""The models of a server by name, and the variants of them that requests ask for.

A run's model is loaded again once the run has saved a better one. Texts in progress continue with the earlier one.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from afterword.bases.installed import folder_named
from afterword.commands import elsewhere
from afterword.errors import ModelError, OptionError
from afterword.generation.continuation import Policy
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import CARD, CONFIG, FILES, WEIGHTS, model_folder
from afterword.model.network.engines import EngineName
from afterword.serving.http.failures import ApiError

VARIANTS = 8  # of one model: the LSTM alone, gates held, …
POLICIES = 64  # sets of writing settings, of one variant


class Variant:
    """A model with the parts and holds that a request asks for, and its recent writing settings."""

    def __init__(self, model: LanguageModel) -> None:
        self.model, self.writer = model, model.writer(Sampling())
        self._policy = lru_cache(POLICIES)(lambda sampling: model.writer(sampling).policy)

    def policy(self, sampling: Sampling) -> Policy:
        """Return how to write by `sampling`. Raises OptionError if it does not fit the model."""
        if sampling.rules:  # its automaton grows up to a limit, so each request has its own
            return self.model.writer(sampling).policy
        return self._policy(sampling)


class Served:
    """One version of a model, loaded."""

    def __init__(self, name: str, model: LanguageModel, version: Version) -> None:
        self.name, self.model, self.version = name, model, version
        self.created = int(version[0] / 10**9)
        self.token_names = _distinct(model)
        self.variant = lru_cache(VARIANTS)(lambda using, holds: Variant(model.using(using).hold(*holds)))
        """Returns the model as asked for. Raises OptionError for an invalid use or hold."""


def short_name(path: str) -> str:
    """Return NAME of a name such as hf://USER/NAME@REVISION."""
    return path.partition("@")[0].rpartition("/")[2]


Version = tuple[int, ...]  # of its files: the newest time in nanoseconds, and all inodes and sizes


class Models:
    """The models of a server, safe for several threads."""

    def __init__(self, paths: Iterable[str], engine: EngineName, more: Callable[[], dict[str, Path]] = dict) -> None:
        """`paths` are the named models; `more` returns the runs, by name, whose models come and go.

        Raises OptionError if two models have the same name, or if a model has the name of a run that is not its own.
        """
        runs = more()
        self._paths: dict[str, Path] = {}
        for path in paths:
            is_there = Path(path).exists()
            name = short_name(path) if elsewhere(path) else Path(path).resolve().name if is_there else path
            if name in self._paths:
                raise OptionError(f"two models are named {name}: rename the folder of one")
            if name in runs and not (is_there and runs[name].samefile(path)):
                raise OptionError(f"a model and a run are both named {name}: rename the folder of one of them")
            self._paths[name] = folder_named(path)
        self.own = list(self._paths.values())
        """The folders of the named models."""
        self._engine, self._more = engine, more
        self._served: dict[str, Served] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def load(self) -> None:
        """Load the named models. Raises ModelError, OptionError."""
        for name, path in self._paths.items():
            self._newest(name, path)

    def names(self) -> list[str]:
        """Return the names of the models that are available now."""
        more = [name for name, path in self._more().items() if _version(path) is not None]
        return [*self._paths, *(name for name in more if name not in self._paths)]

    def find(self, name: str | None) -> Served:
        """Return the newest version of a model; None means the only one. Raises ApiError if it does not exist."""
        if name is None:
            name, *others = self.names() or [""]
            if others or not name:
                known = f"give one of {', '.join([name, *others][:20])}" if name else "this server has none yet"
                raise ApiError(400, f"model is missing: {known}", "model")
        path = self._paths.get(name) or self._more().get(name)
        if path is not None:
            try:
                return self._newest(name, path)
            except (ModelError, MemoryError) as error:
                if name in self._paths:
                    raise ApiError(500, f"the model {name} cannot be read: {error}") from None
        known = ", ".join(self.names()[:20]) or "none"
        raise ApiError(404, f"unknown model {name[:80]!r}; available: {known}", "model", "model_not_found")

    def _newest(self, name: str, path: str | Path) -> Served:
        version = _version(path)
        with self._locks[name]:
            served = self._served.get(name)
            if served is not None and version in (served.version, None):  # None: it is being replaced
                return served
            model = load(path, engine=self._engine)
            served = self._served[name] = Served(name, model, version or (time.time_ns(),))
            return served


def _version(path: str | Path) -> Version | None:
    """Return the version of a model on disk, or None if it does not exist."""
    folder = model_folder(Path(path))
    try:
        parts = [folder / name for name in FILES if name != CARD]
        found = [part.stat() for part in parts if part.name in (WEIGHTS, CONFIG) or part.exists()]
    except OSError:
        return None
    return max(one.st_mtime_ns for one in found), *(fact for one in found for fact in (one.st_ino, one.st_size))


def _distinct(model: LanguageModel) -> list[str]:
    """Return a unique name per token: its text, or its bytes if they are not text."""
    tokenizer = model.tokenizer
    names: dict[str, int] = {}
    for id, name in enumerate(tokenizer.names):
        spelling = tokenizer.spelling(id)
        if spelling and spelling.decode("utf-8", "replace") != name:
            name = "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelling)
        while name in names:
            name = f"token:{id}:{name}"
        names[name] = id
    return list(names)
