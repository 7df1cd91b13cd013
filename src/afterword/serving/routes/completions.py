"""`POST /v1/completions`, as OpenAI's clients use it.

A request has prompts, and each prompt is continued by one or more texts. They come whole, or as a stream of
server-sent events. Log-probabilities are the model's own, before any filter, in nats.
"""

from __future__ import annotations

import asyncio
import operator
import re
import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Literal, cast

import msgspec
from msgspec.structs import astuple

from afterword.generation.continuation import Policy
from afterword.generation.ending import BEYOND
from afterword.generation.rules import most_states
from afterword.generation.writer import likeliest, random_seed
from afterword.serving.http.endpoints import Call, Events
from afterword.serving.http.failures import ApiError, check_at_most
from afterword.serving.routes.prompts import Start, encode_prompt, prompts_in, prompts_to_read, score_prompt
from afterword.serving.routes.request_fields import SteeredRequest, TokenIds, Whole, find_variant, with_settings
from afterword.serving.service import Service
from afterword.serving.writing.models import Served, Variant
from afterword.serving.writing.replies import LogProbabilities, Order, Reply, RequestedPrompt

MOST_CHOICES = 128  # of one request
MOST_STOPS = 16
DEFAULT_TOKENS = 16  # OpenAI's
MOST_ECHOED = 1_000_000  # tokens of prompts in one answer; with log-probabilities, a tenth of that
TOKEN_ID = re.compile(r"\d{1,9}", re.ASCII)
MOST_LIKELIEST = 5
WRITTEN = ("max_tokens", "sentences", "finish_sentence", "new_word_p", "repetition_penalty")  # as in Python

Reason = Literal["stop", "length", "rules"]
Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)]
Few = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": MOST_LIKELIEST})]
Pattern = Annotated[str, msgspec.Meta(max_length=10_000)]
Stop = Annotated[str, msgspec.Meta(max_length=200)]
Stops = Annotated[list[Stop], msgspec.Meta(extra_json_schema={"maxItems": MOST_STOPS})]


class CompletionRequest(with_settings(SteeredRequest, *WRITTEN)):  # type: ignore[misc]
    """Prompts, and how to continue them. A null field counts as missing."""

    prompt: str | list[str | int | TokenIds] | None = None
    n: Count | None = None
    best_of: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: Stop | Stops | None = None
    seed: Whole | None = None
    logprobs: Few | None = None
    echo: bool | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    pattern: Pattern | None = None
    remember: bool | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    @property
    def longest(self) -> int:
        """The most tokens of a text; with a pattern, characters."""
        most = DEFAULT_TOKENS if self.max_tokens is None else self.max_tokens
        return most + BEYOND * bool(self.finish_sentence)


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None


class CompletionChoice(msgspec.Struct):
    """A text. The same request with its `seed` writes it again."""

    index: int
    text: str
    logprobs: LogProbabilities | None
    finish_reason: Reason | None
    seed: int


