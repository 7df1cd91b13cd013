"""The route of the lesson: the page of one step."""

from __future__ import annotations

from afterword.serving.http.endpoints import Call, Endpoint
from afterword.serving.routes.gate_views import GatesReply, TextRequest, held_model
from afterword.serving.service import Service
from afterword.wings.lesson.step_page import step_page


class StepRequest(TextRequest):
    """A text to read, to show as `afterword inspect --step` does."""


async def step(call: Call[Service], body: StepRequest) -> GatesReply:
    """Show one step of one unit at a time while the model reads a text, as a page."""
    name, model, head = await held_model(call, body)
    return await call.work(lambda: GatesReply(name, step_page(model, body.text, head)))


ROUTES = (Endpoint("POST", "/v1/step", step),)
