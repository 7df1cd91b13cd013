"""The resources that requests share: limits, metrics for Prometheus, and threads for slow work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from afterword.serving.http.failures import busy
from afterword.serving.http.limits import Access, Limits

SECONDS = (0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30, 100, 300)  # the histograms' buckets

Result = TypeVar("Result")


class Metrics:
    """The metrics of one server. They contain no text of any request."""

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Each of the `gauges` has a description and a function that returns its value when the metrics are read."""
        self._all = CollectorRegistry()
        counter = partial(Counter, namespace="afterword", registry=self._all)
        histogram = partial(Histogram, namespace="afterword", registry=self._all, buckets=SECONDS)
        self._requests = counter("requests", "Requests", ["path", "status"])
        self._seconds = histogram("request_seconds", "Duration of requests", ["path"])
        self.refusals = counter("refusals", "Requests refused for host, origin, key, kind or a stop", ["status"])
        self.first_part = histogram("first_part_seconds", "Time to a stream's first part")
        self.gone = counter("gone", "Clients that left before their answer")
        self.prompt_tokens = counter("prompt_tokens", "Tokens of prompts")
        self.completion_tokens = counter("completion_tokens", "Tokens written")
        for name, (description, number) in gauges.items():
            Gauge(name, description, namespace="afterword", registry=self._all).set_function(number)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that has ended; `path` is its route's."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' format."""
        return generate_latest(self._all)


class Workers:
    """Threads for slow work, with a queue."""

    def __init__(self, at_once: int, queue: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="afterword-working")
        self._most = at_once + queue
        self.busy = 0
        """The number of pieces of work that wait or are in progress."""

    async def run(self, function: Callable[[], Result], check: Callable[[], None]) -> Result:
        """Return the result of `function`, which is not called if `check` raises first.

        Raises ApiError if too many wait.
        """
        if self.busy >= self._most:
            raise busy()

        functions = [function]

        def checked() -> Result:
            try:
                check()
                return functions[0]()
            finally:
                loop.call_soon_threadsafe(self._done)

        loop = asyncio.get_running_loop()
        self.busy += 1
        doing = loop.run_in_executor(self._threads, checked)
        # if the client has left, nobody else retrieves the exception, and Python would print a warning
        doing.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(doing)
        finally:
            functions.clear()  # the queue keeps it, and would keep the text of a client that has left
            del doing  # a failure that holds its own future would keep the request's body until a full collection

    def _done(self) -> None:
        self.busy -= 1

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass
class Resources:
    """The resources that every request may use."""

    limits: Limits
    access: Access
    metrics: Metrics
    workers: Workers
    hidden: Sequence[str]
    """The paths to the server's folders, without their names. No message to a client contains them."""
    body_bytes: int = field(default=0, init=False)
    """The bytes of all large bodies of requests in progress."""
    answering: int = field(default=0, init=False)
    """The number of accepted requests in progress."""
    is_stopping: bool = field(default=False, init=False)
    """True if new requests are refused."""
    parsing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """Held while a large body is parsed: one at a time, so that others find a thread."""