class Usage(msgspec.Struct):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(msgspec.Struct):
    """The texts, or a part of them in a stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage


async def complete(call: Call[Service], body: CompletionRequest) -> Completion | Events:
    """Continue each prompt with a text; with `stream`, send it as it is written."""
    check(body)
    order = Order(asyncio.Event(), bool(body.stream))
    if body.pattern is not None:
        texts = (body.best_of or body.n or 1) * len(prompts_in(body.prompt))
        call.service.admit_rules(call, texts * most_states(body.longest))
        preparing = partial(prepare, call.service, body, order)
        served, starts, prompts = await call.service.compilers.run(preparing, call.check)
    else:
        served, starts, prompts = await asyncio.to_thread(prepare, call.service, body, order)
    scheduler = call.service.scheduler
    if body.echo and body.logprobs is not None:
        for start in starts:
            start.echoed = await call.work(partial(score_prompt, served, start, body.logprobs, call.check))
    call.endings.callback(scheduler.leave, [reply for start in starts for reply in start.replies])
    scheduler.submit([prompt for prompt in prompts if not all(reply.done for reply in prompt.replies)])
    call.service.metrics.prompt_tokens.inc(sum(len(start.ids) for start in starts))
    builder = CompletionBuilder(call, served, body, starts, order.news)
    return Events(builder.chunks()) if body.stream else await builder.whole()


def prepare(
    service: Service, body: CompletionRequest, order: Order
) -> tuple[Served, list[Start], list[RequestedPrompt]]:
    """Return the model, the prompts as the answer shows them, and as the model reads them. Raises ApiError."""
    limits = service.limits
    served = service.models.find(body.model)
    each = prompts_in(body.prompt)
    number = body.best_of or body.n or 1
    if number < (body.n or 1) or (body.stream and number > (body.n or 1)):
        raise ApiError(400, "best_of must be at least n, and equal to n in a stream", "best_of")
    count, most = number * len(each), min(MOST_CHOICES, limits.max_requests)
    check_at_most(most, count, "one request may ask for at most {} texts", "ask in parts", "n")
    if count * body.longest > limits.max_output:
        message = f"one request may ask for at most {limits.max_output:,} tokens in all: give a lower max_tokens"
        raise ApiError(400, message, "max_tokens")
    chosen, policy = writing_settings(served, body)
    seed = random_seed() if body.seed is None else body.seed
    starts: list[Start] = []
    prompts: list[RequestedPrompt] = []
    for prompt in each:
        ids, text = encode_prompt(served, prompt, limits)
        seeds = [(seed + number * len(starts) + k) % 2**64 for k in range(number)]
        replies = [Reply(policy, text, one, order) for one in seeds]
        starts.append(Start(chosen, ids, text, replies, not isinstance(prompt, list)))
        prompts += prompts_to_read(starts[-1], bool(body.remember))
    echoes = number * sum(len(start.ids) for start in starts) if body.echo else 0
    most = MOST_ECHOED if body.logprobs is None else MOST_ECHOED // 10
    check_at_most(most, echoes, "one answer may echo at most {} tokens", "give shorter or fewer prompts", "echo")
    return served, starts, prompts


def check(body: CompletionRequest) -> None:
    """Raise ApiError for fields that are unsupported or invalid for every model."""
    for name in ("frequency_penalty", "presence_penalty"):
        if getattr(body, name):
            raise ApiError(400, f"{name} is not supported here: leave it out", name, "unsupported")
    if body.stream_options is not None and not body.stream:
        raise ApiError(400, "stream_options needs a stream: set stream to true", "stream_options")
    for name, most, shown in (("logprobs", MOST_LIKELIEST, f"{MOST_LIKELIEST}"), ("seed", 2**64 - 1, "2^64 - 1")):
        if (value := getattr(body, name)) is not None and not 0 <= value <= most:
            raise ApiError(400, f"{name} must be from 0 to {shown}, not {str(value)[:40]}", name)
    if isinstance(body.stop, list):
        check_at_most(MOST_STOPS, len(body.stop), "stop may have at most {} texts", "leave some out", "stop")


def writing_settings(served: Served, body: CompletionRequest) -> tuple[Variant, Policy]:
    """Return the model as the request asks for it, and its writing settings."""
    tokenizer = served.model.tokenizer
    biases = {}
    for id, bias in (body.logit_bias or {}).items():
        if not TOKEN_ID.fullmatch(id) or int(id) >= tokenizer.rows:
            message = f"logit_bias must name tokens of this model by their ids, not {id[:40]!r}"
            raise ApiError(400, message, "logit_bias")
        biases[tokenizer.names[int(id)]] = bias
    sampling = body.sampling(
        max_tokens=DEFAULT_TOKENS if body.max_tokens is None else body.max_tokens,
        logit_bias=biases,
        finish_sentence=bool(body.finish_sentence),
        log_probabilities=body.logprobs,
    )
    chosen = find_variant(served, body.using, body.hold)
    return chosen, chosen.policy(sampling)


class CompletionBuilder:
    """The answer to a request, built from its texts as they are written."""

    def __init__(
        self, call: Call[Service], served: Served, body: CompletionRequest, starts: list[Start], news: asyncio.Event
    ) -> None:
        self._call, self._served, self._body, self._starts, self._news = call, served, body, starts, news
        self._replies = [reply for start in starts for reply in start.replies]
        self._n = body.n or 1
        self._id = f"cmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._written = 0  # tokens

    async def whole(self) -> Completion:
        """Return the answer once all of it is written."""
        while not all(reply.done for reply in self._replies):
            await self._news.wait()
            self._news.clear()
        self._written = sum(len(reply.parts) for reply in self._replies)
        choices: list[CompletionChoice] = []
        for start in self._starts:
            for reply in start.replies if len(start.replies) <= self._n else likeliest(start.replies, self._n):
                choices.append(self._choice(len(choices), start, reply, len(reply.parts), echo=bool(self._body.echo)))
        self._call.service.metrics.completion_tokens.inc(self._written)
        return self._completion(choices)

    async def chunks(self) -> AsyncIterator[Completion]:
        """Yield the answer in parts as they are written."""
        owners = [start for start in self._starts for _ in start.replies]
        if self._body.echo:
            for index, (start, reply) in enumerate(zip(owners, self._replies, strict=True)):
                yield self._completion([CompletionChoice(index, start.text, start.echoed, None, reply.seed)])
        open_ones = dict(enumerate(self._replies))
        while open_ones:
            for index, reply in [*open_ones.items()]:
                done = reply.done  # read this before the queue: nothing is added after it
                tokens = len(reply.parts)
                if done:
                    del open_ones[index]
                if tokens or done:
                    choice = self._choice(index, owners[index], reply, tokens, done)
                    self._written += tokens
                    yield self._completion([choice])
            if open_ones:
                await self._news.wait()
                self._news.clear()
        self._call.service.metrics.completion_tokens.inc(self._written)
        if self._body.stream_options is not None and self._body.stream_options.include_usage:
            yield self._completion([])

    def _completion(self, choices: list[CompletionChoice]) -> Completion:
        read = sum(len(start.ids) for start in self._starts)
        usage = Usage(read, self._written, read + self._written)
        return Completion(self._id, "text_completion", self._created, self._served.name, choices, usage)

    def _choice(
        self, index: int, start: Start, reply: Reply, tokens: int, done: bool = True, echo: bool = False
    ) -> CompletionChoice:
        """Remove the next `tokens` tokens from a reply and return them; with `echo`, after its prompt."""
        if reply.failure is not None:
            raise reply.failure
        text, logs, names = "".join([reply.parts.popleft() for _ in range(tokens)]), None, self._served.token_names
        if reply.recorded is not None:
            drawn = [reply.recorded.popleft() for _ in range(tokens)]
            offset = len(start.text) if self._body.echo else 0
            logs = LogProbabilities(
                [names[one.id][len(one.rest) :] for one in drawn],
                [one.log_probability for one in drawn],
                [{names[id][len(one.rest) :]: log for id, log in one.likeliest} for one in drawn],
                [offset + one.at for one in drawn],
            )
            if echo and start.echoed is not None:
                logs = LogProbabilities(*map(operator.add, astuple(start.echoed), astuple(logs)))
        reason = cast(Reason | None, reply.continuation.finish_reason if done else None)
        return CompletionChoice(index, start.text + text if echo else text, logs, reason, reply.seed)
