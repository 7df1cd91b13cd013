"""A server in a process of its own, and a plain client for it."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import afterword
from tests.processes import PATIENCE, Process, running, until

SOURCE = str(Path(afterword.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1", "AFTERWORD_DEBUG": "1"}
ENVIRONMENT.pop("AFTERWORD_API_KEY", None)
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
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=PATIENCE)
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
