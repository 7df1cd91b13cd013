"""Write a model for other programs, such as ONNX Runtime."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated

from afterword.errors import OptionError
from afterword.interchange.browser import PageSettings
from afterword.interchange.export_formats import FORMATS, options_of
from afterword.operations.operation import ModelName, Output, Request, argument, operation
from afterword.operations.options import Overwriting
from afterword.operations.work import Work
from afterword.settings import setting, settings_class


@settings_class()
class Export(PageSettings, Overwriting, Request):
    """Write a model for other programs, in one or more formats. MODEL is the folder of a model or run, or a base."""

    example = "export book --html book.html"
    first = ("html", "js", "onnx", "keras", "title", "author", "description", "overwrite")

    model: Annotated[ModelName, argument("the model to write")]
    _: KW_ONLY
    html: Output | None = setting("write the model as a page, for any browser", default=None, ending=(".html", ".htm"))
    js: Output | None = setting(
        "write a JavaScript module, for pages and programs of your own", default=None, ending=(".js", ".mjs")
    )
    onnx: Output | None = setting(
        "write the LSTM for ONNX Runtime (pip install 'afterword[onnx]')", default=None, ending=(".onnx",)
    )
    keras: Output | None = setting(
        "write the LSTM for Keras 3 (pip install 'afterword[keras]')", default=None, ending=(".keras",)
    )


@operation(Export)
def export(request: Export, work: Work) -> None:
    paths = {name: path for name in FORMATS if (path := getattr(request, name)) is not None}
    if not paths:
        formats = ", ".join(f"`{name}`" for name in FORMATS)
        raise OptionError(f"missing format: give one and a file, such as `onnx` book.onnx; the formats are {formats}")
    model = work.model(request.model)
    for name, path in paths.items():
        notes = model.export(name, path, **{option: getattr(request, option) for option in options_of(name)})
        work.say(f"wrote {path}")
        work.note(*notes)
