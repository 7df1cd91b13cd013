"""Write a model for other programs, such as ONNX Runtime."""

from __future__ import annotations

from dataclasses import KW_ONLY, make_dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from afterword.errors import OptionError
from afterword.language_model import ModelLike
from afterword.operations.operation import Output, Request, argument, operation
from afterword.operations.options import Overwriting
from afterword.operations.work import Work
from afterword.settings import setting, settings_class
from afterword.wings.export.browser import PageSettings
from afterword.wings.export.exports import EXPORTS

Asked = TypeVar("Asked", bound=Request)


def with_formats(request: type[Asked]) -> type[Asked]:
    """Return `request` with an option for each of `EXPORTS`, which names the file to write."""
    options = [(one.name, "Output | None", setting(one.help, default=None, ending=one.endings)) for one in EXPORTS]
    same = {"__doc__": request.__doc__, "__module__": request.__module__}
    return make_dataclass(request.__name__, options, bases=(request,), namespace=same, frozen=True, kw_only=True)


@with_formats
@settings_class()
class Export(PageSettings, Overwriting, Request):
    """Write a model for other programs, in one or more formats. MODEL is the folder of a model or run, or a base."""

    example = "export book --html book.html"
    first = (*(one.name for one in EXPORTS), "title", "author", "description", "overwrite")

    model: Annotated[ModelLike, argument("the model to write")]
    _: KW_ONLY
    if TYPE_CHECKING:  # of the table
        html: Output | None = None
        js: Output | None = None
        onnx: Output | None = None
        keras: Output | None = None


@operation(Export)
def export(request: Export, work: Work) -> None:
    asked = [(one, path) for one in EXPORTS if (path := getattr(request, one.name)) is not None]
    if not asked:
        formats = ", ".join(f"`{one.name}`" for one in EXPORTS)
        raise OptionError(f"missing format: give one and a file, such as `onnx` book.onnx; the formats are {formats}")
    model = work.model(request.model)
    if model.is_held:
        raise OptionError("a held model cannot be exported: use the one it was made from")
    for one, path in asked:
        notes = one.export(model.saved, path, request)
        work.say(f"wrote {path}")
        work.note(*notes)
