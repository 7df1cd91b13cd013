"""The models of a server, their tokens, and the server's health."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from afterword.commands import places, resolve
from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import ApiError
from afterword.serving.routes.request_fields import ModelName
from afterword.serving.service import Service
from afterword.serving.writing.models import Served
from afterword.text.tokenizer import END, Tokenizer


class Model(msgspec.Struct):
    """A model in the form that OpenAI's clients read; `afterword` holds the facts of `afterword info --json`."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["afterword"]
    afterword: dict[str, Any]


class ModelList(msgspec.Struct):
    object: Literal["list"]
    data: list[Model]


class Health(msgspec.Struct):
    status: Literal["ok", "loading"]


class Tokenize(msgspec.Struct, forbid_unknown_fields=True):
    """A text to encode. A boundary token has no text, but a prompt of `<|end|>` alone encodes to one."""

    prompt: str
    model: ModelName = None
    add_special_tokens: bool | None = None


class Tokens(msgspec.Struct):
    tokens: list[int]


class Detokenize(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[int]
    model: ModelName = None


class Detokenized(msgspec.Struct):
    prompt: str


class TokenizerInfo(msgspec.Struct):
    """The names of the boundary token, which a prompt of token ids may begin with; null for a classic model."""

    bos_token: str | None
    eos_token: str | None


def list_models(call: Call[Service]) -> ModelList:
    """List the models."""
    found = []
    for name in call.service.models.names():
        with contextlib.suppress(ApiError):  # if it was just removed
            found.append(_describe(call.service.models.find(name)))
    return ModelList("list", found)


def one_model(call: Call[Service]) -> Model:
    """Describe a model."""
    return _describe(call.service.models.find(call.path["id"]))


def _describe(served: Served) -> Model:
    model = served.model
    defaults = model.writing_defaults
    writing = {**asdict(defaults), "finish_sentence": defaults.finish_sentence}
    del writing["opening"]  # not a setting
    facts = (fact for place in places("facts") for fact in resolve(place)(model).items())
    return Model(served.name, "model", served.created, "afterword", {**model.info(), **dict(facts), "writing": writing})


async def health(call: Call[Service]) -> Health:
    """Report whether the server is ready."""
    if not call.service.scheduler.thread.is_alive():
        raise ApiError(503, "the writing thread has died: restart the server")
    if call.service.loaded:
        return Health("ok")
    raise ApiError(503, "the models are being loaded: try again", headers={"Retry-After": "1"})


async def metrics(call: Call[Service]) -> Response:
    """Return the server's metrics for Prometheus."""
    return Response(call.service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def tokenize(call: Call[Service], body: Tokenize) -> Tokens:
    """Encode a text as tokens."""
    tokenizer = _tokenizer(call, body.model)
    if body.prompt == END and tokenizer.end is not None:
        return Tokens([tokenizer.end])
    return Tokens(tokenizer.encode(body.prompt).tolist())


def detokenize(call: Call[Service], body: Detokenize) -> Detokenized:
    """Decode tokens to a text."""
    return Detokenized(_tokenizer(call, body.model).decode(body.tokens))


def tokenizer_info(call: Call[Service]) -> TokenizerInfo:
    """Describe a model's tokenizer."""
    end = None if _tokenizer(call, call.query.get("model")).end is None else END
    return TokenizerInfo(end, end)


def _tokenizer(call: Call[Service], name: str | None) -> Tokenizer:
    return call.service.models.find(name).model.tokenizer
