"""Floods of connections, texts and rules: the server keeps answering others, within bounded memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from afterword.serving.server import room
from tests.processes import PATIENCE, until
from tests.serving.conftest import models, server
from tests.serving.server import Reply, Serving, serving
from tests.serving.test_load import begun, small

__all__ = ["models", "server", "small"]

KEY = "a-key-that-is-long-enough"


def sent(port: int, path: str = "/health", body: bytes = b"", *headers: str) -> socket.socket:
    """Return a connection on which a request was sent."""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers]
    if body and not any(name.startswith("Content-Length") for name in headers):
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    made = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    made.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return made


def status(made: socket.socket) -> int:
    """Read one answer, and return its status."""
    with http.client.HTTPResponse(made) as response:
        response.begin()
        response.read()
        return response.status


def test_idle_connections_make_room_for_others_and_those_without_the_key_first(models: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    few = serving(models / "tiny", "--api-key-file", key, limits={"max_connections": 4})
    with contextlib.ExitStack() as clients, few as found:
        known = clients.enter_context(sent(found.port, "/v1/models", b"", f"Authorization: Bearer {KEY}"))
        assert status(known) == 200
        for _ in range(4):  # one after the other: who is idle longest is known once each has its answer
            assert status(clients.enter_context(sent(found.port))) == 200
        for _ in range(3):  # each connects anew, and all within the five seconds that an idle one is kept
            assert found.get("/health").status == 200
        known.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{found.port}\r\n\r\n".encode())
        assert status(known) == 200


@pytest.mark.parametrize(("soft", "hard", "fit"), [(256, 4096, 800), (256, 512, 206), (64, 64, 1), (4096, 4096, 800)])
def test_connections_fit_into_the_open_files_that_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, fit: int
) -> None:
    resource, limits = pytest.importorskip("resource"), [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, new: limits.append(new))
    assert room(800) == fit
    assert limits[-1][0] >= min(hard, 800)
    assert limits[-1][1] == hard


def test_rules_hold_up_nobody_else(server: Serving) -> None:
    with contextlib.ExitStack() as stack:
        heavy = [
            stack.enter_context(begun(server, model="mixed", pattern="\\w*" * 199 + f"a{{{k}}}", max_tokens=16_000))
            for k in range(1, 13)
        ]
        answers = 0  # of others, while some of these wait
        while len(select.select(heavy, [], [], 0)[0]) < len(heavy):
            assert server.get("/v1/models").status == 200
            assert server.post("/v1/next", {"model": "mixed", "prompt": "ab"}).status == 200
            answers += 1
        assert answers > 3
    assert server.is_idle()


def test_texts_with_rules_have_bounded_memory_together(models: Path) -> None:
    def ask(tokens: int) -> Reply:
        body = {"model": "mixed", "pattern": "[ab]*c", "max_tokens": tokens, "temperature": 1}
        return found.post("/v1/completions", body)

    with serving(models / "mixed", limits={"max_output": 100_000}) as found:
        with contextlib.ExitStack() as stack:
            for _ in range(12):  # 50,000 states and many seconds each
                stack.enter_context(begun(found, model="mixed", pattern="[ab]*", max_tokens=100_000, temperature=1))
            found.wait_for("rule_states", 600_000)
            assert (ask(16).status, ask(16_000).status) == (429, 429)
            assert found.complete(model="mixed", prompt="ab")
        found.wait_for("rule_states", 0)
        assert ask(16).status == 200


def test_large_bodies_wait_in_bounded_memory(models: Path) -> None:
    quick = {"model": "tiny", "text": "abcd" * 100_000}  # too long for that: 400
    alone = json.dumps({"model": "tiny", "text": "ab" * 600_000}).encode()
    length = ("Content-Type: application/json", f"Content-Length: {len(alone)}")
    with serving(models / "tiny", limits={"max_bodies": 10**6, "receive_timeout": 600}) as found:
        for part in (alone, alone[:900_000]):  # one is larger than the limit, but alone; what is half sent counts too
            with sent(found.port, "/v1/score", part, *length):
                until(lambda: found.gauge("body_bytes") > 800_000)
                refused = found.post("/v1/surprises", quick)
                assert (refused.status, refused.headers["retry-after"]) == (429, "1")
                assert found.post("/tokenize", {"model": "tiny", "prompt": "ab"}).status == 200
            found.wait_for("body_bytes", 0)
            assert found.post("/v1/surprises", quick).status == 400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory in use is read from /proc")
def test_memory_comes_back_after_a_flood_of_large_texts(models: Path) -> None:
    def anonymous() -> float:
        """Return MiB of memory that no file backs."""
        read = Path(f"/proc/{found.process.pid}/status").read_text()
        return sum(int(read.partition(f"{name}:")[2].split()[0]) for name in ("RssAnon", "VmSwap")) / 1024

    body = json.dumps({"model": "tiny", "text": "abcd" * (2**20 - 100)}).encode()
    length = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    with serving(models / "tiny", limits={"receive_timeout": 600}) as found:
        assert found.post("/v1/score", {"model": "tiny", "text": "ab"}).status == 200
        before = anonymous()
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(48) as threads:
            flood = [threads.submit(sent, found.port, "/v1/score", body[:-1], *length) for _ in range(48)]
            until(lambda: found.gauge("body_bytes") > 2**26)  # and stays above: none is complete
            assert anonymous() > before + 48
            for one in flood:
                with contextlib.suppress(ConnectionError):  # refused before all was sent
                    stack.enter_context(one.result()).sendall(body[-1:])
            until(lambda: found.gauge("working"))
        until(lambda: anonymous() < before + 32)
        assert found.is_idle(PATIENCE)
