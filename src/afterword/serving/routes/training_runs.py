"""`/v1/runs`: list and watch training runs; with `--train`, also begin, stop and resume them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Literal

import msgspec

from afterword.errors import RunError
from afterword.planning.training_plan import DEFAULT_MINUTES, TrainingSettings
from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import ApiError
from afterword.serving.routes.request_fields import Name
from afterword.serving.runs.trainer import RUN_NAME, Trainer
from afterword.serving.runs.watched import Runs, RunView, State, unknown_run
from afterword.serving.service import Service

POLL = 0.1  # seconds between two checks of a process


class RunSummary(msgspec.Struct):
    """A run, its state, and the name of its model once it has one."""

    id: str
    state: State
    model: str | None


class RunList(msgspec.Struct):
    """The runs, and whether this server can train."""

    object: Literal["list"]
    trains: bool
    data: list[RunSummary]


def list_runs(call: Call[Service]) -> RunList:
    """List the runs."""
    runs, found = call.service.runs, []
    for name in runs.names():
        with contextlib.suppress(ApiError, RunError):  # if it was just removed, or is damaged
            found.append(summary(runs, name))
    return RunList("list", runs.trainer is not None, found)


def one_run(call: Call[Service]) -> RunView:
    """Report the state of a run."""
    after = call.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 10):
        raise ApiError(400, f"after must be the number of a report, 0 or more, not {after[:40]!r}", "after")
    return call.service.runs.see(call.path["id"], int(after))


def summary(runs: Runs, name: str) -> RunSummary:
    """Return the summary of a run. Raises ApiError, RunError."""
    seen = runs.see(name)
    return RunSummary(name, seen.state, seen.model)


class RunRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to train on, a name for the run (letters, digits, - and _), the minutes that it may train (5), and whether
    each line is a text of its own."""

    name: Name
    text: str
    minutes: float | None = None
    lines: bool | None = None


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An empty object."""


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The minutes to train for in addition, also after the end; without them, the run continues to its planned end."""

    minutes: Annotated[float, msgspec.Meta(gt=0, le=525_600)] | None = None


async def begin(call: Call[Service], body: RunRequest) -> RunSummary:
    """Train on a text. The answer comes when training begins or fails."""
    trainer, name, wish = _trainer(call), body.name, _wish(body)
    taken = [*await asyncio.to_thread(call.service.models.names), *await asyncio.to_thread(call.service.runs.folders)]
    if name in taken:
        raise ApiError(409, f"a model or a run named {name} already exists: choose another name", "name")
    await asyncio.to_thread(trainer.begin, name, *wish)
    while await asyncio.to_thread(trainer.is_preparing, name):
        await asyncio.sleep(POLL)
    if name not in await asyncio.to_thread(trainer.folders):
        failure = await asyncio.to_thread(trainer.forget, name)
        raise ApiError(409 if failure is None else 400, failure or f"{name} was stopped before training began")
    return await asyncio.to_thread(summary, call.service.runs, name)


async def stop(call: Call[Service], body: Nothing) -> RunSummary:
    """Stop a run and save it. The answer comes when it is saved."""
    trainer, name = _trainer(call), call.path["id"]
    await asyncio.to_thread(_check_known, call, name)
    await asyncio.to_thread(trainer.stop, name)
    while await asyncio.to_thread(lambda: trainer.training == name):
        await asyncio.sleep(POLL)
    if name not in await asyncio.to_thread(call.service.runs.names):  # training had not begun, and nothing is left
        return RunSummary(name, "stopped", None)
    return await asyncio.to_thread(summary, call.service.runs, name)


def resume(call: Call[Service], body: ResumeRequest) -> RunSummary:
    """Resume a run."""
    trainer, name = _trainer(call), call.path["id"]
    _check_known(call, name)
    if name not in trainer.folders():
        raise ApiError(409, f"{name} never started: start a new run")
    trainer.resume(name, body.minutes)
    return summary(call.service.runs, name)


def _trainer(call: Call[Service]) -> Trainer:
    if call.service.runs.trainer is None:
        raise ApiError(404, "this server does not train: start it with --train DIR")
    return call.service.runs.trainer


def _check_known(call: Call[Service], name: str) -> None:
    """Raise ApiError if the run does not exist or is only watched."""
    runs = call.service.runs
    if name not in runs.names():
        raise unknown_run(name)
    if name in runs.named:
        raise ApiError(409, f"{name} is only watched: this server trains only runs in the folder of --train")


def _wish(body: RunRequest) -> tuple[bytes, list[str]]:
    """Return the text and the options of the run that `body` asks for. Raises ApiError, OptionError."""
    if not RUN_NAME.fullmatch(body.name):
        rule = "name must be 1 to 64 letters (a to z), digits, - and _, and must not begin with -"
        raise ApiError(400, f"{rule}, not {body.name[:80]!r}", "name")
    minutes = DEFAULT_MINUTES if body.minutes is None else body.minutes
    TrainingSettings(minutes=minutes)
    try:
        text = body.text.encode()
    except UnicodeEncodeError:
        raise ApiError(400, "text contains a lone surrogate, which is not valid text: remove it", "text") from None
    if not text.strip():
        raise ApiError(400, "text is empty: give a text to train on", "text")
    return text, ["--minutes", repr(minutes), *["--lines"] * bool(body.lines)]
