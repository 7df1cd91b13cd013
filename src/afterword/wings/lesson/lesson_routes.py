"""The route of the lesson: the page of one step."""

from __future__ import annotations

import msgspec

from afterword.serving.http.endpoints import Call, Endpoint
from afterword.serving.routes.gate_views import GatesReply, held_model
from afterword.serving.routes.request_fields import Holds, ModelName
from afterword.serving.service import Service
from afterword.wings.lesson.step_page import step_page


class StepRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to read, to show as `afterword inspect --step` does."""

    text: str
    model: ModelName = None
    hold: Holds | None = None


async def step(call: Call[Service], body: StepRequest) -> GatesReply:
    """Show one step of one unit at a time while the model reads a text, as a page."""
    name, model, head = await held_model(call, body.model, body.hold)
    return await call.work(lambda: GatesReply(name, step_page(model, body.text, head)))


ROUTES = (Endpoint("POST", "/v1/step", step),)
