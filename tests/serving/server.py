"""A server in a process of its own, and a plain client for it."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE
from typing import Any

import afterword
from tests.processes import PATIENCE, Process, running, until

SOURCE = str(Path(afterword.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1", "AFTERWORD_DEBUG": "1"}
ENVIRONMENT.pop("AFTERWORD_API_KEY", None)
# The program, with other limits than the fixed ones.
WITH_LIMITS = """
from afterword.cli.main import main
from afterword.serving.http.limits import Limits
for name, limit in {}.items():
    assert hasattr(Limits, name)
    setattr(Limits, name, limit)
main()
"""
NO_OTHERS: Mapping[str, float] = {}
# OpenAI's defaults, for `generate`
USUAL: dict[str, Any] = {"temperature": 1.0, "min_p": 0.0, "new_word_p": 0.0, "repetition_penalty": 1.0}


@dataclass
class Reply:
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of a refusal."""
        message: str = self.json["error"]["message"]
        return message


@dataclass
class Serving:
    """A running server that accepts requests."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """Send `body` as JSON, or bytes as they are."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, sent, {"Content-Type": "application/json", **headers})

    def answer(self, path: str, **body: Any) -> Any:
        """Return what a route answers to a body that it takes."""
        found = self.post(path, body)
        assert found.status == 200, found.body
        return found.json

    def complete(self, **body: Any) -> Any:
        """Return the answer to a completions request."""
        return self.answer("/v1/completions", **body)

    def gauge(self, name: str) -> float:
        """Return one of the numbers at /metrics."""
        found = re.search(rf"^afterword_{name} (\S+)$", self.get("/metrics").body.decode(), re.M)
        assert found is not None
        return float(found[1])

    def wait_for(self, gauge: str, number: float) -> None:
        """Wait until the server counts so many. Raises TimeoutError."""
        until(lambda: self.gauge(gauge) == number)

    def is_idle(self, within: float = PATIENCE) -> bool:
        """Return whether every place is free within so many seconds."""
        end = time.monotonic() + within
        while any(self.gauge(name) for name in ("places_in_use", "queue", "working")):
            if time.monotonic() > end:
                return False
        return True


@contextmanager
def serving(
    *arguments: str | Path, port: int = 0, limits: Mapping[str, float] = NO_OTHERS, **environment: str
) -> Iterator[Serving]:
    """Run `afterword serve ARGUMENTS` on `port`, or on a free one; some fixed `limits` may be different."""
    started = ["-c", WITH_LIMITS.format(dict(limits))] if limits else ["-m", "afterword"]
    command = [sys.executable, *started, "serve", *arguments, "--port", str(port)]
    fresh = "PYTHONPATH" in environment  # other code than what is imported here
    with running(command, fresh=fresh, stderr=PIPE, env={**ENVIRONMENT, **environment}) as process:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.search(r" on http://\S+:(\d+)$", line.strip())
        assert found is not None, line + process.stderr.read().decode()
        yield Serving(process, int(found[1]))


class Proxy(ThreadingHTTPServer):
    """A reverse proxy for one path, which it removes or passes on. Other paths are not found."""

    daemon_threads = True
    to = 0  # the port of the server

    def __init__(self, path: str, removes: bool) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.path, self.removes = path, removes

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Passing(BaseHTTPRequestHandler):
    """Passes on a request, and the parts of the answer as they arrive."""

    server: Proxy

    def do_GET(self) -> None:
        proxy = self.server
        if not f"{self.path}/".startswith(f"{proxy.path}/"):
            return self.send_error(404)
        path = (self.path.removeprefix(proxy.path) or "/") if proxy.removes else self.path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection("127.0.0.1", proxy.to, timeout=PATIENCE)
        with closing(there), suppress(ConnectionError):  # one side has disconnected
            there.request(self.command, path, body or None, dict(self.headers))
            answer = there.getresponse()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.end_headers()
            while part := answer.read1():
                self.wfile.write(part)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def proxied(*arguments: str | Path, path: str, removes: bool) -> Iterator[str]:
    """Run `afterword serve ARGUMENTS` behind a proxy; return its address at the proxy."""
    with Proxy(path, removes) as proxy, serving(*arguments, "--allow-host", proxy.host) as server:
        proxy.to = server.port
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://{proxy.host}{path}"
        proxy.shutdown()
