"""The tiny model and the command, as in tests/cli."""

from tests.cli.conftest import lines_model, model, run

__all__ = ["lines_model", "model", "run"]
