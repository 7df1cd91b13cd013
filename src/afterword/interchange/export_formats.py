"""The formats to which a model is exported: each is an option of the operation `export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from afterword.errors import OptionError
from afterword.interchange.browser import PageSettings, write_html, write_js
from afterword.interchange.keras_file import write_keras
from afterword.interchange.onnx_file import write_onnx
from afterword.model.folder.saved import SavedModel
from afterword.settings import kinds_of

FORMATS: dict[str, Callable[..., list[str]]] = {
    "html": write_html,
    "js": write_js,
    "onnx": write_onnx,
    "keras": write_keras,
}
"""A function for each format: it takes the `SavedModel`, the path and, if the format has some, its settings.

It writes the model to the path, atomically, and returns notes for the user, one sentence each. Raises OptionError
for a model that the format cannot hold, or if a package is missing; StorageError.
"""


def options_of(name: str) -> list[str]:
    """Return the names of the settings of a format."""
    return [field.name for field, _ in kinds_of(PageSettings) if name in field.metadata["needs"].split(" or ")]


def export(model: SavedModel, name: str, path: Path, settings: PageSettings) -> list[str]:
    """Write `model` in the format of that name. Raises OptionError, and as the format's function."""
    if name not in FORMATS:
        raise OptionError(f"format must be one of {', '.join(FORMATS)}, not {str(name)[:40]}")
    options = options_of(name)
    if wrong := set(settings.given_names).difference(options):
        raise OptionError(f"`{min(wrong)}` is not an option of {name}: leave it out")
    return FORMATS[name](model, path, *([settings] if options else []))
