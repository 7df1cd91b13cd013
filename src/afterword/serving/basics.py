"""What clients ask of any completion server: which models there are, their tokens, and how the server is."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Literal

import msgspec

from afterword.serving.endpoints import Call, Raw
from afterword.serving.errors import ApiError
from afterword.serving.fields import Name
from afterword.serving.models import Served
from afterword.text.tokenizer import END


class Model(msgspec.Struct):
    """A model, as OpenAI's clients know it, and what `afterword info --json` says of it."""

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
    """A text to cut into tokens. A boundary token is no text; `<|end|>` alone is taken for one."""

    prompt: str
    model: Name | None = None
    add_special_tokens: bool | None = None


class Tokens(msgspec.Struct):
    tokens: list[int]
    count: int


class Detokenize(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[int]
    model: Name | None = None


class Detokenized(msgspec.Struct):
    prompt: str


class TokenizerInfo(msgspec.Struct):
    """What a client needs to know to send token ids."""

    kind: str
    vocabulary_size: int
    lowercase: bool
    bos_token: str | None
    eos_token: str | None
    pad_token: None
    bos_token_id: int | None
    eos_token_id: int | None
    chat_template: None


async def list_models(call: Call) -> ModelList:
    models = call.service.models

    def described() -> list[Model]:
        found = []
        for name in models.names():
            try:
                found.append(_described(models.find(name)))
            except ApiError:  # it went away just now
                continue
        return found

    return ModelList("list", await asyncio.to_thread(described))


async def one_model(call: Call) -> Model:
    return _described(await asyncio.to_thread(call.service.models.find, call.path["id"]))


def _described(served: Served) -> Model:
    model = served.model
    writing = {
        name: getattr(model.writing, name) for name in ("max_tokens", "temperature", "min_p", "repetition_penalty")
    }
    about = {**model.info(), "calibrated": model.calibration is not None, "writing": writing}
    return Model(served.name, "model", served.created, "afterword", about)


async def health(call: Call) -> Health | Raw:
    if not call.service.scheduler.is_alive:
        raise ApiError(503, "the writing thread has died: restart the server")
    if call.service.loaded:
        return Health("ok")
    raise ApiError(503, "the models are being loaded: ask again", headers={"Retry-After": "1"})


async def metrics(call: Call) -> Raw:
    return Raw(call.service.metrics.text(), call.service.metrics.content_type)


async def chat(call: Call) -> Raw:
    raise ApiError(
        404,
        "these models go on with a text, and hold no conversations: use /v1/completions with a prompt",
        None,
        "no_chat",
    )


async def tokenize(call: Call, body: Tokenize) -> Tokens:
    served = await _named(call, body.model)
    tokenizer = served.model.tokenizer
    if body.prompt == END and tokenizer.end is not None:
        return Tokens([tokenizer.end], 1)
    ids = (await asyncio.to_thread(tokenizer.encode, body.prompt)).tolist()
    return Tokens(ids, len(ids))


async def detokenize(call: Call, body: Detokenize) -> Detokenized:
    served = await _named(call, body.model)
    return Detokenized(await asyncio.to_thread(served.model.tokenizer.decode, body.tokens))


async def tokenizer_info(call: Call) -> TokenizerInfo:
    tokenizer = (await _named(call, call.query.get("model"))).model.tokenizer
    end = None if tokenizer.end is None else END
    return TokenizerInfo(
        tokenizer.kind, tokenizer.size, tokenizer.lowercase, end, end, None, tokenizer.end, tokenizer.end, None
    )


async def _named(call: Call, name: str | None) -> Served:
    """The model of that name; without one the first that the server has."""
    models = call.service.models
    if name is None:
        name = next(iter(models.names()), "")
    return await asyncio.to_thread(partial(models.find, name))
