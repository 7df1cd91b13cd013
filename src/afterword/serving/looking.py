"""`POST /v1/gates` and `GET /inside`: what the gates do while a model reads a text, as figures and as a page.

The page with the gates is one file with a script of its own, which the policy of every other page forbids. So it is
shown in a frame whose policy names that script by its hash, and which takes the file from the page around it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from functools import cache
from typing import Any, Literal

import msgspec

from afterword.errors import TextError
from afterword.inspection.gates import Gates
from afterword.inspection.openness import openness
from afterword.inspection.page import page, script
from afterword.language_model import LanguageModel
from afterword.model.holding import PARTS
from afterword.serving.endpoints import Call, Raw
from afterword.serving.errors import ApiError
from afterword.serving.fields import Holds, Name, Using, variant
from afterword.serving.files import page_file

MOST_NUMBERS = 2**26  # that may be kept of one text, of four bytes each


class GatesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to look at, and whether as figures or as the page of `afterword inspect --html`.

    The gates are those of the LSTM, whatever else it predicts with.
    """

    model: Name
    text: str
    format: Literal["json", "html"] | None = None
    using: Using | None = msgspec.field(default=None, name="with")
    hold: Holds | None = None


class GateSummary(msgspec.Struct):
    """A gate of a layer: its mean, and the numbers of the units in which it never opens (0.1) and never shuts (0.9)."""

    mean: float
    shut: list[int]
    open: list[int]


class LayerSummary(msgspec.Struct):
    """A layer: its gates by name, and for how many tokens each of its units keeps."""

    gates: dict[str, GateSummary]
    memory: list[float]


class GatesReply(msgspec.Struct):
    """As JSON: the tokens, what each cost in bits, the means over each layer's units by part, [tokens][layers], and
    each layer over the whole text. As HTML: the page alone."""

    model: str
    text: str | msgspec.UnsetType = msgspec.UNSET
    tokens: list[str] | msgspec.UnsetType = msgspec.UNSET
    bits: list[float] | msgspec.UnsetType = msgspec.UNSET
    means: dict[str, list[list[float]]] | msgspec.UnsetType = msgspec.UNSET
    layers: list[LayerSummary] | msgspec.UnsetType = msgspec.UNSET
    html: str | msgspec.UnsetType = msgspec.UNSET


async def gates(call: Call, body: GatesRequest) -> GatesReply:
    """Read the text, and keep what every gate did."""
    if body.using == "ngram":
        raise ApiError(400, 'an n-gram has no gates: leave out "with"', "with")
    served = await asyncio.to_thread(call.service.models.find, body.model)
    holds = tuple(body.hold or ())
    model = (await asyncio.to_thread(variant, served, body.using, body.hold)).model

    def looked() -> GatesReply:
        _check_length(model, body.text)
        trace = model.gates(body.text)
        call.check()
        if body.format == "html":
            return GatesReply(served.name, html=page(trace, _about(served.name, model, holds)))
        return _summary(served.name, trace)

    return await call.work(looked)


def _check_length(model: LanguageModel, text: str) -> None:
    """Raise TextError for a text of which too much would be kept here."""
    config, tokens = model.config, len(model.tokenizer.encode(text))
    each = (len(PARTS) + 1) * config.num_layers * config.hidden_size + config.vocabulary_size
    if tokens * each > MOST_NUMBERS:
        raise TextError(
            f"text has {tokens:,} tokens, and {MOST_NUMBERS // each:,} of this model can be looked at here: "
            "take a part of it"
        )


def _about(name: str, model: LanguageModel, holds: tuple[str, ...]) -> str:
    held = f"; held: {', '.join(holds)}" if holds else ""
    return f"{name}: {model.config.network}, {model.parameters:,} parameters{held}"


def _summary(name: str, trace: Gates) -> GatesReply:
    layers = [
        LayerSummary(
            {gate: GateSummary(one.mean, one.shut.tolist(), one.open.tolist()) for gate, one in layer.gates.items()},
            layer.memory.round(1).tolist(),
        )
        for layer in openness(trace)
    ]
    means: dict[str, Any] = {part: trace.means(part).round(6).tolist() for part in PARTS}
    return GatesReply(name, trace.text, trace.tokens, trace.bits.round(6).tolist(), means, layers)


async def inside(call: Call) -> Raw:
    """The frame, which holds nothing until the page around it sends it a page of the gates."""
    return page_file(call, "inside.html", _policy())


@cache
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    )
