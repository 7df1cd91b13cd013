"""What a run needs of the machine, and what its bits depend on beside its settings."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from afterword.errors import OptionError, RunError
from afterword.learning.device import described
from afterword.learning.ranks import ranks
from afterword.learning.recipe import Device, Recipe


def versions() -> dict[str, str]:
    """The programs that made a run."""
    found = {name: version(name) for name in ("afterword", "torch", "numpy")}
    return {"python": platform.python_version(), **found}


def environment(threads: int, device: Device = "cpu") -> dict[str, Any]:
    """What a run's bits depend on beside its settings, by name."""

    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        names = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    programs = {name: version for name, version in versions().items() if name != "python"}
    return {**programs, "processor": processor, "device": described(device), "threads": threads, "ranks": ranks()}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is otherwise `now`, a phrase each."""
    return [f"{name} was {before[name]} and is {now[name]}" for name in now if now[name] != before[name]]


def check_torch() -> None:
    """Training needs torch, whose threads shall spin for some microseconds at a barrier, and then sleep.

    By default GNU's OpenMP spins for so long that a single other busy process makes training ten times slower, since
    each of the thousands of barriers in a step then waits for a thread that has no processor. See docs/decisions.md.
    """
    if sys.platform == "win32":
        raise RunError("training works on Linux and macOS: on Windows, install Afterword in WSL (wsl --install)")
    if importlib.util.find_spec("torch") is None:
        raise RunError("training needs PyTorch, which is not installed: pip install 'afterword[train]'")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS then sums in the same order every time


def check_ranks(recipe: Recipe) -> None:
    if recipe.batch_size < ranks():
        raise OptionError(
            f"{ranks()} ranks and a batch-size of {recipe.batch_size}: every rank needs a lane of its own; "
            "start fewer, or give a larger --batch-size"
        )
