"""What a server counts, for Prometheus. Nothing in it tells what anybody wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """The numbers of one server."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """`gauges` are asked when the numbers are: each with what it says."""
        self._all = CollectorRegistry()
        self._requests = Counter("afterword_requests", "Requests", ["path", "status"], registry=self._all)
        self._seconds = Histogram(
            "afterword_request_seconds", "How long requests took", ["path"], buckets=SECONDS, registry=self._all
        )
        self._refusals = Counter(
            "afterword_refusals",
            "Requests that reached no route: host, origin, key, kind",
            ["status"],
            registry=self._all,
        )
        self.first_part = Histogram(
            "afterword_first_part_seconds", "Until a stream's first part", buckets=SECONDS, registry=self._all
        )
        self.gone = Counter("afterword_gone", "Clients that left before their answer", registry=self._all)
        self.prompt_tokens = Counter("afterword_prompt_tokens", "Tokens of prompts", registry=self._all)
        self.completion_tokens = Counter("afterword_completion_tokens", "Tokens written", registry=self._all)
        for name, (says, number) in gauges.items():
            Gauge(f"afterword_{name}", says, registry=self._all).set_function(number)

    def request(self, path: str, status: int, seconds: float) -> None:
        """A request is over; its `path` is the route's."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def refusal(self, status: int) -> None:
        """A request was not let through."""
        self._refusals.labels(str(status)).inc()

    def text(self) -> bytes:
        """In Prometheus' own format."""
        return generate_latest(self._all)
