"""What the tests of the core take from the wings: examples of their commands, files and pages."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from afterword.commands import WINGS


def cases(what: str) -> Any:
    """Return the examples `what` of all wings, a list or a dictionary, from the file cases.py of each wing's tests."""
    wings = [wing for wing in WINGS if Path(__file__).with_name("wings").joinpath(wing, "cases.py").exists()]
    each = [getattr(import_module(f"tests.wings.{wing}.cases"), what, None) for wing in wings]
    if any(isinstance(some, list) for some in each):
        return [one for some in each for one in some or ()]
    return {name: one for some in each for name, one in (some or {}).items()}
