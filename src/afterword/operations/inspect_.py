"""Show what the gates do while a model reads a text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.figures import check_plot, gates_figure, write_figure
from afterword.inspection.gates_page import about, gates_html
from afterword.inspection.trace import Trace, named_units
from afterword.language_model import LanguageModel, ModelLike
from afterword.operations.operation import Output, Record, Request, Source, argument, operation
from afterword.operations.options import Holding, Overwriting
from afterword.operations.work import Work
from afterword.settings import kinds_of, setting, settings_class
from afterword.storage import output
from afterword.wording import printable


@settings_class()
class Inspect(Holding, Overwriting, Request):
    """Show what the gates do while a model reads TEXT. MODEL is a model's folder, a run's folder, a base, or
    hf://USER/NAME.

    Layers and units are counted from 0: l0.u42 is unit 42 of the lowest layer. For a text of up to 500 characters,
    every unit is shown. For a longer one (at most 20,000 characters), the mean of each gate per layer is shown, and the
    48 units per layer that change most, or those given by `units`.
    """

    example = 'inspect book "Divya likes to eat." --html gates.html'

    model: Annotated[ModelLike, argument("the model that reads")]
    text: Annotated[str | None, argument("the text")] = None
    _: KW_ONLY
    file: Source | None = setting("read the text from this file, or - for standard input", default=None)
    stretch: str | None = setting("read only these characters, counted from 0", default=None, metavar="FIRST:LAST")
    units: tuple[str, ...] = setting("show this unit, such as l0.u42 (repeatable)", default=(), metavar="UNIT")
    html: Output | None = setting("write an HTML page that works offline", default=None, ending=(".html", ".htm"))
    png: Output | None = setting("write a figure, for a text of at most 120 characters", default=None, ending=(".png",))


class Seen(Record):
    """The gates and states of a network while it read a text; `named` are the units to show, per layer."""

    trace: Trace
    named: list[NDArray[np.intp]] | None

    def to_dict(self) -> dict[str, Any]:
        return self.trace.to_dict(self.named)


def show_gates(records: Iterator[Record], request: Inspect, work: Work) -> Iterator[Record]:
    """Draw the gates unless they are written to files, and print an answer of another kind."""
    from afterword.inspection.terminal import show

    is_written = any(field.metadata["ending"] and getattr(request, field.name) for field, _ in kinds_of(type(request)))
    for one in records:
        yield one
        if not isinstance(one, Seen):
            print(printable(str(one)))
        elif not is_written:
            show(one.trace, one.named)


@operation(Inspect, show=show_gates)
def inspect(request: Inspect, work: Work) -> Seen:
    return look(request, work, *read_by_model(request, work))


def read_by_model(request: Inspect, work: Work, most: int | None = None) -> tuple[LanguageModel, str]:
    """Return the model, and the text that it will read: at most `most` characters, if a limit is given."""
    check_plot(request.png)
    first, last = _ends(request.stretch or ":")
    if most is not None:
        last = min(first + most, last or first + most)
    if (request.text is None) == (request.file is None):
        raise OptionError("give either a text to read, or a file with `file`")
    if request.text is not None and os.path.isfile(request.text):
        work.note(f"{request.text} is read as the text itself: `file` reads the file of that name")
    model = work.model(request.model, hold=request.hold)
    named_units(request.units, model.config)  # refuses an invalid one before the text is read
    given = request.text
    read = (work.text(str(request.file), last, unwrap=model.unwraps) if given is None else given)[first:last]
    if request.stretch is not None and not read:
        raise TextError(f"the stretch {request.stretch} is empty: the text ends before it")
    if unseen := model.saved.unseen_characters(read):
        more = f" and {len(unseen) - 8} others" if len(unseen) > 8 else ""
        work.note(f"the model never saw {unseen[:8]!r}{more} in training")
    return model, read


def look(request: Inspect, work: Work, model: LanguageModel, text: str) -> Seen:
    """Return what `model` does while it reads `text`, and write it to the files of the request."""
    named = named_units(request.units, model.config) if request.units else None
    with work.progress("looking at the gates"):
        trace: Trace = model.gates(text)
        if request.html is not None:
            with output(Path(request.html)) as written:
                written.write(gates_html(trace, head_of(request, model), named).encode())
        if request.png is not None:
            write_figure(gates_figure(trace, named), request.png)
    work.say(*(f"wrote {file}" for file in (request.html, request.png) if file is not None))
    return Seen(trace=trace, named=named)


def head_of(request: Inspect, model: LanguageModel) -> str:
    """Describe the model in one line."""
    return about(Path(model.name).name, model.config, request.hold)


def _ends(stretch: str) -> tuple[int, int | None]:
    """Return the two numbers of FIRST:LAST, either of which may be missing."""
    first, colon, last = stretch.partition(":")
    if not colon or not all(end == "" or (end.isascii() and end.isdecimal()) for end in (first, last)):
        raise OptionError(f"stretch {stretch[:40]!r} is invalid: write it as 1000:3000")
    if last and int(last) <= int(first or 0):
        raise OptionError(f"the stretch {stretch} is empty: LAST must be greater than FIRST, as in 1000:3000")
    return int(first or 0), int(last) if last else None
