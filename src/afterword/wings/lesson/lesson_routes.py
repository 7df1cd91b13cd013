"""The routes of the lesson: the page of one step, and measurements inside a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from afterword.serving.http.endpoints import Call, Endpoint
from afterword.serving.http.failures import ApiError
from afterword.serving.routes.gate_views import MOST_NUMBERS, GatesReply, check_length, held_model
from afterword.serving.routes.wanted import Holds, ModelName, Name
from afterword.serving.service import Service
from afterword.wings.lesson.ablation import ablate
from afterword.wings.lesson.finding import Finding
from afterword.wings.lesson.horizon import horizon
from afterword.wings.lesson.keeping import MOST_INSTEAD, keeps
from afterword.wings.lesson.step_page import step_page
from afterword.wings.lesson.units import units

HORIZON: dict[str, Any] = {"steps": 200, "places": 32}  # few, so that it takes seconds
FIELDS = {"units": ("matching", "within"), "horizon": ("at",), "keeps": ("word", "after", "instead")}
NEEDED = {"units": "matching", "keeps": "word"}


class StepRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to read, to show as `afterword inspect --step` does."""

    text: str
    model: ModelName = None
    hold: Holds | None = None


async def step(call: Call[Service], body: StepRequest) -> GatesReply:
    """Show one step of one unit at a time while the model reads a text, as a page."""
    name, model, head = await held_model(call, body.model, body.hold)
    return await call.work(lambda: GatesReply(name, step_page(model, body.text, head)))


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
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    foot: str


async def inspect(call: Call[Service], body: InspectRequest) -> InspectReply:
    """Find units that predict a match, or measure the gates or the memory of a model."""
    if (needed := NEEDED.get(body.inspection)) and getattr(body, needed) is None:
        raise ApiError(400, f'the inspection "{body.inspection}" needs "{needed}"', needed)
    for inspection, names in FIELDS.items():
        for name in names:
            if getattr(body, name) is not None and body.inspection != inspection:
                raise ApiError(400, f'"{name}" belongs to the inspection "{inspection}"', name)
    served, model, _ = await held_model(call, body.model, body.hold)

    def measured() -> InspectReply:
        check_length(model, body.text, MOST_NUMBERS // 3)  # two traces at once, and sums in float64
        options: dict[str, Any] = {"on_progress": lambda done: call.check()}
        found: Finding
        if body.inspection == "units":
            found = units(model, body.text).matching(body.matching or "", within=body.within)
        elif body.inspection == "ablate":
            found = ablate(model, body.text, **options)
        elif body.inspection == "horizon":
            options |= {"gradient": False} if body.at is None else {"at": body.at}  # either needs no PyTorch
            found = horizon(model, body.text, **HORIZON, **options)
        else:
            options |= {"after": body.after, "instead": body.instead or ()}
            found = keeps(model, body.text, body.word or "", **options)
        return InspectReply(served, found.caption, found.head, found.rows(), found.foot)

    return await call.work(measured)


ROUTES = (Endpoint("POST", "/v1/step", step), Endpoint("POST", "/v1/inspect", inspect))
