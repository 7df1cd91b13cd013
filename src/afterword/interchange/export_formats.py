"""The formats to which a model is exported: each is an option of the operation `export`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from afterword.errors import OptionError
from afterword.interchange.browser import ModuleSettings, PageSettings, write_html, write_js
from afterword.interchange.keras_file import write_keras
from afterword.interchange.onnx_file import write_onnx
from afterword.interchange.torch_folder import write_torch
from afterword.model.folder.saved import SavedModel


@dataclass(frozen=True)
class Format:
    """A way to write a model for other programs."""

    write: Callable[..., list[str]]
    """Write the model to a path, atomically, and return what its user should know, a sentence each.

    It takes the `SavedModel`, the path and, if the format has some, its settings.

    Raises OptionError for a model that the format cannot hold, or if a package is missing; StorageError.
    """
    settings: type[ModuleSettings] | None = None

    @property
    def options(self) -> set[str]:
        """Return the names of its settings."""
        return {field.name for field in fields(self.settings)} if self.settings else set()


FORMATS: dict[str, Format] = {
    "html": Format(write_html, PageSettings),
    "js": Format(write_js, ModuleSettings),
    "onnx": Format(write_onnx),
    "keras": Format(write_keras),
    "keras_stateful": Format(partial(write_keras, stateful=True)),
    "torch": Format(write_torch),
}


def export(model: SavedModel, name: str, path: Path, options: dict[str, Any]) -> list[str]:
    """Write `model` in the format of that name, with its settings. Raises as `Format.write`."""
    if name not in FORMATS:
        raise OptionError(f"format must be one of {', '.join(FORMATS)}, not {str(name)[:40]}")
    format = FORMATS[name]
    if wrong := options.keys() - format.options:
        raise OptionError(f"`{min(wrong)}` is not an option of {name}: leave it out")
    return format.write(model, path, *([format.settings(**options)] if format.settings else []))
