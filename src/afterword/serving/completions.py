"""`POST /v1/completions`, as OpenAI's clients use it.

A request becomes prompts, and for each of them the texts that are written after it; these come back whole, or as a
stream of server-sent events. Log-probabilities are the model's own, before any filter, in nats.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec

from afterword import __version__
from afterword.generation.writer import Writing
from afterword.language_model import random_seed
from afterword.serving.echoing import echoed
from afterword.serving.endpoints import Call, Events
from afterword.serving.errors import ApiError
from afterword.serving.fields import TokenIds, Wanted, Whole
from afterword.serving.limits import Limits
from afterword.serving.models import Served, Variant
from afterword.serving.prompts import Start, beginnings, begins_in_window, encoded, given
from afterword.serving.replies import Drawn, LogProbabilities, Order, Prompt, Reply
from afterword.serving.service import Service

MOST_CHOICES = 128  # of one request
MOST_STOPS = 16
QUICK = 5_000  # characters
MOST_ECHOED = 1_000_000  # tokens of prompts in one answer; with log-probabilities, a tenth of that
TOKEN_ID = re.compile(r"\d{1,9}", re.ASCII)
MOST_LIKELIEST = 5

Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)]
Few = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": MOST_LIKELIEST})]
Penalty = Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": 1000})]
Pattern = Annotated[str, msgspec.Meta(max_length=10_000)]
Stop = Annotated[str, msgspec.Meta(max_length=200)]
Stops = Annotated[list[Stop], msgspec.Meta(extra_json_schema={"maxItems": MOST_STOPS})]


class CompletionRequest(Wanted):
    """What to write, and how. A field that is null is as good as left out."""

    prompt: str | list[str | int | TokenIds] | None = None
    max_tokens: Whole | None = None
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
    repetition_penalty: Penalty | None = None
    pattern: Pattern | None = None
    remember: bool | None = None
    suffix: str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Choice(msgspec.Struct):
    """A text. Its `seed` writes it again."""

    index: int
    text: str
    logprobs: LogProbabilities | None
    finish_reason: Literal["stop", "length"] | None
    seed: int


class Usage(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(msgspec.Struct):
    """What was written, or a part of it in a stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


async def complete(call: Call, body: CompletionRequest) -> Completion | Events:
    """Write after each prompt: the whole text at once, or with `stream` as it comes."""
    check(body, call.service.limits)
    order = Order(asyncio.Event(), bool(body.stream))
    if is_quick(call.service, body):  # another thread would cost more than it spares
        served, starts, prompts = prepared(call.service, body, order)
    else:
        served, starts, prompts = await asyncio.to_thread(prepared, call.service, body, order)
    scheduler = call.service.scheduler
    if body.echo and body.logprobs is not None:
        for start in starts:
            keep = scheduler.remember if body.remember and not begins_in_window(start) else None
            start.echoed = await call.work(partial(echoed, served, start, body.logprobs, call.check, keep))
    call.on_end(partial(scheduler.leave, [reply for start in starts for reply in start.replies]))
    scheduler.submit([prompt for prompt in prompts if not all(reply.done for reply in prompt.replies)])
    call.service.metrics.prompt_tokens.inc(sum(len(start.ids) for start in starts))
    writer = Writer(call, served, body, starts, order.news)
    return Events(writer.chunks()) if body.stream else await writer.whole()


def is_quick(service: Service, body: CompletionRequest) -> bool:
    """Whether a request can be prepared in about a millisecond."""
    is_short = body.prompt is None or (isinstance(body.prompt, str) and len(body.prompt) <= QUICK)
    return is_short and body.pattern is None and body.hold is None and service.models.is_ready(body.model)


