"""`POST /v1/runs` and what follows: runs that are planned, begun, stopped and resumed over HTTP, under `--train`."""

from __future__ import annotations

import asyncio

import msgspec

from afterword.planning.settings import TrainingSettings
from afterword.serving.endpoints import Call
from afterword.serving.errors import ApiError
from afterword.serving.fields import Name
from afterword.serving.trainer import NAME, Trainer, Wish
from afterword.serving.watching import RunSummary, summary

MINUTES = 5.0
LOOKS = 0.1  # seconds between two looks at a process


class RunRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to learn from, what the run is to be called (letters, digits, - and _), for how many minutes it may
    learn, and whether each line is a document of its own."""

    text: str
    name: Name
    minutes: float | None = None
    lines: bool | None = None


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An empty object."""


class PlanReply(msgspec.Struct):
    """What `afterword plan` prints, line by line, and its notes."""

    plan: list[str]
    notes: list[str]


async def plan(call: Call, body: RunRequest) -> PlanReply:
    trainer = _trainer(call)
    return PlanReply(*await trainer.plan(_wish(body)))


async def begin(call: Call, body: RunRequest) -> RunSummary:
    """Begin a run: answered once it trains, or with why it does not."""
    trainer, wish = _trainer(call), _wish(body)
    taken = [*await asyncio.to_thread(call.service.models.names), *await asyncio.to_thread(call.service.runs.folders)]
    if wish.name in taken:
        raise ApiError(409, f"there is a model or a run named {wish.name} here: take another name", "name")
    await asyncio.to_thread(trainer.begin, wish)
    while await asyncio.to_thread(trainer.is_preparing, wish.name):
        await asyncio.sleep(LOOKS)
    if wish.name not in await asyncio.to_thread(trainer.folders):
        failure = await asyncio.to_thread(trainer.forget, wish.name)
        raise ApiError(409 if failure is None else 400, failure or f"{wish.name} was stopped before it began")
    return await asyncio.to_thread(summary, call.service.runs, wish.name)


async def stop(call: Call, body: Nothing) -> RunSummary:
    """Let a run save itself: answered once it has."""
    trainer, name = _trainer(call), call.path["id"]
    await asyncio.to_thread(_check_known, call, name)
    await asyncio.to_thread(trainer.stop, name)
    while await asyncio.to_thread(lambda: trainer.training == name):
        await asyncio.sleep(LOOKS)
    if name not in await asyncio.to_thread(call.service.runs.names):  # it had not begun, and left nothing
        return RunSummary(name, "stopped", None)
    return await asyncio.to_thread(summary, call.service.runs, name)


async def resume(call: Call, body: Nothing) -> RunSummary:
    trainer, name = _trainer(call), call.path["id"]
    await asyncio.to_thread(_check_known, call, name)
    if name not in await asyncio.to_thread(trainer.folders):
        raise ApiError(409, f"{name} never started: start a new run")
    await asyncio.to_thread(trainer.resume, name)
    return await asyncio.to_thread(summary, call.service.runs, name)


def _trainer(call: Call) -> Trainer:
    if call.service.runs.trainer is None:
        raise ApiError(404, "this server does not train: start it with --train DIR")
    return call.service.runs.trainer


def _check_known(call: Call, name: str) -> None:
    """Raise ApiError where there is no such run, or one that is watched alone."""
    runs = call.service.runs
    if name not in runs.names():
        raise ApiError(404, f"there is no run {name[:80]!r} here: GET /v1/runs lists them")
    if runs.is_named(name):
        raise ApiError(409, f"{name} is only watched here: this server trains what lies in the folder of --train")


def _wish(body: RunRequest) -> Wish:
    """Raises ApiError, OptionError."""
    if not NAME.fullmatch(body.name):
        told = "name must be 1 to 64 letters of a to z, digits, - and _, and begin with no -"
        raise ApiError(400, f"{told}, not {body.name[:80]!r}", "name")
    minutes = MINUTES if body.minutes is None else body.minutes
    TrainingSettings(minutes=minutes)
    try:
        text = body.text.encode()
    except UnicodeEncodeError:
        raise ApiError(400, "text holds a lone surrogate, which is no text: remove it", "text") from None
    if not body.text.strip():
        raise ApiError(400, "text is empty: there is nothing to learn from", "text")
    return Wish(body.name, text, minutes, bool(body.lines))
