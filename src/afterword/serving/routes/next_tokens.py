"""`POST /v1/next`: the probabilities of the next token, before and after the writing settings, and the next words."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Annotated

import msgspec

from afterword.generation.next_words import NextWord, next_words
from afterword.generation.prefill import next_characters
from afterword.serving.http.endpoints import Call
from afterword.serving.routes.prompts import Start, encode_prompt, prompts_to_read
from afterword.serving.routes.request_fields import SteeredRequest, TokenIds, find_variant
from afterword.serving.service import Service
from afterword.serving.writing.models import Served
from afterword.serving.writing.replies import Order, Reply, RequestedPrompt

LIKELIEST = 20
WORDS = "also list this many of the likeliest next words"


class NextRequest(SteeredRequest):
    """A text, and the writing settings of a completion."""

    prompt: str | TokenIds | None = None
    words: Annotated[int, msgspec.Meta(ge=1, le=LIKELIEST, description=WORDS)] | None = None


class Expected(msgspec.Struct):
    """A token, named as in log probabilities, with the text that it completes. `probability` is the model's own, and
    `after` is the probability after temperature and filters (0 if a filter removes the token).

    If tokens have several characters, it is a character, with the sums over the tokens that begin with it."""

    token: str
    text: str
    id: int
    probability: float
    after: float


class Next(msgspec.Struct):
    """The likeliest tokens by the model's own probabilities, the likeliest first."""

    data: list[Expected]
    words: list[NextWord] | msgspec.UnsetType = msgspec.UNSET
    """The likeliest words by the model's own probabilities, if they were asked for."""


async def expect(call: Call[Service], body: NextRequest) -> Next:
    """List the likeliest next tokens. States that are already known are not computed again."""
    order = Order(asyncio.Event(), streams=False)
    served, reply, prompt = await asyncio.to_thread(_prepare, call.service, body, order)
    scheduler = call.service.scheduler
    call.endings.callback(scheduler.leave, [reply])
    tokens = len(prompt.ids) + len(prompt.tail)
    scheduler.submit([prompt])
    call.service.metrics.prompt_tokens.inc(tokens)
    while not (prompt.is_read or reply.failure):
        await order.news.wait()
        order.news.clear()
    if reply.failure is not None:
        raise reply.failure
    assert prompt.reading is not None
    model, tokenizer, names = reply.policy.model, served.model.tokenizer, served.token_names
    reading = replace(prompt.reading, prompt=prompt.prompt)  # a remembered one has no prompt
    found = next_characters(model, reply.policy.sampler, reading)[:LIKELIEST]
    answer = Next(
        [Expected(names[one.id], tokenizer.texts[one.id], one.id, one.probability, one.after) for one in found]
    )
    if body.words is not None:
        answer.words = await call.work(partial(next_words, model, reading, body.words))
    return answer


def _prepare(service: Service, body: NextRequest, order: Order) -> tuple[Served, Reply, RequestedPrompt]:
    """Return the text as a prompt after which nothing is written. Raises ApiError, InputError."""
    served = service.models.find(body.model)
    chosen = find_variant(served, body.using, body.hold)
    ids, text = encode_prompt(served, body.prompt, service.limits)
    reply = Reply(chosen.policy(body.sampling(max_tokens=0)), text, 0, order)
    (prompt,) = prompts_to_read(Start(chosen, ids, text, [reply], not isinstance(body.prompt, list)), remember=True)
    return served, reply, prompt
