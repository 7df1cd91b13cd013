"""The HTTP protocol, with what uvicorn leaves open: limits on how long a request may take to arrive and an answer
to leave, and on how many connections there are."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from afterword.serving.endpoints import JSON
from afterword.serving.errors import ApiError
from afterword.serving.limits import Limits


def protocol(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's protocol, with these limits."""

    class Limited(H11Protocol):
        _late: asyncio.TimerHandle | None = None
        _stuck: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.max_connections:
                transport.close()
            else:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self._move_on()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._late is None and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
                self._wait()
            super().data_received(data)
            if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
                self._stop_waiting()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.conn.their_state is h11.IDLE:
                self._stop_waiting()

        def pause_writing(self) -> None:
            """More is to be sent than the client takes."""
            super().pause_writing()
            self._stuck = self._stuck or self.loop.call_later(limits.send_timeout, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._move_on()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()  # which closes, once all is sent
            self._stuck = self._stuck or self.loop.call_later(limits.send_timeout, self.transport.abort)

        def shutdown(self) -> None:
            super().shutdown()
            if self.transport.is_closing():
                self._stuck = self._stuck or self.loop.call_later(limits.send_timeout, self.transport.abort)

        def _move_on(self) -> None:
            if self._stuck is not None:
                self._stuck.cancel()
                self._stuck = None

        def send_400_response(self, msg: str) -> None:
            """What is no HTTP, or has too long a header, in the shape of all failures."""
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._answer(ApiError(400, "this is not an HTTP request, or its header is too long"))
            else:
                self.transport.close()

        def _wait(self) -> None:
            self._late = self.loop.call_later(limits.receive_timeout, self._too_late)

        def _stop_waiting(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _too_late(self) -> None:
            self._late = None
            if self.transport.is_closing():
                return
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._answer(ApiError(408, f"the request did not come within {limits.receive_timeout:g} s"))
            else:
                self.transport.close()

        def _answer(self, error: ApiError) -> None:
            body = msgspec.json.encode(error.failure)
            head = (
                f"HTTP/1.1 {error.status} {'Request Timeout' if error.status == 408 else 'Bad Request'}\r\n"
                f"content-type: {JSON}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

    return Limited
