"""The service behind the routes: the models, the scheduler that writes, and the runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import busy
from afterword.serving.http.limits import Access, Limits
from afterword.serving.http.resources import Metrics, Resources, Workers
from afterword.serving.runs.watched import Runs
from afterword.serving.writing.models import Models
from afterword.serving.writing.scheduler import Scheduler

MOST_RULES = 32  # requests whose rules wait to be compiled
MOST_STATES = 600_000  # of the automata of all texts with rules; up to 6 KB each


@dataclass
class Service(Resources):
    """Create it on the event loop that serves."""

    compilers: Workers
    """Workers that compile the rules of requests. That may take long, so nothing else waits for them."""
    models: Models
    runs: Runs
    scheduler: Scheduler
    loaded: bool = False
    states: int = 0
    """The states that the automata of all texts with rules may have."""

    @staticmethod
    def begin(models: Models, runs: Runs, limits: Limits, access: Access) -> Service:
        scheduler = Scheduler(limits.max_requests, limits.max_queue, limits.remember)
        workers, compilers = Workers(2, limits.max_queue), Workers(1, min(MOST_RULES, limits.max_queue))
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "places_in_use": ("Texts that are being written", lambda: scheduler.in_use),
            "queue": ("Texts that wait for a place", lambda: scheduler.queued),
            "working": ("Scorings and the like, under way and waiting", lambda: workers.busy + compilers.busy),
            "remembered_bytes": ("States that are kept for the page", lambda: scheduler.memory.size),
            "rule_states": ("States that the automata of rules may have", lambda: service.states),
            "body_bytes": ("Large bodies of requests in progress", lambda: service.body_bytes),
        }
        around = {way(folder).parent for folder in (*models.own, *runs.own) for way in (Path.absolute, Path.resolve)}
        hidden = sorted((f"{folder}{os.sep}" for folder in around), key=len, reverse=True)
        resources = limits, access, Metrics(gauges), workers, hidden
        service = Service(*resources, compilers, models, runs, scheduler)
        scheduler.thread.start()
        return service

    def admit_rules(self, call: Call[Service], states: int) -> None:
        """Count the states of a request's rules until it ends. Raises ApiError if all have too many."""
        if self.states and self.states + states > MOST_STATES:
            raise busy()
        self.states += states
        call.endings.callback(self._release, states)

    def _release(self, states: int) -> None:
        self.states -= states

    def end(self) -> None:
        self.scheduler.stop()
        self.workers.stop()
        self.compilers.stop()
