"""Many clients at once: each gets its own text, nobody who left keeps a place, and too many are told so."""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from afterword.language_model import load
from tests.processes import PATIENCE, until
from tests.serving.server import USUAL, Serving, serving

# hours of writing, on any machine
ENDLESS: dict[str, Any] = {"model": "tiny", "prompt": "ab", "max_tokens": 10**8, "temperature": 1}
MOST = {"max_output": 100_000_000, "max_prompt": 10_000_000}


@pytest.fixture(scope="module")
def small(models: Path) -> Iterator[Serving]:
    """A server with few places."""
    with serving(models / "tiny", "--max-requests", "4", "--max-queue", "2", limits=MOST) as found:
        yield found


def begun(server: Serving, path: str = "/v1/completions", receives: int | None = None, **body: Any) -> socket.socket:
    """A request that was sent, whose answer nobody has read yet, by a client that `receives` so many bytes at once."""
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    made = socket.socket()
    made.settimeout(PATIENCE)
    if receives is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    made.connect(("127.0.0.1", server.port))
    made.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
    return made


def everything(made: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := made.recv(65536):
            found += part
    return found


def test_streams_that_join_at_random_write_what_they_write_alone(server: Serving, models: Path) -> None:
    number = 30
    model = load(models / "mixed")
    chance = random.Random(0)
    asked: list[dict[str, Any]] = []
    for seed in range(number):
        prompt = "".join(chance.choices("abcd\n", k=chance.randrange(1, 300)))
        tokens, temperature = chance.randrange(1, 200), chance.choice([0.0, 0.7, 1.0])
        asked.append({"prompt": prompt, "max_tokens": tokens, "temperature": temperature, "seed": seed})
    joins = [chance.randrange(1 + seed // 2) for seed in range(number)]  # when so many have ended; for some, at once
    done, moved = 0, threading.Condition()

    def one(body: dict[str, Any]) -> str:
        nonlocal done
        with moved:
            moved.wait_for(lambda: done >= joins[body["seed"]], PATIENCE)
        found = server.post("/v1/completions", {"model": "mixed", "stream": True, **body}).body
        parts = [json.loads(line[6:]) for line in found.split(b"\n\n") if line.startswith(b"data: {")]
        with moved:
            done += 1
            moved.notify_all()
        return "".join(part["choices"][0]["text"] for part in parts)

    with ThreadPoolExecutor(number) as threads:
        texts = list(threads.map(one, asked))
    alone = [model.generate(**USUAL | body).text for body in asked]
    same = [text == other for text, other in zip(texts, alone, strict=True)]
    assert sum(same) >= number - 1  # a draw may fall between two tokens within what rounding changes


def test_a_rule_that_outgrows_its_limits_ends_nobody_elses_text(server: Serving) -> None:
    heavy = {"model": "mixed", "pattern": "(?s:.*)b(?s:.{200})", "n": 24, "max_tokens": 400, "seed": 0}
    asked = {"model": "mixed", "prompt": "ab", "max_tokens": 2000, "seed": 3}
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(server.complete, **asked)
        found = server.post("/v1/completions", heavy)
        assert found.status == 400
        assert found.error.startswith(("the rules are too large", "pattern and stop take too long"))
        assert other.result()["usage"]["completion_tokens"] == 2000
    assert server.complete(**{**heavy, "pattern": "[ab]*", "n": 1})["choices"][0]["finish_reason"]
    assert server.is_idle()


def test_who_leaves_frees_the_place_at_once(small: Serving) -> None:
    for stream in (True, False) * 3:
        writing = [begun(small, **ENDLESS, stream=stream) for _ in range(4)]
        small.wait_for("places_in_use", 4)
        waiting = [begun(small, **ENDLESS, stream=stream) for _ in range(2)]
        small.wait_for("queue", 2)
        for connection in (*waiting, *writing):
            connection.close()
        assert small.is_idle()


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "abcd" * 990_000, "max_tokens": 9},  # minutes of work
        {"prompt": "abcd" * 25_000, "max_tokens": 0, "echo": True, "logprobs": 5},  # seconds, which may be over soon
        *({"path": "/v1/score", "text": "abcd" * 990_000, "lines": lines} for lines in (False, True)),
    ],
    ids=["read", "echoed", "scored", "scored by lines"],
)
def test_who_leaves_while_a_text_is_read_or_scored_frees_the_place(small: Serving, body: dict[str, Any]) -> None:
    with begun(small, model="tiny", **body) as made:
        until(lambda: any(map(small.gauge, ("working", "places_in_use"))) or select.select([made], [], [], 0)[0])
    assert small.is_idle(20)


def test_too_many_are_told_so_and_those_who_wait_come_on(small: Serving) -> None:
    writing = [begun(small, **ENDLESS) for _ in range(4)]
    small.wait_for("places_in_use", 4)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(small.complete, model="tiny", max_tokens=5) for _ in range(2)]
        small.wait_for("queue", 2)
        refused = small.post("/v1/completions", {"model": "tiny"})
        assert refused.status == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.json["error"]["type"] == "rate_limit_error"
        for connection in writing:
            connection.close()
        assert [one.result()["usage"]["completion_tokens"] for one in waiting] == [5, 5]
    refused = small.post("/v1/completions", {"model": "tiny", "n": 5})
    assert refused.error.startswith("one request may ask for at most 4 texts")


def test_a_request_that_takes_too_long_is_left(models: Path) -> None:
    with serving(models / "tiny", "--request-timeout", "3", limits=MOST) as hasty, ThreadPoolExecutor(2) as threads:
        asked = ({**ENDLESS, "stream": stream} for stream in (False, True))
        plain, stream = threads.map(lambda body: hasty.post("/v1/completions", body), asked)
        assert plain.status == 503
        assert plain.error == "the request took longer than 3 s and was stopped: ask for less"
        assert stream.status == 200
        parts = stream.body.decode().split("\n\n")
        assert len(parts) > 2
        assert json.loads(parts[-2].removeprefix("data: "))["error"]["message"] == plain.error
        assert hasty.is_idle()
