"""Malformed HTTP and extreme values: refused or closed, never a 5xx, and the server goes on."""

from __future__ import annotations

import functools
import random
import socket
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.attack import answered, exchange, http_request
from tests.serving.conftest import models, server
from tests.serving.server import SOURCE, Serving
from tests.serving.test_load import begun, everything
from tests.serving.test_safety import talk

__all__ = ["models", "server"]


@functools.cache
def api_of(port: int) -> Any:
    return Serving(None, port).get("/openapi.json").json  # type: ignore[arg-type]


@settings(max_examples=30)
@given(st.integers(0), st.integers(0, 400))
def test_a_damaged_request_is_answered_or_closed(server: Serving, seed: int, left_out: int) -> None:
    raw, refused, _ = http_request(random.Random(seed), api_of(server.port), server.port, ["raw"])
    part = raw[: len(raw) - left_out] if left_out % 2 else raw
    assert not [*answered(exchange(server.port, part, half=True), refused, Path(SOURCE), whole=False)], raw
    assert server.get("/health").status == 200


@settings(max_examples=40)
@given(st.integers(0))
def test_no_value_of_any_field_is_more_than_a_refusal(server: Serving, seed: int) -> None:
    raw, refused, whole = http_request(random.Random(seed), api_of(server.port), server.port, ["body", "JSON"])
    assert not [*answered(exchange(server.port, raw), refused, Path(SOURCE), whole)], raw


HEAD = b"POST /tokenize HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\nHost: 127.0.0.1:%d\r\n"
GET = b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1:%d\r\n"
CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"
MALFORMED = [
    (b"nonsense\r\n\r\n", 400),
    (b"\0" * 100, 400),
    (b"\0\r\n\r\n", 400),
    (b"GET /" + b"a" * 100_000, 400),
    (GET + b"".join(b"X-%d: %s\r\n" % (k, b"a" * 1000) for k in range(40)) + b"\r\n", 431),
    (GET + b"X-A: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    (HEAD + b"Content-Length: 5000000\r\n\r\n", 413),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 65, 413),
    (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET + b"\r\n", 400),  # hides one
    *((HEAD + b"Content-Encoding: %s\r\nContent-Length: 2\r\n\r\n{}" % one, 415) for one in (b"gzip", b"br", b"")),
    (HEAD + b"Content-Encoding: identity, gzip\r\nContent-Length: 2\r\n\r\n{}", 415),
    (HEAD + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 400),  # it is read, and lacks a model
]


def test_what_is_malformed_too_long_or_packed_is_refused_and_closes(server: Serving) -> None:
    for raw, status in MALFORMED:
        answer = talk(server.port, raw.replace(b"%d", b"%d" % server.port))
        assert answer.startswith(b"HTTP/1.1 %d " % status), (raw[:200], answer[:200])
        assert answer.count(b"HTTP/1.1 ") == 1
    assert server.get("/health").status == 200


def test_a_client_that_closes_its_half_gets_its_answer(server: Serving) -> None:
    for stream in (False, True):
        with begun(server, model="tiny", max_tokens=1000, temperature=1, stream=stream) as made:
            made.shutdown(socket.SHUT_WR)
            answer = everything(made)
        assert b" 200 OK" in answer
        assert answer.endswith(b"}" if not stream else b"0\r\n\r\n"), answer[-80:]
