"""The delay for other clients while a server is flooded, and the memory that a flood takes and leaves.

    python -m benchmarks.flood MODEL

Three floods, one after the other: 800 idle connections, twelve clients with the largest patterns that a server allows,
and 260 texts of 4 MiB to score. Meanwhile one client asks for /v1/models and /v1/next, on a new connection each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from benchmarks.commands import as_written, echo_row, echo_table
from tests.serving.server import SOURCE, Serving, serving

CONNECTIONS, CLIENTS, TEXTS = 800, 12, 260
KEPT = 4.0  # seconds, of an idle connection; the server closes it after five
BETWEEN = 0.1  # seconds, between two requests
LATER = 30.0  # seconds after a flood
TEXT = "It was a dark and stormy night. " * (4 * 2**15 - 10)


def send(made: socket.socket, request: bytes) -> None:
    with contextlib.suppress(OSError):  # the server may refuse it, or close the connection, before it has all
        made.sendall(request)


def connect(served: Serving, number: int, path: str, body: bytes, seconds: float) -> None:
    """Send a request on each of `number` connections, and close them after so many seconds."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(min(number, TEXTS)) as threads:
        for _ in range(number):
            made = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            threads.submit(send, made, request)
        time.sleep(seconds)


def idle(served: Serving, model: str, seconds: float) -> None:
    for _ in range(max(1, round(seconds / KEPT))):
        connect(served, CONNECTIONS, "/health", b"", KEPT)


def patterns(served: Serving, model: str, seconds: float) -> None:
    end = time.monotonic() + seconds

    def one(k: int) -> None:
        while time.monotonic() < end:
            pattern = "\\w*" * 199 + f"a{{{random.randrange(1, 999)}}}"
            served.post("/v1/completions", {"model": model, "pattern": pattern, "max_tokens": 400, "temperature": 1})

    with ThreadPoolExecutor(CLIENTS) as threads:
        [*threads.map(one, range(CLIENTS))]


def texts(served: Serving, model: str, seconds: float) -> None:
    connect(served, TEXTS, "/v1/score", json.dumps({"model": model, "text": TEXT}).encode(), seconds)


FLOODS: dict[str, Callable[[Serving, str, float], None]] = {
    f"{CONNECTIONS} idle connections": idle,
    f"{CLIENTS} clients with heavy patterns": patterns,
    f"{TEXTS} scorings of 4 MiB": texts,
}


def asked(served: Serving, model: str, goes_on: Callable[[], bool]) -> dict[str, list[float]]:
    """Ask again and again, and return the seconds of each kind in rising order."""
    took: dict[str, list[float]] = {"/v1/models": [], "/v1/next": []}
    while goes_on():
        for kind, seconds in took.items():
            began = time.monotonic()
            body = {"model": model, "prompt": f"{began}"}
            found = served.get(kind) if kind == "/v1/models" else served.post(kind, body)
            assert found.status == 200, found.body
            seconds.append(time.monotonic() - began)
        time.sleep(BETWEEN)
    return {kind: sorted(seconds) for kind, seconds in took.items()}


def memory(served: Serving, name: str = "VmRSS") -> float:
    """Return MiB of the server's memory, or its peak, VmHWM."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{served.process.pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) / 1024


@click.command(help=as_written(__doc__))
@click.argument("model")
@click.option("--seconds", type=float, default=20, show_default=True, help="of each flood")
def main(model: str, seconds: float) -> None:
    later = f"{LATER:g} s later"
    echo_table(["flood", "/v1/models, ms: median, worst", "/v1/next", "MiB before", "peak", later])
    name = Path(os.path.normpath(model)).name
    with serving(model, PYTHONPATH=SOURCE) as served:
        served.complete(model=name, prompt="It was")
        for title, flood in {"none": lambda *_: time.sleep(seconds), **FLOODS}.items():
            before = memory(served)
            Path(f"/proc/{served.process.pid}/clear_refs").write_text("5")  # the peak begins anew
            flooding = threading.Thread(target=flood, args=(served, name, seconds))
            flooding.start()
            took = asked(served, name, flooding.is_alive)
            flooding.join()
            peak = memory(served, "VmHWM")
            assert served.is_idle(120)
            time.sleep(LATER)
            cells = [f"{1000 * each[len(each) // 2]:.0f}, {1000 * each[-1]:.0f}" for each in took.values()]
            echo_row([title, *cells, *(f"{mebibytes:.0f}" for mebibytes in (before, peak, memory(served)))])


if __name__ == "__main__":
    main()
