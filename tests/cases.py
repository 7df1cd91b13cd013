"""What the tests of the core take from each wing: examples of its commands, and what it adds to a model."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from afterword.commands import WINGS

PLACE = Path(__file__).with_name("wings")


def cases(what: str) -> list[Any]:
    """Return what `tests/wings/NAME/cases.py` has under the name `what`, of each wing that has it."""
    modules = [import_module(f"tests.wings.{wing}.cases") for wing in WINGS if (PLACE / wing / "cases.py").exists()]
    return [getattr(module, what) for module in modules if hasattr(module, what)]