def prepared(service: Service, body: CompletionRequest, order: Order) -> tuple[Served, list[Start], list[Prompt]]:
    """The model, the prompts as the answer tells of them, and as they have to be read. Raises ApiError."""
    limits = service.limits
    served = service.models.find(body.model)
    variant, writing = settings(served, body)
    each = given(body.prompt)
    number = body.best_of or body.n or 1
    if number < (body.n or 1) or (body.stream and number > (body.n or 1)):
        raise ApiError(400, "best_of must be at least n, and equal to n in a stream", "best_of")
    count, most = number * len(each), min(MOST_CHOICES, limits.max_requests)
    if count > most:
        raise ApiError(400, f"one request may ask for at most {most:,} texts, not {count:,}: ask in parts", "n")
    output = count * writing.settled.max_tokens
    if output > limits.max_output:
        told = f"one request may ask for at most {limits.max_output:,} tokens in all, not {output:,}"
        raise ApiError(400, f"{told}: give a lower max_tokens", "max_tokens")
    seed = random_seed() if body.seed is None else body.seed
    starts: list[Start] = []
    prompts: list[Prompt] = []
    for prompt in each:
        ids, text = encoded(served, prompt, limits)
        seeds = [(seed + number * len(starts) + k) % 2**64 for k in range(number)]
        replies = [Reply(writing, text, one, order) for one in seeds]
        starts.append(Start(variant, ids, text, replies))
        prompts += beginnings(starts[-1], bool(body.remember))
    echoes = number * sum(len(start.ids) for start in starts) if body.echo else 0
    most = MOST_ECHOED if body.logprobs is None else MOST_ECHOED // 10
    if echoes > most:
        told = f"one answer may echo at most {most:,} tokens, not {echoes:,}"
        raise ApiError(400, f"{told}: give shorter prompts, or fewer", "echo")
    return served, starts, prompts


def check(body: CompletionRequest, limits: Limits) -> None:
    """Raise ApiError for what is not supported, or makes no sense before any model is asked."""
    for name in ("suffix", "frequency_penalty", "presence_penalty"):
        if getattr(body, name):
            raise ApiError(400, f"{name} is not supported here: leave it out", name, "unsupported")
    if body.stream_options is not None and not body.stream:
        raise ApiError(400, "stream_options is for streams: set stream to true", "stream_options")
    if body.max_tokens is not None and body.max_tokens > limits.max_output:
        told = f"one request may ask for at most {limits.max_output:,} tokens in all"
        raise ApiError(400, f"{told}: give a lower max_tokens", "max_tokens")
    if body.logprobs is not None and not 0 <= body.logprobs <= MOST_LIKELIEST:
        raise ApiError(400, f"logprobs must be from 0 to {MOST_LIKELIEST}, not {body.logprobs}", "logprobs")
    if body.seed is not None and not 0 <= body.seed < 2**64:
        raise ApiError(400, f"seed must be from 0 to 2^64 - 1, not {str(body.seed)[:40]}", "seed")
    if isinstance(body.stop, list) and len(body.stop) > MOST_STOPS:
        raise ApiError(400, f"stop may hold at most {MOST_STOPS} texts, not {len(body.stop)}", "stop")


def settings(served: Served, body: CompletionRequest) -> tuple[Variant, Writing]:
    """The model as it is asked for, and how it is to write: OpenAI's defaults where nothing is said."""
    tokenizer = served.model.tokenizer
    biases = {}
    for id, bias in (body.logit_bias or {}).items():
        if not TOKEN_ID.fullmatch(id) or int(id) >= tokenizer.rows:
            told = f"logit_bias must name tokens of this model by their ids, not {id[:40]!r}"
            raise ApiError(400, told, "logit_bias")
        biases[tokenizer.names[int(id)]] = bias
    sampling = body.sampling(
        max_tokens=16 if body.max_tokens is None else body.max_tokens,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
        logit_bias=biases,
        stop=() if body.stop is None else body.stop,
        pattern=body.pattern,
        log_probabilities=body.logprobs,
    )
    variant = body.variant(served)
    return variant, variant.writing(sampling)


