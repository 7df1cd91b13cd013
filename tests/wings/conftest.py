"""The fixtures of the tests of wings: tiny models, the command, a server and a browser, as for the core."""

from tests.browser.conftest import chromium, tab, theme
from tests.cli.conftest import book, lines_model, mixed_model, model, run
from tests.serving.conftest import models, server

__all__ = ["book", "chromium", "lines_model", "mixed_model", "model", "models", "run", "server", "tab", "theme"]
