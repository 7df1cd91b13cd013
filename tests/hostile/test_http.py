"""Malformed HTTP and extreme values: refused or closed, never a 5xx, and the server goes on."""

from __future__ import annotations

import contextlib
import functools
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.attack import answered, exchange, http_request
from tests.hostile.test_floods import clients, sent
from tests.serving.conftest import models, server
from tests.serving.server import SOURCE, Serving
from tests.serving.test_load import begun, everything
from tests.serving.test_safety import talk

__all__ = ["clients", "models", "server"]


@functools.cache
def api_of(port: int) -> Any:
    return Serving(None, port).get("/openapi.json").json  # type: ignore[arg-type]


@settings(max_examples=30)
@given(st.integers(0), st.integers(0, 400))
def test_a_damaged_request_is_answered_or_closed(server: Serving, seed: int, left_out: int) -> None:
    raw, refused, _ = http_request(random.Random(seed), api_of(server.port), server.port, ["raw", "target"])
    part = raw[: len(raw) - left_out] if left_out % 2 else raw
    assert not [*answered(exchange(server.port, part, half=True), refused, Path(SOURCE), whole=False)], raw
    assert server.get("/health").status == 200


@settings(max_examples=40)
@given(st.integers(0))
def test_no_value_of_any_field_is_more_than_a_refusal(server: Serving, seed: int) -> None:
    raw, refused, whole = http_request(random.Random(seed), api_of(server.port), server.port, ["body", "JSON"])
    assert not [*answered(exchange(server.port, raw), refused, Path(SOURCE), whole)], raw


def test_what_is_no_http_or_too_long_is_refused(server: Serving) -> None:
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    many = b"Connection: close\r\n" + b"".join(b"X-%d: %s\r\n" % (k, b"a" * 1000) for k in range(40))
    for wrong in (b"nonsense\r\n\r\n", b"\x00" * 100, b"GET /" + b"a" * 100_000, b"\x00\r\n\r\n"):
        assert talk(server.port, wrong).startswith(b"HTTP/1.1 400 "), wrong[:20]
    many_headers = talk(server.port, b"GET /health HTTP/1.1\r\n" + host + many + b"\r\n")
    assert many_headers.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert b" 431 " in talk(
        server.port, b"GET /health HTTP/1.1\r\nConnection: close\r\nX-A: " + b"a" * 17_000 + b"\r\n" + host + b"\r\n"
    )
    head = b"POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n" + host
    assert b" 413 " in talk(server.port, head + b"Content-Length: 5000000\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert b" 413 " in talk(server.port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 65)
    both = b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b" 200 " not in talk(server.port, head + both)
    assert b" 400 " in talk(server.port, head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    assert server.get("/health").status == 200


def test_a_client_that_closes_its_half_gets_its_answer(server: Serving, clients: contextlib.ExitStack) -> None:
    for stream in (False, True):
        made = clients.enter_context(begun(server, model="tiny", max_tokens=3000, temperature=1, stream=stream))
        made.shutdown(socket.SHUT_WR)
        answer = everything(made)
        assert b" 200 OK" in answer
        assert answer.endswith(b"}" if not stream else b"0\r\n\r\n"), answer[-80:]


def test_a_length_beside_chunks_is_refused_and_closes(server: Serving, clients: contextlib.ExitStack) -> None:
    hidden = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    headers = ("Content-Type: application/json", f"Content-Length: {5 + len(hidden)}", "Transfer-Encoding: chunked")
    made = clients.enter_context(sent(server.port, "/tokenize", b"0\r\n\r\n" + hidden, *headers))
    answer = everything(made)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", ""])
def test_a_body_that_is_compressed_is_refused(server: Serving, coding: str) -> None:
    body = {"model": "tiny", "prompt": "ab"}
    found = server.post("/tokenize", body, **{"Content-Encoding": coding})
    assert found.status == 415
    assert "send the body uncompressed" in found.error
    assert server.post("/tokenize", body, **{"Content-Encoding": "identity"}).status == 200
