"""The HTTP protocol, with limits that uvicorn lacks: on the time to receive a request and to send an answer, and on the
number of connections. A client may close its half of the connection after its request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from afterword.serving.http.failures import ApiError
from afterword.serving.http.limits import Limits

GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
BETWEEN_LOOKS = 0.1  # seconds


class Timer:
    """A timer that calls a function after some seconds, unless it is stopped first."""

    def __init__(self, seconds: float, function: Callable[[], object]) -> None:
        self._seconds, self._function = seconds, function
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start, unless it is already running."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._function)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def protocol(limits: Limits, connections: int) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with these limits, for at most this number of `connections`."""

    class Limited(H11Protocol):
        has_left_half = False
        since = 0.0
        """The time since which it is idle, or receives a request."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late = Timer(limits.receive_timeout, self._too_late)
            self._stuck = Timer(limits.send_timeout, transport.abort)
            self.since = self.loop.time()
            if len(self.connections) > connections:
                waiting = [one for one in self.connections if isinstance(one, Limited) and not one.answers]
                min(waiting, key=lambda one: (one.has_key, one.since)).transport.abort()
            if not transport.is_closing():
                self._late.start()

        @property
        def answers(self) -> bool:
            """True if a request has arrived whose answer is not complete, or if the connection is closing."""
            asked = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
            return asked or self.transport.is_closing()

        @property
        def has_key(self) -> bool:
            """True if its last request had the server's key."""
            return self.scope is not None and "has_key" in self.scope

        def eof_received(self) -> bool:  # type: ignore[override]
            """Keep the connection if its client, which sends no more, may still read the answer."""
            self.has_left_half = self.answers
            if self.has_left_half:
                if not self.cycle.response_started and self.scope["http_version"] == "1.1":
                    self.transport.write(GO_ON)  # a client that has left altogether resets the connection
                self._look()
            return self.has_left_half

        def _look(self) -> None:
            """Close the connection if its client has left altogether; asyncio, which reads no more, would not know."""
            if not self.transport.is_closing():
                if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.transport.abort()
                else:
                    self.loop.call_later(BETWEEN_LOOKS, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            self._late.stop()
            self._stuck.stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
                self._late.start()
            super().data_received(data)
            if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
                self._late.stop()

        def on_response_complete(self) -> None:
            self.since = self.loop.time()
            super().on_response_complete()
            if self.has_left_half and not self.answers:
                self.transport.close()
            if self.conn.their_state is h11.IDLE:
                self._late.stop()

        def pause_writing(self) -> None:
            """Begin to wait for a client that takes less than is sent."""
            super().pause_writing()
            self._stuck.start()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stuck.stop()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()  # which closes, once all is sent
            self._stuck.start()

        def shutdown(self) -> None:
            super().shutdown()
            if self.transport.is_closing():
                self._stuck.start()

        def send_400_response(self, msg: str) -> None:
            self._fail(ApiError(400, "this is not an HTTP request, or its header is too long"))

        def _too_late(self) -> None:
            if not self.transport.is_closing():
                self._fail(ApiError(408, f"the request did not arrive within {limits.receive_timeout:g} s"))

        def _fail(self, error: ApiError) -> None:
            """Close the connection, after `error` unless an answer has begun."""
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                head = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
                head += [name + b": " + value for name, value in error.response().raw_headers]
                self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + error.body)
            self.transport.close()

    return Limited
