"""`POST /v1/score`: the cost of a text, in all, by line or by character, as `afterword score --json` prints it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.language_model import LanguageModel
from afterword.scoring.costs import USED, LineScore, Score, total
from afterword.scoring.labels import LabelScore
from afterword.scoring.odd_lines import OddLine
from afterword.scoring.surprises import Surprise, surprises
from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import ApiError, check_at_most
from afterword.serving.routes.wanted import ModelName, Using, variant
from afterword.serving.service import Service

Record = TypeVar("Record", bound=msgspec.Struct)

MOST_SHADED = 50_000  # characters, with a cost each
MOST_LINES = 100_000
SHADED = msgspec.Meta(
    description=f"for texts of at most {MOST_SHADED:,} characters", extra_json_schema={"x-most-characters": MOST_SHADED}
)


class ScoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text to score. With `lines`, each line is also scored from a fresh state; with `false_alarms`, odd lines are
    marked at that rate of false alarms. With `per_character`, each character is scored.

    Line ends are read as newlines, and a byte order mark is dropped, as in a file.
    """

    text: str
    model: ModelName = None
    lines: bool | None = None
    per_character: Annotated[bool, SHADED] | None = None
    false_alarms: float | None = None
    using: Using | None = msgspec.field(default=None, name="with")


class LineCost(msgspec.Struct):
    """The cost of a line and its end.

    With `false_alarms`: `figure` is the cost above normal in standard deviations, `p_value` is the rate at which a
    normal line costs as much, and `odd_pieces` are the odd parts. With a model of labelled lines: the likeliest label,
    and the label that the line begins with.
    """

    line: int
    text: str
    bits: float
    bits_per_character: float
    figure: float | UnsetType = UNSET
    p_value: float | UnsetType = UNSET
    odd: bool | UnsetType = UNSET
    odd_pieces: tuple[tuple[int, int], ...] | UnsetType = UNSET
    label: str | UnsetType = UNSET
    label_probability: float | UnsetType = UNSET
    given_label: str | UnsetType | None = UNSET


class ScoreReply(msgspec.Struct):
    """The cost of the whole text; `lstm`, `ngram` and `both` are nats per character, given if there is an n-gram."""

    model: str
    characters: int
    tokens: int
    nats_per_character: float
    bits_per_character: float
    bits_per_byte: float
    perplexity: float
    lstm: float | UnsetType = UNSET
    ngram: float | UnsetType = UNSET
    both: float | UnsetType = UNSET
    lines: list[LineCost] | UnsetType = UNSET
    surprises: list[Surprise] | UnsetType = UNSET


async def score(call: Call[Service], body: ScoreRequest) -> ScoreReply:
    """Score a text."""
    if body.lines and body.per_character:
        raise ApiError(400, "per_character cannot be used with lines: give one of them", "per_character")
    if body.false_alarms is not None and not body.lines:
        raise ApiError(400, "false_alarms needs lines: set lines to true", "false_alarms")
    text = _read(body.text)
    if body.per_character:
        check_at_most(MOST_SHADED, len(text), "per_character takes at most {} characters", "score it in parts", "text")
    if body.lines:
        lines = text.removesuffix("\n").count("\n") + 1
        check_at_most(MOST_LINES, lines, "lines takes at most {} lines", "score them in parts", "text")
    served = await asyncio.to_thread(call.service.models.find, body.model)
    model = (await asyncio.to_thread(variant, served, body.using, None)).model

    waiting, body.text = text.encode("utf-8", "surrogatepass"), ""  # a fourth of the characters' memory
    del text

    def scored() -> ScoreReply:
        text = waiting.decode("utf-8", "surrogatepass")
        if body.lines:
            return _by_line(served.name, model, text, body.false_alarms, call.check)
        read = _by_character if body.per_character else _whole
        return read(served.name, model, text, call.check)

    reply = await call.work(scored)
    call.service.metrics.prompt_tokens.inc(reply.tokens)
    return reply


def _read(text: str) -> str:
    """Return `text` as it would be read from a file. Raises TextError if it is empty: a score of 0 would mislead."""
    read = re.sub("\r\n?", "\n", text.removeprefix("\ufeff"))
    if not read:
        raise TextError("text is empty: give a text to score")
    return read


def _whole(name: str, model: LanguageModel, text: str, check: Callable[[], None]) -> ScoreReply:
    """Score the text as one; a model of lines scores the sum of its lines that are not empty."""
    if not model.lines:
        return _reply(name, model.score(text, on_progress=lambda fraction: check()))
    return _reply(name, total(model.score_lines(_filled(text), on_progress=lambda fraction: check())))


def _filled(text: str) -> list[str]:
    filled = [line for line in text.split("\n") if line]
    if not filled:
        raise TextError("text contains only empty lines: give a text to score")
    return filled


def _by_line(
    name: str, model: LanguageModel, text: str, false_alarms: float | None, check: Callable[[], None]
) -> ScoreReply:
    lines = text.removesuffix("\n").split("\n")
    read: Callable[..., list[LineScore] | list[LabelScore] | list[OddLine]] = model.score_lines
    if false_alarms is not None:
        read = partial(model.odd_lines, false_alarms=false_alarms)
    elif model.labels:
        read = model.classify
    scores = read(lines, on_progress=lambda fraction: check())
    reply = _reply(name, total(scores))
    reply.lines = [_record(LineCost, score) for score in scores]
    return reply


def _by_character(name: str, model: LanguageModel, text: str, check: Callable[[], None]) -> ScoreReply:
    """Score the whole text and each character in one pass."""
    each: dict[str, list[NDArray[np.float64]]] = {USED: []}

    def keep(nats: dict[str, NDArray[np.float64]]) -> None:
        check()
        for part, costs in nats.items():
            each.setdefault(part, []).append(costs)

    read = "".join(f"{line}\n" for line in _filled(text)) if model.lines else text
    found = [*surprises(model.predictor, model.tokenizer, text, model.lines, keep)]
    reply = _reply(name, Score.of({part: np.concatenate(costs) for part, costs in each.items()}, read))
    reply.surprises = found
    return reply


def _reply(name: str, score: Score) -> ScoreReply:
    return _record(ScoreReply, score, model=name, **score.apart)


def _record(kind: type[Record], found: object, **more: object) -> Record:
    """Return a record of `kind` with the values of the fields that `found` has, and `more`."""
    return kind(**{name: getattr(found, name, UNSET) for name in kind.__struct_fields__} | more)
