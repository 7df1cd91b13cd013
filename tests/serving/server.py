"""The real command, serving over a real socket, and a plain client for it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import afterword
from tests.processes import running

PATIENCE = 60.0  # seconds
SOURCE = str(Path(afterword.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1", "AFTERWORD_DEBUG": "1"}
ENVIRONMENT.pop("AFTERWORD_API_KEY", None)


@dataclass
class Reply:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """What it says is wrong."""
        message: str = self.json["error"]["message"]
        return message


@dataclass
class Serving:
    """A server that is ready."""

    process: subprocess.Popen[bytes]
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
        """`body` is sent as JSON, bytes as they are."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, sent, {"Content-Type": "application/json", **headers})

    def complete(self, **body: Any) -> Any:
        """The answer to a completions request."""
        found = self.post("/v1/completions", body)
        assert found.status == 200, found.body
        return found.json

    def gauge(self, name: str) -> float:
        """One of the numbers at /metrics."""
        found = re.search(rf"^afterword_{name} (\S+)$", self.get("/metrics").body.decode(), re.M)
        assert found is not None
        return float(found[1])

    def wait_for(self, gauge: str, number: float) -> None:
        """Until the server counts so many. Fails where it never does."""
        end = time.monotonic() + PATIENCE
        while self.gauge(gauge) != number:
            assert time.monotonic() < end, f"{gauge} is never {number}"
            time.sleep(0.01)

    def is_idle(self, within: float) -> bool:
        """Whether every place is free within so many seconds."""
        end = time.monotonic() + within
        while any(self.gauge(name) for name in ("places_in_use", "queue", "working")):
            if time.monotonic() > end:
                return False
        return True


@contextmanager
def serving(*arguments: str | Path, port: int = 0, **environment: str) -> Iterator[Serving]:
    """`afterword serve ARGUMENTS`, on a free port unless one is named."""
    command = [sys.executable, "-m", "afterword", "serve", *arguments, "--port", str(port)]
    with running(command, stderr=subprocess.PIPE, env={**ENVIRONMENT, **environment}) as process:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.search(r" on http://\S+:(\d+)$", line.strip())
        assert found is not None, line + process.stderr.read().decode()
        yield Serving(process, int(found[1]))
