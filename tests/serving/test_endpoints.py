"""Laws of an endpoint by itself."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from functools import partial
from typing import Any, NoReturn

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from afterword.errors import TextError
from afterword.serving.http.endpoints import Call, Endpoint
from afterword.serving.http.failures import ApiError
from afterword.serving.http.limits import Access, Limits
from afterword.serving.http.resources import Metrics, Resources, Workers
from tests.processes import until


class Large(msgspec.Struct, weakref=True):
    text: str


async def exhausted(call: Call[Resources], body: Large) -> Response:
    """Ask for more memory than there is."""
    SEEN.append(weakref.ref(body))
    raise MemoryError


SEEN: list[weakref.ref[Large]] = []


async def refused(call: Call[Resources], body: Large) -> Response:
    """Refuse."""
    SEEN.append(weakref.ref(body))
    raise ApiError(400, "no")


async def failed(call: Call[Resources], body: Large) -> Response:
    """Fail at work."""
    SEEN.append(weakref.ref(body))
    await call.work(partial(_fail, body))
    raise AssertionError


def _fail(body: Large) -> NoReturn:
    raise TextError("no")


@pytest.mark.parametrize(("handler", "status"), [(refused, 400), (failed, 400), (exhausted, 503)])
def test_a_body_that_is_refused_is_gone_without_a_collection(handler: Any, status: int) -> None:
    async def ask() -> None:
        app = Starlette()
        app.state.service = Resources(Limits(), Access(), Metrics({}), Workers(1, 1), hidden=[])
        sent: list[Any] = []
        messages = iter([{"type": "http.request", "body": json.dumps({"text": "ab"}).encode()}])

        async def receive() -> Any:
            return next(messages, None) or await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message.get("status"))

        await Endpoint("POST", "/", handler)(
            {"type": "http", "app": app, "query_string": b"", "path_params": {}, "headers": [], "head": {}},
            receive,
            send,
        )
        assert sent == [status, None]
        app.state.service.workers.stop()

    gc.collect()
    gc.disable()
    try:
        asyncio.run(ask())
        body = SEEN.pop()
        until(lambda: body() is None)  # the worker's thread lets go of it a moment after the answer
    finally:
        gc.enable()
