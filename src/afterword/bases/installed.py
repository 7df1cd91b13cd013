"""The bases that have a name: the one that ships, and those that installed packages register.

A package registers a folder of its own, which is a model, through an entry point:

    [project.entry-points."afterword.bases"]
    german = "afterword_german"

Packages are found by their metadata. None of their code is imported or executed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from afterword.commands import elsewhere, resolve
from afterword.errors import ModelError

GROUP = "afterword.bases"
FOLDERS = {name: Path(__file__).parent / name for name in ("english",)}  # those that ship
RESERVED = ("auto", "none", *FOLDERS)
BASE_NAME, FOLDER = re.compile(r"\w[\w.-]*"), re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class Installed:
    """The bases that have a name now."""

    folders: dict[str, Path]
    """The folder of each, not yet read; those that ship come first."""
    refused: dict[str, str]
    """For each other name that a package registers, why it cannot be used."""


def installed() -> Installed:
    """Return the bases that ship and those of the installed packages."""
    places: dict[str, dict[str, Path]] = defaultdict(dict)
    refused: dict[str, str] = {}
    for package, name, value, site in _registered():
        if name in RESERVED or not BASE_NAME.fullmatch(name):
            why = "this name is taken" if name in RESERVED else "a name has only letters, digits and . - _"
            refused[name] = f"the package {package} registers the base {name!r}, but {why}: it is ignored"
        elif not FOLDER.fullmatch(value):
            refused[name] = f"the package {package} registers the base {name} as {value!r}, which names no folder of it"
        else:
            places[name][package] = site / value.replace(".", "/")
    for name in [name for name in places if len(places[name]) > 1]:
        packages = " and ".join(sorted(places.pop(name)))
        refused[name] = f"the packages {packages} both register the base {name}: uninstall all but one"
    others = {name: folder for name, owner in sorted(places.items()) for folder in owner.values()}
    return Installed(FOLDERS | others, refused)


def _registered() -> Iterator[tuple[str, str, str, Path]]:
    """Yield each registration: the package, the name, its value, and the folder in which the package is installed.

    If a package is installed twice, only the one that Python finds first counts. `importlib.metadata.entry_points` does
    the same, but raises if the metadata of any package is damaged.
    """
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions():
        with contextlib.suppress(Exception):  # of metadata that is damaged in any way, of any package
            entries = distribution.entry_points.select(group=GROUP)
            package = re.sub(r"[-_.]+", "-", distribution.name).lower() if entries else ""
            if entries and package not in seen:
                seen.add(package)
                site = Path(str(distribution.locate_file("")))
                yield from ((package, one.name, one.value, site) for one in entries)


def by_name(name: str) -> Path | None:
    """Return the folder of the base that has this name, or None. Raises ModelError if it cannot be used."""
    if name in FOLDERS or not BASE_NAME.fullmatch(name):
        return FOLDERS.get(name)
    found = installed()
    if name in found.refused:
        raise ModelError(found.refused[name])
    return found.folders.get(name)


def folder_named(path: str | os.PathLike[str]) -> Path:
    """Return the place of the model that a user calls `path`: that path if it exists, else the base of that name.

    A model that is elsewhere, such as hf://…, is fetched. Raises ModelError as `by_name` does, and what that raises.
    """
    if way := elsewhere(path):
        fetched: Path = resolve(way)(path)
        return fetched
    return Path(path) if os.path.exists(path) else by_name(os.fspath(path)) or Path(path)


def name_hint(name: str | os.PathLike[str], as_base: bool = False) -> str:
    """Return what to add to an error about the model `name` if a base has this name, or if it may be meant as one.

    `as_base` is whether the base was read although a folder has its name.
    """
    if not BASE_NAME.fullmatch(os.fspath(name)):
        return ""
    found, exists = installed(), os.path.exists(name)
    if name in found.folders:
        if exists and not as_base:
            return f"; it hides the base {name}: rename it, or run the command in another folder"
        return f" (reinstall {'Afterword' if name in FOLDERS else f'the package of the base {name}'})"
    return "" if exists or name in found.refused else f"; installed bases: {', '.join(found.folders)}"
