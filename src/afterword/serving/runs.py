"""The runs that a server shows: those that were named, and those of the folder that it trains in.

A run is read from its folder, whoever trains it, and is never disturbed by that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from afterword.errors import OptionError
from afterword.model.saved import WEIGHTS
from afterword.records import as_record
from afterword.runs.folder import RunFolder
from afterword.runs.record import Record
from afterword.serving.errors import ApiError
from afterword.serving.trainer import Trainer
from afterword.text.encoded import CorpusFile

State = Literal["training", "ended", "stopped", "failed"]


@dataclass(frozen=True)
class Seen:
    """Where a run stands. Times are seconds of training; the costs in its reports are nats per character."""

    state: State
    message: str | None
    model: bool
    record: Record | None
    """None where it is being made ready, or never came to be."""
    corpus: dict[str, Any] | None
    reports: list[dict[str, Any]]

    @property
    def step(self) -> int:
        return int(self._last("step"))

    @property
    def seconds(self) -> float:
        return float(self._last("seconds"))

    @property
    def steps(self) -> int | None:
        """In all, as the run has corrected it last."""
        if self.record is None:
            return None
        return self.record.corrections[-1][1] if self.record.corrections else self.record.plan.steps

    @property
    def seconds_left(self) -> float | None:
        """By the clock where it has minutes, else by its pace so far; None where nothing is known of that."""
        if self.record is None or self.steps is None:
            return None
        if self.record.ended is not None:
            return 0.0
        minutes = self.record.stages[-1].minutes if self.record.stages else self.record.plan.minutes
        if minutes is not None:
            return max(0.0, 60 * minutes - self.seconds)
        return max(0, self.steps - self.step) * self.seconds / self.step if self.step else None

    def _last(self, name: str) -> float:
        value = self.reports[-1].get(name) if self.reports else 0
        return value if isinstance(value, int | float) else 0


class Runs:
    """Several threads may ask."""

    def __init__(self, named: Iterable[str] = (), trainer: Trainer | None = None) -> None:
        """Raises OptionError where one is no run, or two have one name."""
        self.trainer = trainer
        self._named: dict[str, Path] = {}
        for path in map(Path, named):
            name = path.resolve().name
            if not RunFolder(path).is_run:
                raise OptionError(f"{path} holds no run: --run names the folder that afterword train made")
            if name in self._named:
                raise OptionError(f"two runs are named {name}: rename the folder of one")
            self._named[name] = path

    def folders(self) -> dict[str, Path]:
        """By name."""
        own = {} if self.trainer is None else self.trainer.folders()
        return own | self._named

    def names(self) -> list[str]:
        """Of those that `see` knows: also of what is being made ready, or failed."""
        more: list[str] = []
        if self.trainer is not None:
            more = [*self.trainer.failures(), *filter(None, [self.trainer.training])]
        return list(dict.fromkeys([*self.folders(), *more]))

    def is_named(self, name: str) -> bool:
        """Whether that run was named, so that it is watched here alone."""
        return name in self._named

    def see(self, name: str) -> Seen:
        """Where that run stands. Raises ApiError where there is none, RunError where it is damaged."""
        failure = None if self.trainer is None else self.trainer.failures().get(name)
        trains = self.trainer is not None and self.trainer.training == name
        path = self.folders().get(name)
        if path is None:
            if not trains and failure is None:
                raise ApiError(404, f"there is no run {name[:80]!r} here: GET /v1/runs lists them")
            return Seen("training" if trains else "failed", failure, False, None, None, [])
        folder = RunFolder(path)
        held = trains or folder.is_held  # before what it left is read
        record, reports = folder.read_record(), folder.reports()
        state: State = "stopped" if record.ended is None else "ended"
        if held or failure is not None:
            state = "training" if held else "failed"
        return Seen(state, failure, (folder.model / WEIGHTS).is_file(), record, _corpus(folder), reports)


def _corpus(folder: RunFolder) -> dict[str, Any] | None:
    """What is learned from, in the words of `afterword plan --json`."""
    try:
        facts = as_record(CorpusFile, json.loads((folder.corpus / "corpus.json").read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None
    return {
        "sources": [_bare(source) for source in facts.sources],
        "characters": facts.training.characters,
        "held_out": facts.validation.characters,
        "tokens": facts.training.tokens,
        "lines": facts.lines,
    }


def asked(record: Record) -> dict[str, Any]:
    """What a run was asked for; files are named without their folders."""
    return {
        name: [_bare(one) for one in value] if isinstance(value, list) else _bare(value)
        for name, value in record.asked.items()
        if value is not None
    }


def planned(record: Record) -> tuple[dict[str, Any], dict[str, float] | None]:
    """A run's plan, and what was expected of it."""
    return record.plan.record(), None if record.expected is None else asdict(record.expected)


def _bare(value: Any) -> Any:
    return PurePath(value).name or value if isinstance(value, str) else value
