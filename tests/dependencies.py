"""Print the names of all dependencies in pyproject.toml, without bounds, for `make test-newest` to install."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def names() -> list[str]:
    """Return the names of all packages that Afterword, its extras and those who work on it need."""
    found = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [*found["project"]["optional-dependencies"].values(), *found["dependency-groups"].values()]
    needed = [*found["project"]["dependencies"], *(one for part in parts for one in part)]
    return sorted({re.split(r"[^\w.-]", one)[0] for one in needed} - {"afterword"})


if __name__ == "__main__":
    print(*names())
