"""`POST /v1/next`: what a model expects after a text, and what the settings of writing leave of it."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import numpy as np

from afterword.generation.reading import Reading
from afterword.generation.writer import Writing
from afterword.serving.endpoints import Call
from afterword.serving.fields import TokenIds, Wanted
from afterword.serving.models import Served
from afterword.serving.prompts import Start, beginnings, encoded
from afterword.serving.replies import Order, Prompt, Reply
from afterword.serving.service import Service

LIKELIEST = 20


class NextRequest(Wanted):
    """A text, and settings of writing as in a completion."""

    prompt: str | TokenIds | None = None


class Expected(msgspec.Struct):
    """A token, named as in log probabilities; the text that it completes; and its probability, the model's own and
    after temperature and filters, where 0 is filtered out."""

    token: str
    text: str
    id: int
    probability: float
    after: float


class Next(msgspec.Struct):
    """The likeliest tokens by the model's own probabilities, the likeliest first."""

    data: list[Expected]


async def expect(call: Call, body: NextRequest) -> Next:
    """Read the text, from where it is known on, and say what may come next. The states on the way are remembered."""
    order = Order(asyncio.Event(), streams=False)
    served, writing, reply, prompt = await asyncio.to_thread(_prepared, call.service, body, order)
    scheduler = call.service.scheduler
    call.on_end(partial(scheduler.leave, [reply]))
    scheduler.submit([prompt])
    call.service.metrics.prompt_tokens.inc(len(prompt.ids))
    while not (prompt.is_read or reply.failure):
        await order.news.wait()
        order.news.clear()
    if reply.failure is not None:
        raise reply.failure
    assert prompt.reading is not None
    return Next(_likeliest(served, writing, prompt.reading))


def _prepared(service: Service, body: NextRequest, order: Order) -> tuple[Served, Writing, Reply, Prompt]:
    """The text as a prompt after which nothing is written. Raises ApiError, InputError."""
    served = service.models.find(body.model)
    variant = body.variant(served)
    writing = variant.writing(body.sampling(max_tokens=0))
    ids, text = encoded(served, body.prompt, service.limits)
    reply = Reply(writing, text, 0, order)
    (prompt,) = beginnings(Start(variant, ids, text, [reply]), remember=True)
    return served, writing, reply, prompt


def _likeliest(served: Served, writing: Writing, reading: Reading) -> list[Expected]:
    own, after = writing.sampler.expected(reading.logits[0])
    tokenizer = served.model.tokenizer
    whole = own[: writing.sampler.told]  # without what stands for all bytes, and says nothing of which
    best = np.argsort(-whole, kind="stable")[:LIKELIEST].tolist()
    return [
        Expected(served.token_names[id], tokenizer.decoder().push(id), id, float(own[id]), float(after[id]))
        for id in best
    ]
