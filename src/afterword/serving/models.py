"""The models that a server has, each under its name; and of each the variants that requests ask for.

A run's model is read again once the run has written a better one; what is being written goes on with the one before.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from afterword.bases.shipped import named
from afterword.errors import ModelError, OptionError
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writing
from afterword.language_model import LanguageModel, load
from afterword.model.saved import CONFIG, WEIGHTS, model_folder
from afterword.serving.errors import ApiError

VARIANTS = 8  # of one model: with its LSTM alone, with gates held, …
WRITINGS = 64  # settings that texts are written by, of one variant

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """What was made for the last few keys. Several threads may ask."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()  # twice, where two threads ask at once: nobody waits for what somebody else wants
        with self._lock:
            made = self._kept.setdefault(key, made)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return made


class Variant:
    """A model as a request wants it, and the settings by which it wrote last."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._writings: Recent[Sampling, Writing] = Recent(WRITINGS)

    def writing(self, sampling: Sampling) -> Writing:
        """Raises OptionError for settings that do not suit the model."""
        if sampling.rules:  # whose automaton grows, and has a limit: no request is to find it used up
            return self.model.make_writing(sampling)
        return self._writings.get(sampling, lambda: self.model.make_writing(sampling))


class Served:
    """One version of a model."""

    def __init__(self, name: str, model: LanguageModel, version: Version) -> None:
        self.name, self.model, self.version = name, model, version
        self.created = int(version[0] / 10**9)
        self.token_names = _distinct(model)
        self._variants: Recent[tuple[str, tuple[str, ...]], Variant] = Recent(VARIANTS)
        self._usual = Variant(model)

    def variant(self, using: str = "both", holds: tuple[str, ...] = ()) -> Variant:
        """Raises OptionError for a use or a hold that is none."""
        if using == "both" and not holds:
            return self._usual
        return self._variants.get((using, holds), lambda: Variant(self.model.using(using).hold(*holds)))


Version = tuple[int, int, int]  # of the weights' file: its time in nanoseconds, its number and its size


class Models:
    """The models of a server. Several threads may ask."""

    def __init__(self, paths: Iterable[str], engine: str, more: Callable[[], dict[str, Path]] = dict) -> None:
        """`paths` are those that were named, `more` gives the runs whose models come and go, by name.

        Raises OptionError where two have one name.
        """
        self._paths: dict[str, str | Path] = {}
        for path in paths:
            name = Path(path).resolve().name if Path(path).exists() else path
            if name in self._paths:
                raise OptionError(f"two models are named {name}: rename the folder of one")
            self._paths[name] = path
        self._engine, self._more = engine, more
        self._served: dict[str, Served] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def load(self) -> None:
        """Load those that were named. Raises ModelError, OptionError."""
        for name, path in self._paths.items():
            self._newest(name, path)

    def names(self) -> list[str]:
        """Of those that can be asked for now."""
        more = [name for name, path in self._more().items() if _version(path) is not None]
        return [*self._paths, *(name for name in more if name not in self._paths)]

    def find(self, name: str) -> Served:
        """The newest version. Raises ApiError where there is none of that name."""
        path = self._paths.get(name) or self._more().get(name)
        if path is not None:
            try:
                return self._newest(name, path)
            except ModelError as error:
                if name in self._paths:
                    raise ApiError(500, f"the model {name} cannot be read: {error}") from None
        known = ", ".join(self.names()[:20]) or "none"
        raise ApiError(404, f"there is no model {name[:80]!r} here; available: {known}", "model", "model_not_found")

    def is_ready(self, name: str) -> bool:
        """Whether `find` need not read it first."""
        served, path = self._served.get(name), self._paths.get(name)
        return served is not None and path is not None and _version(path) in (served.version, None)

    def _newest(self, name: str, path: str | Path) -> Served:
        version = _version(path)
        with self._locks[name]:
            served = self._served.get(name)
            if served is not None and version in (served.version, None):  # None: it is being replaced right now
                return served
            model = load(path, engine=self._engine)
            served = self._served[name] = Served(name, model, version or (time.time_ns(), 0, 0))
            return served


def _version(path: str | Path) -> Version | None:
    """None where there is no model."""
    folder = model_folder(named(Path(path)))
    try:
        found = [(folder / part).stat() for part in (WEIGHTS, CONFIG)]
    except OSError:
        return None
    return max(one.st_mtime_ns for one in found), found[0].st_ino, found[0].st_size


def _distinct(model: LanguageModel) -> list[str]:
    """The name of each token: its text, or its bytes where that is none; no two are alike."""
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
