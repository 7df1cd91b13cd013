"""All that answers share: the models, who writes, who works, what is counted, what may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from afterword.serving.limits import Limits
from afterword.serving.metrics import Metrics
from afterword.serving.models import Models
from afterword.serving.runs import Runs
from afterword.serving.scheduler import Scheduler
from afterword.serving.workers import Workers


@dataclass
class Service:
    """Made on the event loop that serves."""

    models: Models
    runs: Runs
    limits: Limits
    scheduler: Scheduler
    workers: Workers
    metrics: Metrics
    loaded: bool = False

    @staticmethod
    def begin(models: Models, runs: Runs, limits: Limits) -> Service:
        scheduler = Scheduler(limits.max_requests, limits.max_queue, limits.remember * 2**20)
        workers = Workers(limits.max_queue)
        metrics = Metrics(
            {
                "places_in_use": ("Texts that are being written", lambda: scheduler.in_use),
                "queue": ("Texts that wait for a place", lambda: scheduler.queued),
                "working": ("Scorings and the like, under way and waiting", lambda: workers.busy),
                "remembered_bytes": ("States that are kept for the page", lambda: scheduler.remembered),
            }
        )
        scheduler.start()
        return Service(models, runs, limits, scheduler, workers, metrics)

    def end(self) -> None:
        self.scheduler.stop()
        self.workers.stop()
