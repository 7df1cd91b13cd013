"""All operations: the files of this folder, each with the name of its command."""

from __future__ import annotations

import functools
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afterword.operations.operation import Operation

OTHERS = ("__init__", "every", "operation", "options", "work")  # files of this folder that are not operations
ABOVE = {"serve": "serving"}  # operations in another room, since they need rooms above this one
RESERVED = ("inspect",)  # names in Python's library; our files of these operations end in _
GROUPS = {  # of `afterword --help`, with the commands in order
    "Start here": ("demo", "train", "generate", "score", "odd", "serve"),
    "Make a model": ("plan", "info", "bases"),
    "Write": ("novelty",),
    "Judge": ("surprises", "compare", "voice", "accept", "calibrate", "forecast"),
    "Look inside": ("inspect",),
    "Share": ("export", "push", "completion"),
}


@functools.cache
def summaries() -> dict[str, str]:
    """Return each operation's name and summary, the first line of its file's docstring. No operation is imported."""
    found = {}
    place = Path(__file__).parent
    for file in sorted([*place.glob("*.py"), *(place.parent / room / f"{name}.py" for name, room in ABOVE.items())]):
        if file.parent != place or file.stem not in OTHERS:
            docstring = re.match(r'"""(.*?)("""|\n)', file.read_text(encoding="utf-8"))
            found[file.stem.rstrip("_")] = docstring[1] if docstring else ""
    ordered = (*(name for group in GROUPS.values() for name in group), *found)
    return {name: found[name] for name in ordered if name in found}


def module_of(name: str) -> str:
    """Return the name of the module of an operation."""
    return f"afterword.{ABOVE.get(name, 'operations')}.{name}" + "_" * (name in RESERVED)


def python_name(name: str) -> str:
    """Return the name of an operation in Python: with an underscore if it is a package of ours."""
    return name + "_" * (Path(__file__).parents[1] / name / "__init__.py").exists()


def find_operation(name: str) -> Operation[Any, Any, Any]:
    """Return the operation `name`."""
    found: Operation[Any, Any, Any] = getattr(import_module(module_of(name)), python_name(name))
    return found
