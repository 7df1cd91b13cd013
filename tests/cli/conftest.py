"""Tiny models with random weights, and the command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import afterword
from tests.processes import finished
from tests.tiny import save_tiny

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `python -m afterword ARGUMENTS` in a process of its own; return its output as bytes."""
    source = str(Path(afterword.__file__).parents[1])

    def run(
        *arguments: str | bytes | Path, input: bytes = b"", fresh: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "afterword", *arguments]
        return finished(command, input, fresh=fresh, env={**os.environ, "PYTHONPATH": source, **environment})

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of running text that knows "\\n", a, b, c, d and é."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def mixed_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of running text, mixed with an n-gram."""
    return save_tiny(tmp_path_factory.mktemp("models") / "mixed", mixed=True)


@pytest.fixture(scope="session")
def lines_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of lines that knows a, b, c, d and é."""
    return save_tiny(tmp_path_factory.mktemp("models") / "lines", lines=True)
