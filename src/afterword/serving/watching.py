"""`GET /v1/runs` and `GET /v1/runs/{id}`: runs while they are trained, and after."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec

from afterword.errors import RunError
from afterword.serving.endpoints import Call
from afterword.serving.errors import ApiError
from afterword.serving.runs import Runs, State, asked, planned


class RunSummary(msgspec.Struct):
    """A run, its state, and the name of its model if it has one yet."""

    id: str
    state: State
    model: str | None


class RunList(msgspec.Struct):
    """The runs, and whether this server trains."""

    object: Literal["list"]
    trains: bool
    data: list[RunSummary]


class RunView(msgspec.Struct):
    """Where a run stands: why it failed if it did; its plan, what was expected of it, what was asked for and what it
    reads; and its reports from the one on that was asked for, where `next` is the number of the one to come.

    A run that goes on after a crash reports some steps again: `next` is then lower than it was.
    Costs are nats per character, times seconds of training.
    """

    id: str
    state: State
    message: str | None
    model: str | None
    plan: dict[str, Any] | None
    expected: dict[str, float] | None
    asked: dict[str, Any] | None
    corpus: dict[str, Any] | None
    reports: list[dict[str, Any]]
    next: int
    seconds: float
    seconds_left: float | None
    step: int
    steps: int | None


async def list_runs(call: Call) -> RunList:
    runs = call.service.runs

    def listed() -> list[RunSummary]:
        found = []
        for name in runs.names():
            try:
                found.append(summary(runs, name))
            except (ApiError, RunError):  # it went away just now, or is damaged
                continue
        return found

    return RunList("list", runs.trainer is not None, await asyncio.to_thread(listed))


async def one_run(call: Call) -> RunView:
    after = call.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 10):
        raise ApiError(400, f"after must be the number of a report, from 0 on, not {after[:40]!r}", "after")
    return await asyncio.to_thread(_view, call.service.runs, call.path["id"], int(after))


def summary(runs: Runs, name: str) -> RunSummary:
    """Raises ApiError, RunError."""
    seen = runs.see(name)
    return RunSummary(name, seen.state, name if seen.model else None)


def _view(runs: Runs, name: str, after: int) -> RunView:
    try:
        seen = runs.see(name)
    except RunError as error:
        raise ApiError(500, f"the run {name} cannot be read: {error}") from None
    plan, expected = (None, None) if seen.record is None else planned(seen.record)
    return RunView(
        name,
        seen.state,
        seen.message,
        name if seen.model else None,
        plan,
        expected,
        None if seen.record is None else asked(seen.record),
        seen.corpus,
        seen.reports[after:],
        len(seen.reports),
        seen.seconds,
        seen.seconds_left,
        seen.step,
        seen.steps,
    )
