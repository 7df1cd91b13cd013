"""Show what the gates do while a model reads a text."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.figures import check_plot, gates_figure, write_figure
from afterword.inspection.finding import Finding
from afterword.inspection.gates import MOST_TRACED, beginning
from afterword.inspection.gates_page import about, gates_html
from afterword.inspection.questions import matching
from afterword.inspection.trace import Trace, named_units
from afterword.language_model import LanguageModel, ModelLike
from afterword.operations.operation import Output, Record, Request, Source, argument, operation
from afterword.operations.options import Holding, Overwriting
from afterword.operations.work import Work
from afterword.settings import OnProgress, setting, settings_class
from afterword.storage import output
from afterword.text.aligned import shown

FILES = ("html", "step", "png")
MEASURED = ("horizon", "find", "keeps", "ablate")
MOST_CHARACTERS = 1_000_000  # of a text whose horizon is measured; the places are spread over them


@settings_class()
class Inspect(Holding, Overwriting, Request):
    """Show what the gates do while a model reads TEXT. MODEL is a model's folder, a run's folder, a base, or
    hf://USER/NAME.

    Layers and units are counted from 0: l0.u42 is unit 42 of the lowest layer. For a text of up to 500 characters,
    every unit is shown. For a longer one (at most 20,000 characters), the mean of each gate per layer is shown, and the
    48 units per layer that change most, or those given by `units`.

    With `find`, list the units that best predict where a regular expression, or its first group, matches; at most
    20,000 characters are read. Units are chosen on the first half of the text. Their area under the ROC curve (AUC) is
    reported for the second half: 0.5 is chance, 1 is perfect. The best area that chance finds in as many units is
    reported too.

    With `horizon`, measure how much the character k steps back still changes a prediction; at most a million characters
    are read. One character is replaced by another one from the text, and the prediction k steps later is compared with
    the one without the change, as Kullback-Leibler divergence in bits. ± is the standard error over the places. With
    `find` too, only characters that match are replaced, by others that match.
    """

    example = 'inspect book "Divya likes to eat." --html gates.html'
    first = ("file", "html", "step", "png", "find", "horizon", "hold", "ablate", "overwrite")

    model: Annotated[ModelLike, argument("the model that reads")]
    text: Annotated[str | None, argument("the text")] = None
    _: KW_ONLY
    file: Source | None = setting("read the text from this file, or - for standard input", default=None)
    stretch: str | None = setting("read only these characters, counted from 0", default=None, metavar="FIRST:LAST")
    units: tuple[str, ...] = setting("show this unit, such as l0.u42 (repeatable)", default=(), metavar="UNIT")
    html: Output | None = setting(
        "write a self-explanatory HTML page that works offline", default=None, ending=(".html", ".htm")
    )
    step: Output | None = setting(
        "write an HTML page that takes one step of one unit at a time, with a slider for each gate",
        default=None,
        ending=(".html",),
    )
    png: Output | None = setting("write a figure, for a text of at most 120 characters", default=None, ending=(".png",))
    ablate: bool = setting(
        "measure what the text costs with each gate held open, or at its mean over the text",
        default=False,
        excludes=FILES,
    )
    keeps: str | None = setting(
        "measure how much of this word of the text is still held after it",
        default=None,
        metavar="WORD",
        excludes=("ablate", *FILES),
    )
    after: str | None = setting(
        "divide the rest of the text after this, such as a full stop", default=None, metavar="TEXT", needs="keeps"
    )
    instead: tuple[str, ...] = setting("compare with this word (repeatable)", default=(), metavar="WORD", needs="keeps")
    find: str | None = setting(
        "find the units that predict where this regular expression matches",
        default=None,
        metavar="PATTERN",
        excludes=("ablate", "keeps", *FILES),
    )
    horizon: bool = setting(
        "measure how far back the model remembers", default=False, excludes=("ablate", "keeps", *FILES)
    )


class Found(Record):
    """The result of an inspection."""

    finding: Finding

    def to_dict(self) -> dict[str, Any]:
        return self.finding.to_dict()

    def __str__(self) -> str:
        return str(self.finding)


class Seen(Record):
    """The gates and states of a network while it read a text; `named` are the units to show, per layer."""

    trace: Trace
    named: list[NDArray[np.intp]] | None

    def to_dict(self) -> dict[str, Any]:
        return self.trace.to_dict(self.named)


def drawn(records: Iterator[Seen | Found], request: Inspect, work: Work) -> Iterator[Record]:
    """Print a table, or draw the gates unless they are written to files."""
    from afterword.inspection.terminal import show

    for one in records:
        yield one
        if isinstance(one, Found):
            print(shown(str(one)))
        elif isinstance(one, Seen) and not any(getattr(request, name) for name in FILES):
            show(one.trace, one.named)


@operation(Inspect, show=drawn)
def inspect(request: Inspect, work: Work) -> Seen | Found:
    check_plot(request.png)
    first, last = _ends(request.stretch or ":")
    if request.horizon or request.find is not None:
        most = first + (MOST_CHARACTERS if request.horizon else MOST_TRACED + 1)
        last = most if last is None else min(last, most)
    if (request.text is None) == (request.file is None):
        raise OptionError("give either a text to read, or a file with `file`")
    if request.text is not None and os.path.isfile(request.text):
        work.note(f"{request.text} is read as the text itself: `file` reads the file of that name")
    model = work.model(request.model, hold=request.hold)
    named = named_units(request.units, model.config) if request.units else None
    given = request.text
    read = (work.text(str(request.file), last, unwrap=model.unwraps) if given is None else given)[first:last]
    if request.stretch is not None and not read:
        raise TextError(f"the stretch {request.stretch} is empty: the text ends before it")
    _note_unseen(model, read, work)
    if asked := [name for name in MEASURED if getattr(request, name) not in (None, False)]:
        with work.progress(f"inspecting: {asked[0]}") as on_progress:
            return Found(finding=_measured(asked[0], request, model, read, work, on_progress))
    with work.progress("looking at the gates"):
        trace: Trace = model.gates(read)
        head = about(Path(model.name).name, model.config, request.hold)
        if request.html is not None:
            with output(Path(request.html)) as written:
                written.write(gates_html(trace, head, named).encode())
        if request.step is not None:
            with output(Path(request.step)) as written:
                written.write(model.step_page(read, head).encode())
        if request.png is not None:
            write_figure(gates_figure(trace, named), request.png)
    work.say(*(f"wrote {file}" for name in FILES if (file := getattr(request, name)) is not None))
    return Seen(trace=trace, named=named)


def _measured(
    what: str, request: Inspect, model: LanguageModel, text: str, work: Work, on_progress: OnProgress
) -> Finding:
    """Return what one of `MEASURED` finds."""
    if what == "horizon":
        found = model.horizon(text, at=request.find, on_progress=on_progress)
        return dataclasses.replace(found, name=Path(model.name).name or model.name)
    if what == "find":
        question = matching(str(request.find))  # refuses an invalid expression before the text is read
        read = beginning(model, text[:MOST_TRACED])
        if len(read) < len(text):
            work.note(f"only the first {len(read):,} characters are read")
        return model.units(read).ask(question)
    if what == "keeps":
        after, instead = request.after, request.instead
        return model.keeps(text, str(request.keeps), after=after, instead=instead, on_progress=on_progress)
    return model.ablate(text, on_progress=on_progress)


def _ends(stretch: str) -> tuple[int, int | None]:
    """Return the two numbers of FIRST:LAST, either of which may be missing."""
    first, colon, last = stretch.partition(":")
    if not colon or not all(end == "" or (end.isascii() and end.isdecimal()) for end in (first, last)):
        raise OptionError(f"stretch {stretch[:40]!r} is invalid: write it as 1000:3000")
    if last and int(last) <= int(first or 0):
        raise OptionError(f"the stretch {stretch} is empty: LAST must be greater than FIRST, as in 1000:3000")
    return int(first or 0), int(last) if last else None


def _note_unseen(model: LanguageModel, text: str, work: Work) -> None:
    if unseen := model.unseen_characters(text):
        more = f" and {len(unseen) - 8} others" if len(unseen) > 8 else ""
        work.note(f"the model never saw {unseen[:8]!r}{more} in training")
