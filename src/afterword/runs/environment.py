"""The requirements of a run on the machine, and everything but its settings that its bits depend on."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from afterword.errors import OptionError, RunError
from afterword.learning.device import described
from afterword.learning.ranks import ranks
from afterword.learning.recipe import Device, Recipe
from afterword.planning.machine import available_threads
from afterword.runs.record import Environment


def versions(*programs: str) -> dict[str, str]:
    """Return the versions of Python, Afterword and the `programs` that make a model; by default, those of a run."""
    found = {name: version(name) for name in ("afterword", *(programs or ("torch", "numpy")))}
    return {"python": platform.python_version(), **found}


def environment(threads: int, device: Device = "cpu") -> dict[str, Any]:
    """Return everything but its settings that a run's bits depend on, by name."""
    programs = {name: version for name, version in versions().items() if name != "python"}
    return {**programs, "processor": processor(), "device": described(device), "threads": threads, "ranks": ranks()}


def system() -> dict[str, Any]:
    """Return what a bug report should say about this machine; None is the version of a program that is missing."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in ("numpy", "torch", "onnxruntime"):
        found[name] = None
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    here = {"system": platform.platform(), "processor": processor(), "threads": available_threads()}
    return {**found, **here, "blas": _blas()}


def processor() -> str:
    """Return the name of the processor."""
    with contextlib.suppress(OSError):
        if name := re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return name[1]
    return platform.processor() or platform.machine()


def _blas() -> str:
    """Return the library that multiplies NumPy's matrices, and the kernels that OpenBLAS chose for this processor."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = f"{built['name']} {built.get('version', '')}".strip()
    for library in Path(np.__file__).parents[1].glob("numpy.libs/*openblas64*"):  # NumPy's wheels bring their own
        with contextlib.suppress(OSError, AttributeError):
            kernels = ctypes.CDLL(str(library)).scipy_openblas_get_corename64_
            kernels.restype = ctypes.c_char_p
            found += f", kernels {kernels().decode()}"
    return found


def differences(history: Iterable[Environment], now: Mapping[str, Any]) -> str:
    """Describe the differences between `now` and the environments of a run so far, one phrase each."""
    changed = [(name, had.parts[name]) for had in history for name in now if now[name] != had.parts[name]]
    return ", ".join(dict.fromkeys(f"{name} was {was} and is {now[name]}" for name, was in changed))


def check_torch() -> None:
    """Raise RunError if PyTorch is missing. Make its threads sleep soon at a barrier, and its tensors use huge pages.

    By default, GNU's OpenMP spins for so long that a single other busy process makes training ten times slower: each of
    the thousands of barriers in a step then waits for a thread that has no processor. See docs/decisions.md.
    """
    if sys.platform == "win32":
        raise RunError("training works on Linux and macOS: on Windows, install Afterword in WSL (wsl --install)")
    if importlib.util.find_spec("torch") is None:
        raise RunError("training needs PyTorch, which is not installed: pip install 'afterword[train]'")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if Path("/sys/kernel/mm/transparent_hugepage").exists():  # else PyTorch would warn
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # so cuBLAS always sums in the same order


def check_ranks(recipe: Recipe) -> None:
    if recipe.batch_size < ranks():
        raise OptionError(
            f"{ranks()} ranks and a `batch_size` of {recipe.batch_size}: every rank needs a lane of its own; "
            "start fewer, or give a larger one"
        )
