"""The models that ship with Afterword, by name."""

from __future__ import annotations

import os
from pathlib import Path

FOLDERS = {name: Path(__file__).parent / name for name in ("english",)}


def named(path: str | os.PathLike[str]) -> Path:
    """Where the model is that a user calls `path`: what stands there, else the shipped model of that name."""
    return Path(path) if os.path.exists(path) else FOLDERS.get(os.fspath(path), Path(path))
