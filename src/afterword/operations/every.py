"""All operations: the files of this folder, each with the name of its command."""

from __future__ import annotations

import functools
import keyword
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afterword.operations.operation import Operation

OTHERS = ("__init__", "aligned", "every", "operation", "options", "work")  # files of this folder that are no operations
RESERVED = ("import", "inspect")  # names of Python and its library, which no file of ours has
ORDER = (
    *("demo", "train", "plan", "generate", "novelty", "score", "surprises", "compare", "odd", "calibrate", "forecast"),
    *("inspect", "units", "horizon", "push", "serve", "export", "import", "info", "bases"),
)


@functools.cache
def summaries() -> dict[str, str]:
    """Return the name of every operation, and the first line of its file, which says what it does; none is imported."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem not in OTHERS:
            said = re.match(r'"""(.*?)("""|\n)', file.read_text(encoding="utf-8"))
            found[file.stem.rstrip("_")] = said[1] if said else ""
    known = [name for name in ORDER if name in found]
    return {name: found[name] for name in [*known, *(name for name in found if name not in known)]}


def find(name: str) -> Operation[Any, Any, Any]:
    """Return the operation `name`."""
    module = import_module(f"afterword.operations.{name}" + "_" * (name in RESERVED))
    found: Operation[Any, Any, Any] = getattr(module, name + "_" * keyword.iskeyword(name))
    return found
