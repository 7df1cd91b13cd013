"""`POST /v1/score`: what a text costs a model, in all, by lines or by characters, as `afterword score --json` says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.language_model import LanguageModel
from afterword.scoring.labels import LabelScore
from afterword.scoring.odd import OddLine
from afterword.scoring.score import USED, LineScore, Score, apart, total
from afterword.scoring.surprises import surprises
from afterword.serving.endpoints import Call
from afterword.serving.errors import ApiError
from afterword.serving.fields import Name, Using, variant

MOST_SHADED = 50_000  # characters, of which each is told
MOST_LINES = 100_000


class ScoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A text, and what to say of it beside its cost: with `lines` what each line costs, read from a fresh state, and
    with `false_alarms` which lines are odd at that rate; with `per_character` what each character costs.

    Line ends are read as newlines, and a byte order mark is left out, as in a file.
    """

    model: Name
    text: str
    lines: bool | None = None
    per_character: bool | None = None
    false_alarms: float | None = None
    using: Using | None = msgspec.field(default=None, name="with")


class CharacterCost(msgspec.Struct):
    """What a character costs, or several that are one token; `start` is its place in the text, from 0; `line` and
    `column` count from 1. `alternatives` are the likeliest tokens in its place and their probabilities."""

    text: str
    start: int
    line: int
    column: int
    bits: float
    alternatives: list[tuple[str, float]]


class LineCost(msgspec.Struct):
    """What a line costs with its end.

    Where odd lines are asked for: by how many standard deviations it costs more than normal ones, how often one does,
    and where it is odd. Of a model of labelled lines: the likeliest label, and the one that the line begins with.
    """

    line: int
    text: str
    bits: float
    bits_per_character: float
    figure: float | UnsetType = UNSET
    p_value: float | UnsetType = UNSET
    odd: bool | UnsetType = UNSET
    odd_pieces: list[tuple[int, int]] | UnsetType = UNSET
    label: str | UnsetType = UNSET
    label_probability: float | UnsetType = UNSET
    given_label: str | UnsetType | None = UNSET


class ScoreReply(msgspec.Struct):
    """What the whole text costs; `lstm`, `ngram` and `both` are nats per character, where there is an n-gram."""

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
    surprises: list[CharacterCost] | UnsetType = UNSET


async def score(call: Call, body: ScoreRequest) -> ScoreReply:
    """Score the text beside all that is being written; it ends soon after the client has gone."""
    if body.lines and body.per_character:
        raise ApiError(400, "per_character and lines exclude each other: give one of them", "per_character")
    if body.false_alarms is not None and not body.lines:
        raise ApiError(400, "false_alarms needs lines: set lines to true", "false_alarms")
    text = _read(body.text)
    if body.per_character and len(text) > MOST_SHADED:
        told = f"per_character takes at most {MOST_SHADED:,} characters, not {len(text):,}: score it in parts"
        raise ApiError(400, told, "text")
    if body.lines and text.count("\n") >= MOST_LINES:
        raise ApiError(400, f"lines takes at most {MOST_LINES:,} lines: score them in parts", "text")
    served = await asyncio.to_thread(call.service.models.find, body.model)
    model = (await asyncio.to_thread(variant, served, body.using, None)).model

    def scored() -> ScoreReply:
        if body.lines:
            return _by_line(served.name, model, text, body.false_alarms, call.check)
        read = _by_character if body.per_character else _whole
        return read(served.name, model, text, call.check)

    reply = await call.work(scored)
    call.service.metrics.prompt_tokens.inc(reply.tokens)
    return reply


def _read(text: str) -> str:
    """`text` as if it was read from a file. Raises TextError for none, which would look like a perfect fit."""
    read = re.sub("\r\n?", "\n", text.removeprefix("\ufeff"))
    if not read:
        raise TextError("text is empty: there is nothing to score")
    return read


def _whole(name: str, model: LanguageModel, text: str, check: Callable[[], None]) -> ScoreReply:
    """The text as one; of a model of lines the sum of its lines, without the empty ones."""
    if not model.lines:
        return _reply(name, model.score(text, on_progress=lambda fraction: check()))
    return _reply(name, total(model.score_lines(_filled(text), on_progress=lambda fraction: check())))


def _filled(text: str) -> list[str]:
    filled = [line for line in text.split("\n") if line]
    if not filled:
        raise TextError("text holds no lines but empty ones: there is nothing to score")
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
    reply.lines = [_line(score) for score in scores]
    return reply


def _line(score: LineScore) -> LineCost:
    cost = LineCost(score.line, score.text, score.bits, score.bits_per_character)
    if isinstance(score, OddLine):
        cost.figure, cost.p_value, cost.odd = score.figure, score.p_value, score.odd
        cost.odd_pieces = list(score.odd_pieces)
    if isinstance(score, LabelScore):
        cost.label, cost.label_probability = score.label, score.label_probability
        cost.given_label = score.given_label
    return cost


def _by_character(name: str, model: LanguageModel, text: str, check: Callable[[], None]) -> ScoreReply:
    """`_whole` and its surprises, of one reading."""
    each: dict[str, list[NDArray[np.float64]]] = {USED: []}

    def keep(nats: dict[str, NDArray[np.float64]]) -> None:
        check()
        for part, costs in nats.items():
            each.setdefault(part, []).append(costs)

    found = []
    read = "".join(f"{line}\n" for line in _filled(text)) if model.lines else text
    for one in surprises(model.predictor, model.tokenizer, text, model.lines, keep):
        found.append(CharacterCost(one.text, one.start, one.line, one.column, one.bits, list(one.alternatives)))
    nats = {part: np.concatenate(costs) for part, costs in each.items()}
    score = Score(nats.pop(USED), len(read), len(read.encode()), apart(nats, len(read)))
    reply = _reply(name, score)
    reply.surprises = found
    return reply


def _reply(name: str, score: Score) -> ScoreReply:
    return ScoreReply(
        name,
        score.characters,
        score.tokens,
        score.nats_per_character,
        score.bits_per_character,
        score.bits_per_byte,
        score.perplexity,
        score.apart.get("lstm", UNSET),
        score.apart.get("ngram", UNSET),
        score.apart.get("both", UNSET),
    )
