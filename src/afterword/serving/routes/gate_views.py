"""The gates while a model reads a text, measurements inside it, and the frame that shows their pages.

The pages of the gates and of one step are files with a script inside, which the policy of every other page forbids. So
a frame shows them: the frame's policy allows these scripts by their hashes, and the surrounding page sends the file to
the frame.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from afterword.inspection.finding import Finding
from afterword.inspection.gates_page import about, gates_html, script
from afterword.inspection.keeping import MOST_INSTEAD
from afterword.inspection.step_page import step_script
from afterword.inspection.trace import named_units
from afterword.language_model import LanguageModel
from afterword.model.network.holding import GATES_AND_STATES
from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import ApiError, check_at_most
from afterword.serving.http.static_files import page_file
from afterword.serving.routes.wanted import Holds, ModelName, Name, variant
from afterword.serving.service import Service
from afterword.web.engine import engine
from afterword.web.pages import inline, policy

MOST_NUMBERS = 2**26  # of four bytes each, that are stored for one text
HORIZON: dict[str, Any] = {"steps": 200, "places": 32}  # few, so that it takes seconds
BELONG = {
    "matching": "units",
    "within": "units",
    "at": "horizon",
    "word": "keeps",
    "after": "keeps",
    "instead": "keeps",
}
NEEDED = {"units": "matching", "keeps": "word"}


class GatesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to read, and the page to show: that of `afterword inspect --html` or `--step`.

    The gates are the LSTM's, even if the model also has an n-gram. `units`, such as l0.u42, are those that the first
    page shows of a long text.
    """

    text: str
    model: ModelName = None
    format: Literal["html", "step"] | None = None
    hold: Holds | None = None
    units: Holds | None = None


class GatesReply(msgspec.Struct):
    """The page."""

    model: str
    html: str


async def gates(call: Call[Service], body: GatesRequest) -> GatesReply:
    """Show the gates while the model reads a text, as a page."""
    served = await asyncio.to_thread(call.service.models.find, body.model)
    model = (await asyncio.to_thread(variant, served, None, body.hold)).model

    def looked() -> GatesReply:
        head = about(served.name, model.config, tuple(body.hold or ()))
        if body.format == "step":
            return GatesReply(served.name, model.step_page(body.text, head))
        _check_length(model, body.text, MOST_NUMBERS)
        trace = model.gates(body.text)
        call.check()
        named = named_units(body.units, model.config) if body.units else None
        return GatesReply(served.name, gates_html(trace, head, named))

    return await call.work(looked)


Expression = Annotated[str, msgspec.Meta(max_length=1000)]


class InspectRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text, and the inspection: `units` finds the units that best predict where the regular expression `matching`
    matches, anywhere or only within the matches of `within`. `ablate` measures what the text costs without each gate.
    `horizon` measures how far back the model remembers any character, or those that `at` matches. `keeps` measures how
    much of `word` the model still holds later; it divides the rest of the text after each `after`, and compares the
    word with those of `instead` (default: likely words)."""

    text: str
    inspection: Literal["units", "ablate", "horizon", "keeps"]
    matching: Expression | None = None
    within: Expression | None = None
    at: Expression | None = None
    word: Name | None = None
    after: Name | None = None
    instead: Annotated[list[Name], msgspec.Meta(max_length=MOST_INSTEAD)] | None = None
    model: ModelName = None
    hold: Holds | None = None


class InspectReply(msgspec.Struct):
    """The table that `afterword inspect` prints with `--find`, `--ablate`, `--horizon` or `--keeps`."""

    model: str
    caption: str
    head: list[str]
    rows: list[list[str]]
    foot: str


async def inspect(call: Call[Service], body: InspectRequest) -> InspectReply:
    """Find units that predict a match, or measure the gates or the memory of a model."""
    if (needed := NEEDED.get(body.inspection)) and getattr(body, needed) is None:
        raise ApiError(400, f'the inspection "{body.inspection}" needs "{needed}"', needed)
    for name, inspection in BELONG.items():
        if getattr(body, name) is not None and body.inspection != inspection:
            raise ApiError(400, f'"{name}" belongs to the inspection "{inspection}"', name)
    served = await asyncio.to_thread(call.service.models.find, body.model)
    model = (await asyncio.to_thread(variant, served, None, body.hold)).model

    def measured() -> InspectReply:
        _check_length(model, body.text, MOST_NUMBERS // 3)  # two traces at once, and sums in float64
        options: dict[str, Any] = {"on_progress": lambda done: call.check()}
        found: Finding
        if body.inspection == "units":
            found = model.units(body.text).matching(body.matching or "", within=body.within)
        elif body.inspection == "ablate":
            found = model.ablate(body.text, **options)
        elif body.inspection == "horizon":
            options |= {"gradient": False} if body.at is None else {"at": body.at}  # either needs no PyTorch
            found = model.horizon(body.text, **HORIZON, **options)
        else:
            instead = body.instead or ()
            found = model.keeps(body.text, body.word or "", after=body.after, instead=instead, **options)
        rows = [list(row) for row in found.rows()]
        return InspectReply(served.name, found.caption, list(found.head), rows, found.foot)

    return await call.work(measured)


def _check_length(model: LanguageModel, text: str, most: int) -> None:
    """Raise ApiError if the gates over `text` would be more than `most` numbers."""
    config, tokens = model.config, len(model.tokenizer.encode(text))
    each = (len(GATES_AND_STATES) + 1) * config.num_layers * config.hidden_size + config.vocabulary_size
    what = "this model can show the gates of at most {} tokens"
    check_at_most(most // each, tokens, what, "send a part of the text", "text")


async def inside(call: Call[Service]) -> Response:
    """Return the frame for the pages inside a model. It is empty until the surrounding page sends it a page."""
    allowed = policy(
        script_src=f"'self' {inline(script())} {inline(step_script(engine()))} 'wasm-unsafe-eval'",
        style_src="'unsafe-inline'",
        frame_ancestors="'self'",
    )
    return page_file(call.headers, "inside.html", allowed)
