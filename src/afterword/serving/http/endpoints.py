"""Endpoints: one route each, from the bytes of a request to the bytes of its answer.

A body is read and checked before the handler sees it. Work stops as soon as the client leaves. Every failure becomes
one sentence.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import UnionType
from typing import Any, Generic, Literal, NamedTuple, NoReturn, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from afterword.records import plain
from afterword.serving.http.failures import JSON, ApiError, as_api_error, busy
from afterword.serving.http.resources import Resources
from afterword.settings import Kind

Body = TypeVar("Body")
Result = TypeVar("Result")
Shared = TypeVar("Shared", bound=Resources)

SMALL = 2**16  # bytes of a body, which is read however full the server is
LARGE = 2**18  # bytes of a body, which take milliseconds to parse
EVENT_STREAM = (b"content-type", b"text/event-stream")


class ClientGone(Exception):
    """The client has left."""


class Call(Generic[Shared]):
    """A request in progress, as a handler sees it."""

    def __init__(self, service: Shared, scope: Scope) -> None:
        self.service, self.headers = service, Headers(scope=scope)
        self.path: Mapping[str, str] = scope["path_params"]
        self.query: Mapping[str, str] = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        self.began = time.perf_counter()
        self._gone = threading.Event()
        self._size = 0
        self.endings = ExitStack()
        """What its end calls, however it ends."""

    def check(self) -> None:
        """Raise ClientGone if the client has left. Work on another thread calls this now and then."""
        if self._gone.is_set():
            raise ClientGone

    def has_read(self, size: int) -> None:
        """Count `size` bytes of the body as read, until the request ends. Raises ApiError if all have too many."""
        if size > SMALL:
            self.service.body_bytes += size - self._size
            self._size = size
            if self.service.body_bytes > max(size, self.service.limits.max_bodies):
                raise busy()

    def end(self) -> None:
        self._gone.set()
        self.service.body_bytes -= self._size
        self.endings.close()

    async def work(self, function: Callable[[], Result]) -> Result:
        """Call the slow `function` on another thread, when its turn comes. Raises ApiError if too many wait."""
        return await self.service.workers.run(function, self.check)


class Events(NamedTuple):
    """An answer in parts, sent as server-sent events."""

    parts: AsyncIterator[msgspec.Struct]


Answer = msgspec.Struct | dict[str, Any] | Events | Response


@dataclass
class Endpoint:
    """A route of the API, and an ASGI application.

    `handler` takes the `Call` and, if there is one, the body. Its annotations give the types of body and answer, and
    the first sentence of its docstring describes the route in the API document. If it is not a coroutine function, it
    may block: it runs on another thread.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[..., Any]
    query: Mapping[str, type] = field(default_factory=dict)
    status: int = 200
    is_open: bool = False
    """True if it needs no key."""
    takes_text: bool = False
    """True if its body has a whole text or document, which may be large."""

    def __post_init__(self) -> None:
        self.summary = " ".join((self.handler.__doc__ or "").split()).partition(". ")[0].rstrip(".") + "."
        _, *bodies, returned = get_type_hints(self.handler).values()
        kinds = get_args(returned) if isinstance(returned, UnionType) else (returned,)
        self.body: Any = next(iter(bodies), None)
        self.reply: Any = kinds[0]
        self.streams = Events in kinds
        blocks = not asyncio.iscoroutinefunction(self.handler)
        self._work = partial(asyncio.to_thread, self.handler) if blocks else self.handler
        self._fields = {one.encode_name for body in bodies for one in msgspec.structs.fields(body)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service: Resources = scope["app"].state.service
        call = Call(service, scope)
        head: Message = scope["head"]
        try:
            async with asyncio.timeout(service.limits.request_timeout):
                given = [] if self.body is None else [await self._read(call, receive)]
                await _unless_gone(self._answer(call, given, scope, receive, send), receive)
        except ClientGone:
            service.metrics.gone.inc()
        except (Exception, asyncio.CancelledError) as error:
            body, answer = self._refusal(service, error)
            if not head:
                await answer(scope, receive, send)
            elif EVENT_STREAM in head["headers"]:
                await _send_part(send, body, last=True)
        finally:
            call.end()
            service.metrics.request(self.path, head.get("status", 499), time.perf_counter() - call.began)

    def _refusal(self, service: Resources, error: BaseException) -> tuple[bytes, Response]:
        """Return the body and the response for an error, without the error: it would keep the request's memory."""
        failure = as_api_error(error, service.limits.request_timeout, self._fields)
        for path in service.hidden:
            failure.detail.message = failure.detail.message.replace(path, "")
        return failure.body, failure.response()

    async def _read(self, call: Call[Any], receive: Receive) -> Any:
        limits = call.service.limits
        body = await read_body(receive, call, limits.max_text if self.takes_text else limits.max_body)
        if len(body) < LARGE:
            return parse(body, self.body)
        async with call.service.parsing:
            return await asyncio.to_thread(parse, body, self.body)

    async def _answer(self, call: Call[Any], given: list[Any], scope: Scope, receive: Receive, send: Send) -> None:
        answer: Answer = await self._work(call, *given)
        if isinstance(answer, Events):
            parts = aiter(answer.parts)
            part = await anext(parts, None)  # a failure before the first part has a status of its own
            headers = [EVENT_STREAM, (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            call.service.metrics.first_part.observe(time.perf_counter() - call.began)
            while part is not None:
                await _send_part(send, msgspec.json.encode(part))
                await asyncio.sleep(0)  # a stream that always has a next part lets others proceed
                part = await anext(parts, None)
            await _send_part(send, b"[DONE]", last=True)
        else:
            if not isinstance(answer, Response):
                answer = Response(msgspec.json.encode(answer), self.status, media_type=JSON)
            await answer(scope, receive, send)


async def _send_part(send: Send, data: bytes, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": b"data: " + data + b"\n\n", "more_body": not last})


async def _unless_gone(work: Awaitable[None], receive: Receive) -> None:
    """Do `work`; cancel it and raise ClientGone as soon as the client leaves."""
    doing = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientGone
        doing.result()
    finally:
        for task in (doing, watching):
            task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)
        del doing, task  # a failure that holds its own task would keep the request's body until a full collection


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_body(receive: Receive, call: Call[Any], largest: int) -> bytes:
    """Return the whole body; count its bytes as they come.

    Raises ApiError if it is too large, ClientGone if the client leaves before its end.
    """
    length = call.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > largest:
        raise _too_large(largest)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > largest:
            raise _too_large(largest)
        call.has_read(len(body))
        more = message.get("more_body", False)
    return bytes(body)


def _too_large(largest: int) -> ApiError:
    return ApiError(413, f"the body may be at most {largest:,} bytes")


def parse(body: bytes, kind: type[Body]) -> Body:
    """Return `body` as a `kind`. Raises ApiError if it is not JSON, gives a name twice, or does not fit."""
    try:
        found = json.loads(body, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        raise ApiError(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from None
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        field, wrong = plain(str(error), "the body")
        hints = [one.type for one in msgspec.structs.fields(kind) if one.encode_name == field]  # type: ignore[arg-type]
        if "enum" in str(error) and hints:
            wrong = f"{field} must be one of {', '.join(Kind.of(hints[0]).choices)}, not {str(found[field])[:60]}"
        raise ApiError(400, wrong, field or None, "unsupported" if "unknown field" in str(error) else None) from None
    except UnicodeEncodeError:  # where a text is not expected
        raise ApiError(400, "the body contains a lone surrogate, which is not valid text") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if any("\ud800" <= character <= "\udfff" for name in found if not name.isascii() for character in name):
        raise ApiError(400, "a name in the body contains a lone surrogate, which is not valid text")
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0][:60]
        raise ApiError(400, f"the body has {twice!r} twice: give it once", twice)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ApiError(400, f"the body is not valid JSON: {name} is not a number")
