"""The table of the formats to which a model is exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from afterword.errors import check_installed
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cells import check_claimed
from afterword.wings.export.browser import PageSettings, write_html, write_js
from afterword.wings.export.lstm_files import write_keras, write_onnx


class ExportFormat(NamedTuple):
    """A format of files, each of which has one model."""

    name: str
    """Its option of `afterword export`."""
    endings: tuple[str, ...]
    """How the names of its files may end."""
    writes: str
    """What is written, for the help and the documentation."""
    readers: str
    """Who or what reads it."""
    write: Callable[[SavedModel, Path, PageSettings], list[str] | None]
    """Writes a model to a path, atomically, and may return notes for the user, a sentence each. Raises OptionError for
    a model that the format cannot hold, StorageError."""
    has_ngram: bool = False
    """Whether the n-gram is in the file."""
    package: str | None = None
    """What writing needs: pip install 'afterword[NAME]' installs it."""

    @property
    def help(self) -> str:
        """The help of its option."""
        needs = f" (pip install 'afterword[{self.name}]')" if self.package else ""
        return f"write {self.writes}, for {self.readers}{needs}"

    def export(self, model: SavedModel, path: Path, settings: PageSettings) -> list[str]:
        """Write `model`. Return and raise as `write`; also raise OptionError if the package is missing."""
        check_claimed(model.config.cell, "an export")
        if self.package:
            install = f"pip install 'afterword[{self.name}]'"
            check_installed(f"`{self.name}` needs the package {self.package}: {install}", self.package)
        notes = self.write(model, path, settings) or []
        return [ALONE, *notes] if model.ngram is not None and not self.has_ngram else notes


ALONE = "the file has the LSTM without the n-gram, and predicts as the LSTM alone does"
EXPORTS = (
    ExportFormat("html", (".html", ".htm"), "one page", "people, in any browser, offline", write_html, True),
    ExportFormat("js", (".js", ".mjs"), "one module", "pages and programs of your own", write_js, True),
    ExportFormat("onnx", (".onnx",), "one file", "ONNX Runtime and other programs", write_onnx, package="onnx"),
    ExportFormat("keras", (".keras",), "one file", "Keras 3; each call starts afresh", write_keras, package="h5py"),
)
