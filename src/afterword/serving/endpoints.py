"""One route: from a request's bytes to an answer's, whatever happens in between.

A body is read and checked before the handler sees it; whoever goes away is noticed at once, so that nothing goes on for
nobody; every failure becomes one clear sentence.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec

from afterword.errors import AfterwordError, StorageError
from afterword.serving.bodies import Gone, Message, Receive, parsed, read_body
from afterword.serving.errors import ApiError, report

if TYPE_CHECKING:
    from afterword.serving.service import Service

Send = Callable[[Message], Awaitable[None]]
Scope = Mapping[str, Any]
Result = TypeVar("Result")

JSON = "application/json"
LARGE = 2**18  # bytes of a body, which take milliseconds to parse


class Call:
    """One request on its way, as far as a handler needs to know it."""

    def __init__(
        self, service: Service, path: Mapping[str, str], query: Mapping[str, str], headers: Mapping[bytes, bytes]
    ) -> None:
        self.service, self.path, self.query, self.headers = service, path, query, headers
        self._gone = threading.Event()
        self._endings: list[Callable[[], object]] = []

    def check(self) -> None:
        """Raise Gone once nobody waits for the answer: for work on another thread to ask now and then."""
        if self._gone.is_set():
            raise Gone

    def on_end(self, ending: Callable[[], object]) -> None:
        """Call `ending` when the request ends, however that is."""
        self._endings.append(ending)

    def end(self) -> None:
        self._gone.set()
        for ending in self._endings:
            ending()

    async def work(self, function: Callable[[], Result]) -> Result:
        """`function`, which takes a while, on another thread, in turn. Raises ApiError where too many wait."""
        return await self.service.workers.run(function, self.check)


@dataclass(frozen=True)
class Events:
    """An answer that comes in parts, as server-sent events."""

    parts: AsyncIterator[msgspec.Struct]


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = msgspec.Struct | dict[str, Any] | Events | Raw
Handler = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True)
class Endpoint:
    """A route of the API; itself an ASGI application."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    handler: Handler
    """Takes the `Call` and, where there is one, the body."""
    reply: Any
    """What it answers, as a type; bytes for what is no JSON."""
    body: Any = None
    """What it takes, as a type; None where it takes nothing."""
    query: Mapping[str, type] = field(default_factory=dict)
    status: int = 200
    is_open: bool = False
    """Whether it needs no key."""
    largest: str = "max_body"
    """Which of the limits its body has."""
    streams: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service: Service = scope["app"].state.service
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        headers = dict(scope["headers"])
        call = Call(service, scope["path_params"], query, headers)
        answer = _Answer(send, service, self)
        try:
            async with asyncio.timeout(service.limits.request_timeout):
                given: tuple[Any, ...] = ()
                if self.body is not None:
                    body = await read_body(receive, headers, getattr(service.limits, self.largest))
                    if len(body) < LARGE:
                        given = (parsed(body, self.body),)
                    else:
                        given = (await asyncio.to_thread(parsed, body, self.body),)
                await _unless_gone(self._answer(call, given, answer), receive)
        except Gone:
            service.metrics.gone.inc()
        except Exception as error:
            await answer.fail(as_api_error(error, service.limits.request_timeout, self.body))
        finally:
            call.end()
            answer.count()

    async def _answer(self, call: Call, given: tuple[Any, ...], answer: _Answer) -> None:
        await answer.send(await self.handler(call, *given))


class _Answer:
    """Sends an answer, and knows how far it is."""

    def __init__(self, send: Send, service: Service, endpoint: Endpoint) -> None:
        self._send, self._service, self._endpoint = send, service, endpoint
        self._began = time.perf_counter()
        self._status = 0
        self._streaming = False

    async def send(self, answer: Answer) -> None:
        if isinstance(answer, Events):
            await self._stream(answer)
        elif isinstance(answer, Raw):
            await self._whole(self._endpoint.status, answer.body, answer.content_type, answer.headers)
        else:
            await self._whole(self._endpoint.status, msgspec.json.encode(answer), JSON)

    async def fail(self, error: ApiError) -> None:
        """Tell of `error`, in the middle of a stream too."""
        body = msgspec.json.encode(error.failure)
        if self._streaming:
            await self._part(b"data: " + body + b"\n\n", last=True)
        elif not self._status:
            await self._whole(error.status, body, JSON, error.headers)

    async def _stream(self, events: Events) -> None:
        parts = aiter(events.parts)
        part = await anext(parts, None)  # what fails before the first part has a status of its own
        await self._start(200, "text/event-stream", {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._streaming = True
        self._service.metrics.first_part.observe(time.perf_counter() - self._began)
        while part is not None:
            await self._part(b"data: " + msgspec.json.encode(part) + b"\n\n")
            await asyncio.sleep(0)  # where there is always a next part, others come on too
            part = await anext(parts, None)
        await self._part(b"data: [DONE]\n\n", last=True)

    async def _part(self, body: bytes, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})

    async def _whole(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        await self._start(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        await self._part(body, last=True)

    async def _start(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self._status = status
        named = {"Content-Type": kind, **headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    def count(self) -> None:
        seconds = time.perf_counter() - self._began
        self._service.metrics.request(self._endpoint.path, self._status or 499, seconds)


async def _unless_gone(work: Awaitable[None], receive: Receive) -> None:
    """Do `work`; raise Gone, and leave it, as soon as the client goes away."""
    doing = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Gone
        doing.result()
    finally:
        for task in (doing, watching):
            task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def as_api_error(error: Exception, seconds: float, body: Any) -> ApiError:
    """What a client is told of `error`."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TimeoutError):
        return ApiError(
            503, f"this took longer than {seconds:g} s and was stopped: ask for less", headers={"Retry-After": "1"}
        )
    if isinstance(error, AfterwordError) and not isinstance(error, StorageError):
        # an option's message begins with its name, as the command line spells it
        message = str(error)
        word, _, rest = message.partition(" ")
        name = word.replace("-", "_")
        fields = {one.encode_name for one in msgspec.structs.fields(body)} if body is not None else set()
        return ApiError(400, f"{name} {rest}", name) if name in fields else ApiError(400, message)
    report(error)
    return ApiError(500, "the server made a mistake: ask again")
