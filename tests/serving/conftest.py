"""Models to serve, and a server for the tests that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.server import Serving, serving
from tests.tiny import save_tiny


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: tiny, of running text; mixed, with an n-gram too; and lines."""
    place = tmp_path_factory.mktemp("served")
    save_tiny(place / "tiny")
    save_tiny(place / "mixed", mixed=True)
    save_tiny(place / "lines", lines=True)
    return place


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Serving]:
    with serving(models / "tiny", models / "mixed", models / "lines") as found:
        yield found
