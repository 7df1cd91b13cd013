"""The gates while a model reads a text, and the frame that shows their page, and such pages of wings.

They are files with a script inside, which the policy of every other page forbids. So a frame shows them: the frame's
policy allows these scripts by their hashes, and the surrounding page sends the file to the frame.
"""

from __future__ import annotations

import asyncio

import msgspec
from starlette.responses import Response

from afterword.commands import places, resolve
from afterword.inspection.gates_page import about, gates_html, script
from afterword.inspection.trace import named_units
from afterword.language_model import LanguageModel
from afterword.model.network.holding import GATES_AND_STATES
from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import check_at_most
from afterword.serving.http.static_files import page_file
from afterword.serving.routes.request_fields import Holds, ModelName, find_variant
from afterword.serving.service import Service
from afterword.web.pages import inline, policy

MOST_NUMBERS = 2**26  # of four bytes each, that are stored for one text


class TextRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to read by a model, and the parts of it that are held."""

    text: str
    model: ModelName = None
    hold: Holds | None = None


class GatesRequest(TextRequest):
    """A text to read, to show as `afterword inspect --html` does.

    The gates are the LSTM's, even if the model also has an n-gram. `units`, such as l0.u42, are those that the page
    shows of a long text.
    """

    units: Holds | None = None


class GatesReply(msgspec.Struct):
    """The page."""

    model: str
    html: str


async def gates(call: Call[Service], body: GatesRequest) -> GatesReply:
    """Show the gates while the model reads a text, as a page."""
    name, model, head = await held_model(call, body)

    def look() -> GatesReply:
        _check_size(model, body.text)
        trace = model.gates(body.text)
        call.check()
        return GatesReply(name, gates_html(trace, head, named_units(body.units, model.config) if body.units else None))

    return await call.work(look)


async def held_model(call: Call[Service], body: TextRequest) -> tuple[str, LanguageModel, str]:
    """Return the name of a model, the model with these parts held, and its description in a line."""
    served = await asyncio.to_thread(call.service.models.find, body.model)
    model = (await asyncio.to_thread(find_variant, served, None, body.hold)).model
    return served.name, model, about(served.name, model.config, tuple(body.hold or ()))


def _check_size(model: LanguageModel, text: str) -> None:
    """Raise ApiError if the gates over `text` would be more than `MOST_NUMBERS`."""
    config, tokens = model.config, len(model.tokenizer.encode(text))
    each = (len(GATES_AND_STATES) + 1) * config.num_layers * config.hidden_size + config.vocabulary_size
    what = "this model can show the gates of at most {} tokens"
    check_at_most(MOST_NUMBERS // each, tokens, what, "send a part of the text", "text")


async def inside(call: Call[Service]) -> Response:
    """Return the frame for the pages inside a model. It is empty until the surrounding page sends it a page."""
    scripts = [script(), *(resolve(place)() for place in places("scripts"))]
    allowed = policy(
        script_src=f"'self' {' '.join(map(inline, scripts))} 'wasm-unsafe-eval'",
        style_src="'unsafe-inline'",
        frame_ancestors="'self'",
    )
    return page_file(call.headers, "inside.html", allowed)
