"""`inspect` with what the lesson adds: the page of one step, and measurements inside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afterword.inspection.gates import MOST_TRACED
from afterword.operations import inspect_
from afterword.operations.inspect_ import Seen, head_of, look, read_by_model, show_gates
from afterword.operations.operation import Output, Record, operation
from afterword.operations.work import Work
from afterword.settings import setting, settings_class
from afterword.storage import output
from afterword.wings.lesson.deciding import decides
from afterword.wings.lesson.finding import Finding
from afterword.wings.lesson.horizon import horizon
from afterword.wings.lesson.keeping import keeps
from afterword.wings.lesson.step_page import step_page

FILES = ("html", "step", "png")
MEASURED = ("horizon", "decides", "keeps")
MOST_CHARACTERS = 1_000_000  # of a text whose horizon is measured; the places are spread over them


@settings_class()
class Inspect(inspect_.Inspect):
    """With `horizon`, measure how much the character k steps back still changes a prediction. At most a million
    characters are read. One character is replaced by another one from the text, and the prediction k steps later is
    compared with the one without the change, as Kullback-Leibler divergence in bits. ± is the standard error over the
    places.

    With `decides`, find the cells that decide what comes where a regular expression, or its first group, matches.
    A cell is necessary if that costs more while it is held at its mean. It is sufficient if another answer becomes
    likelier when it is set to the value that it has where that answer is due. Cells are chosen on the first half of the
    text, and judged on the second.
    """

    first = ("file", "html", "step", "png", "decides", "horizon", "hold", "overwrite")
    order = ("file", "stretch", "units", "html", "step", "png")

    step: Output | None = setting(
        "write an HTML page that takes one step of one unit at a time, with a slider for each gate",
        default=None,
        ending=(".html",),
    )
    keeps: str | None = setting(
        "measure how much of this word of the text is still held after it",
        default=None,
        metavar="WORD",
        needs="instead",
        excludes=FILES,
    )
    after: str | None = setting(
        "divide the rest of the text after this, such as a full stop", default=None, metavar="TEXT", needs="keeps"
    )
    instead: tuple[str, ...] = setting("compare with this word (repeatable)", default=(), metavar="WORD", needs="keeps")
    decides: str | None = setting(
        "find the cells that decide what comes where this regular expression matches",
        default=None,
        metavar="PATTERN",
        excludes=("keeps", "horizon", *FILES),
    )
    horizon: bool = setting("measure how far back the model remembers", default=False, excludes=("keeps", *FILES))


Inspect.__doc__ = f"{inspect_.Inspect.__doc__}\n    {Inspect.__doc__}"


class Found(Record):
    """The result of an inspection."""

    finding: Finding

    def to_dict(self) -> dict[str, Any]:
        return self.finding.to_dict()

    def __str__(self) -> str:
        return str(self.finding)


@operation(Inspect, show=show_gates)
def inspect(request: Inspect, work: Work) -> Seen | Found:
    what = next((name for name in MEASURED if getattr(request, name) not in (None, False)), None)
    most = {"horizon": MOST_CHARACTERS, "decides": MOST_TRACED}.get(what or "")
    model, text = read_by_model(request, work, most)
    if what is not None:
        with work.progress(f"inspecting: {what}") as on_progress:
            if what == "horizon":
                return Found(finding=horizon(model, text, on_progress=on_progress))
            if what == "decides":
                return Found(finding=decides(model, text, str(request.decides), on_progress=on_progress))
            word, instead = str(request.keeps), request.instead
            return Found(
                finding=keeps(model, text, word, instead=instead, after=request.after, on_progress=on_progress)
            )
    seen = look(request, work, model, text)
    if request.step is not None:
        with output(Path(request.step)) as written:
            written.write(step_page(model, text, head_of(request, model)).encode())
        work.say(f"wrote {request.step}")
    return seen