class Writer:
    """Puts what is written into the shape of the answer."""

    def __init__(
        self, call: Call, served: Served, body: CompletionRequest, starts: list[Start], news: asyncio.Event
    ) -> None:
        self._call, self._served, self._body, self._starts, self._news = call, served, body, starts, news
        self._n = body.n or 1
        self._id = f"cmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._written = 0  # tokens

    async def whole(self) -> Completion:
        """The answer, once all of it is written."""
        replies = [reply for start in self._starts for reply in start.replies]
        while not all(reply.done for reply in replies):
            await self._news.wait()
            self._news.clear()
        choices = []
        for number, start in enumerate(self._starts):
            kept = start.replies
            if len(kept) > self._n:  # the likeliest on average, as with --best-of
                kept = sorted(kept, key=lambda reply: -_mean([one.log_probability for one in reply.drawn]))[: self._n]
            for k, reply in enumerate(kept):
                choice = self._choice(number * self._n + k, start, reply, [*reply.drawn])
                choices.append(self._echoing(choice, start) if self._body.echo else choice)
        self._written = sum(len(reply.drawn) for reply in replies)
        self._call.service.metrics.completion_tokens.inc(self._written)
        return self._completion(choices)

    async def chunks(self) -> AsyncIterator[Completion]:
        """The answer in parts, as they come."""
        replies = [reply for start in self._starts for reply in start.replies]
        owners = [start for start in self._starts for _ in start.replies]
        offsets = [len(start.text) if self._body.echo else 0 for start in owners]
        if self._body.echo:
            for index, (start, reply) in enumerate(zip(owners, replies, strict=True)):
                yield self._completion([Choice(index, start.text, start.echoed, None, reply.seed)])
        open_ones = dict(enumerate(replies))
        while open_ones:
            for index, reply in [*open_ones.items()]:
                done = reply.done  # before what is drawn is taken: nothing comes after
                drawn = [reply.drawn.popleft() for _ in range(len(reply.drawn))]
                if done:
                    del open_ones[index]
                if drawn or done:
                    choice = self._choice(index, owners[index], reply, drawn, offsets[index], done)
                    self._written += len(drawn)
                    yield self._completion([choice])
            if open_ones:
                await self._news.wait()
                self._news.clear()
        self._call.service.metrics.completion_tokens.inc(self._written)
        if self._body.stream_options is not None and self._body.stream_options.include_usage:
            yield self._completion([])

    def _completion(self, choices: list[Choice]) -> Completion:
        read = sum(len(start.ids) for start in self._starts)
        usage = Usage(read, self._written, read + self._written)
        return Completion(
            self._id, "text_completion", self._created, self._served.name, choices, usage, f"afterword-{__version__}"
        )

    def _choice(
        self, index: int, start: Start, reply: Reply, drawn: Sequence[Drawn], offset: int = 0, done: bool = True
    ) -> Choice:
        if reply.failure is not None:
            raise reply.failure
        logs = None if self._body.logprobs is None else self._logs(drawn, offset)
        reason = reply.writer.finish_reason if done else None
        finished: Literal["stop", "length"] | None = (
            None if reason is None else "stop" if reason == "stop" else "length"
        )
        return Choice(index, "".join([one.text for one in drawn]), logs, finished, reply.seed)

    def _logs(self, drawn: Sequence[Drawn], offset: int) -> LogProbabilities:
        names = self._served.token_names
        return LogProbabilities(
            [names[one.token] for one in drawn],
            [one.log_probability for one in drawn],
            [{names[id]: log for id, log in one.likeliest} for one in drawn],
            [offset + one.at for one in drawn],
        )

    def _echoing(self, choice: Choice, start: Start) -> Choice:
        """The choice, with its prompt before it."""
        text, logs = start.text, choice.logprobs
        if start.echoed is not None and logs is not None:
            logs = LogProbabilities(
                start.echoed.tokens + logs.tokens,
                start.echoed.token_logprobs + logs.token_logprobs,
                start.echoed.top_logprobs + logs.top_logprobs,
                start.echoed.text_offset + [len(text) + at for at in logs.text_offset],
            )
        return Choice(choice.index, text + choice.text, logs, choice.finish_reason, choice.seed)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
