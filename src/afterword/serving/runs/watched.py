"""The runs that a server shows: named runs, and runs in the folder that it trains in.

A run is read from its folder, whoever trains it, without disturbing the training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import msgspec

from afterword.errors import OptionError
from afterword.model.folder.saved import WEIGHTS
from afterword.runs.folder import RunFolder
from afterword.runs.record import RunRecord
from afterword.serving.http.failures import ApiError
from afterword.serving.runs.trainer import Trainer

State = Literal["training", "ended", "stopped", "failed"]


class RunView(msgspec.Struct):
    """The state of a run: `message` says why it failed.

    `reports` begins with the report number `after` of the query, and `next` is the number of the report to come. A run
    that continues after a crash reports some steps again, and `next` is then lower than before. Costs are in nats per
    character, times in seconds of training.
    """

    id: str
    state: State
    message: str | None
    model: str | None = None
    expected: dict[str, float] | None = None
    reports: list[dict[str, Any]] = []
    next: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    step: int = 0
    steps: int | None = None


class Runs:
    """The runs of a server, safe for several threads."""

    def __init__(self, named: Iterable[str] = (), trainer: Trainer | None = None) -> None:
        """Raises OptionError if a folder of `named` is not a run, or two runs have one name."""
        self.trainer = trainer
        self.named: dict[str, Path] = {}
        """The named runs, which are only watched."""
        for path in map(Path, named):
            name = path.resolve().name
            if not RunFolder(path).is_run:
                raise OptionError(f"{path} is not a run: `run` takes a folder that afterword train made")
            if name in self.named:
                raise OptionError(f"two runs are named {name}: rename the folder of one")
            self.named[name] = path.absolute()
        self.own = [*self.named.values(), *([] if trainer is None else [trainer.place])]
        """The folders of the named runs, and the one that this server trains in."""

    def folders(self) -> dict[str, Path]:
        """Return the folders of the runs by name."""
        return ({} if self.trainer is None else self.trainer.folders()) | self.named

    def names(self) -> list[str]:
        """Return the names of all runs, also of those that are being prepared or failed."""
        own = self.trainer
        more = [] if own is None else [*own.failures(), *filter(None, [own.training])]
        return list(dict.fromkeys([*self.folders(), *more]))

    def see(self, name: str, after: int = 0) -> RunView:
        """Return the state of a run. Raises ApiError if it does not exist, RunError if it is damaged."""
        failure = None if self.trainer is None else self.trainer.failures().get(name)
        trains = self.trainer is not None and self.trainer.training == name
        path = self.folders().get(name)
        if path is None:
            if not trains and failure is None:
                raise unknown_run(name)
            return RunView(name, "training" if trains else "failed", failure)
        folder = RunFolder(path)
        held = trains or folder.is_locked  # ask before reading its files
        record, reports = folder.read_record(), folder.reports()
        state: State = "training" if held else "failed" if failure else "stopped" if record.ended is None else "ended"
        steps = record.corrections[-1][1] if record.corrections else record.plan.steps
        step, seconds = int(_last(reports, "step")), float(_last(reports, "seconds"))
        return RunView(
            name,
            state,
            failure,
            model=name if (folder.model / WEIGHTS).is_file() else None,
            expected=None if record.expected is None else asdict(record.expected),
            reports=reports[after:],
            next=len(reports),
            seconds=seconds,
            seconds_left=_seconds_left(record, seconds, step, steps),
            step=step,
            steps=steps,
        )


def unknown_run(name: str) -> ApiError:
    return ApiError(404, f"unknown run {name[:80]!r}: GET /v1/runs lists the runs")


def _last(reports: list[dict[str, Any]], name: str) -> float:
    value = reports[-1].get(name) if reports else 0
    return value if isinstance(value, int | float) else 0


def _seconds_left(record: RunRecord, seconds: float, step: int, steps: int) -> float | None:
    """Return the estimate by the minutes planned, else by the speed so far; None if it is unknown."""
    if record.ended is not None:
        return 0.0
    minutes = record.stages[-1].minutes if record.stages else record.plan.minutes
    if minutes is not None:
        return max(0.0, 60 * minutes - seconds)
    return max(0, steps - step) * seconds / step if step else None
