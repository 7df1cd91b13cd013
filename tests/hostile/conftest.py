"""The tiny model and the real command, as in tests/cli."""

from tests.cli.conftest import model, run

__all__ = ["model", "run"]
