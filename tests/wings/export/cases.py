"""What the laws over all commands and pages take from the export."""

from __future__ import annotations

from pathlib import Path

from afterword.model.folder.saved import load_model
from afterword.wings.export.browser import PageSettings, write_html
from afterword.wings.export.exports import EXPORTS
from tests.tiny import save_tiny

OUTPUTS = {"export": ["{model}"]}
REFUSED = [
    ("export tiny --onnx ''", "the path is empty: name a file"),
    ("export tiny --onnx missing/book.onnx", "does not exist"),
    ("export tiny --js a.js --author me", "`author` needs `html`"),
    ("export tiny --js a.js --weight-bytes 4", "`weight_bytes` must be 2 or less"),
    ("export tiny", "the formats are `html`, `js`, `onnx`, `keras`"),
]
OF_TEXT = ["export {0} --html a.html", "export {0} --onnx a.onnx"]
OF_MODEL = ["export MODEL --html page.html"]
JAVASCRIPT = ["export"]
QUIET = {"export": ["run --html e.html --js e.js --onnx e.onnx --keras e.keras"]}
LOADED = {"export": [{one.name: f"a{one.endings[0]}", "overwrite": True} for one in EXPORTS]}
MADE = {"an export": lambda model, path: EXPORTS[0].export(model, path, PageSettings())}  # for some kinds of cells
RECORDED = {f"export {one.name}": ["export", "play-0", f"--{one.name}", f"play.{one.name}"] for one in EXPORTS}
SHADED = {"exported": "'textarea, button, label', null"}


def page(folder: Path) -> str:
    """Return the page of a model."""
    write_html(load_model(save_tiny(folder / "tiny", mixed=True)), folder / "model.html", PageSettings())
    return (folder / "model.html").read_text(encoding="utf-8")


PAGES = {"exported": page}
