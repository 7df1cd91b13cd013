"""Print the names of all dependencies in pyproject.toml, without bounds, for `make test-newest` to install."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def names() -> list[str]:
    """Return the names of all packages that Afterword and its extras need."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return sorted({re.split(r"[^\w.-]", one)[0] for one in needed} - {"afterword"})


if __name__ == "__main__":
    print(*names())
