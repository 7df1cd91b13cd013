"""The prompts of a request: as they were given, and as they have to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from afterword.model.arrays import Ids
from afterword.serving.errors import ApiError
from afterword.serving.fields import TokenIds
from afterword.serving.limits import Limits
from afterword.serving.models import Served, Variant
from afterword.serving.replies import LogProbabilities, Prompt, Reply


@dataclass
class Start:
    """One prompt of a request."""

    variant: Variant
    ids: Ids
    """As they were given; none where the model begins as it does by itself."""
    text: str
    replies: list[Reply]
    echoed: LogProbabilities | None = None
    """What its tokens cost, where that is told."""


def given(prompt: str | list[str | int | TokenIds] | None) -> Sequence[str | TokenIds | None]:
    """Each prompt: one or several, as text or as token ids. Raises ApiError where they are mixed."""
    if prompt is None or isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise ApiError(400, "prompt is an empty list: leave it out, or give a text", "prompt")
    if all(isinstance(one, int) for one in prompt):
        return [[one for one in prompt if isinstance(one, int)]]
    kinds = {type(one) for one in prompt}
    if kinds == {str} or kinds == {list}:
        return [one for one in prompt if not isinstance(one, int)]
    raise ApiError(400, "prompt must be a text, a list of texts, a list of token ids, or a list of those", "prompt")


def encoded(served: Served, prompt: str | TokenIds | None, limits: Limits) -> tuple[Ids, str]:
    """The tokens of a prompt, and its text. Raises ApiError for one that is too long, or holds a token that is none."""
    tokenizer = served.model.tokenizer
    if isinstance(prompt, list):
        if any(not 0 <= id < tokenizer.size for id in prompt):
            wrong = next(id for id in prompt if not 0 <= id < tokenizer.size)
            raise ApiError(400, f"there is no token {str(wrong)[:40]}: ids go from 0 to {tokenizer.size - 1}", "prompt")
        ids, text = np.array(prompt, np.int32), tokenizer.decode(prompt)
    else:
        ids, text = tokenizer.encode(prompt or ""), prompt or ""
    if len(ids) > limits.max_prompt:
        told = f"a prompt may be at most {limits.max_prompt:,} tokens, not {len(ids):,}"
        raise ApiError(400, told, "prompt", "context_length_exceeded")
    return ids, text


def beginnings(start: Start, remember: bool) -> Iterator[Prompt]:
    """What has to be read before the texts: once for all of them, but where each begins in a window of its own."""
    model, ids = start.variant.model, start.ids
    each = [[reply] for reply in start.replies] if begins_in_window(start) else [start.replies]
    for replies in each:
        opening = model.prompt_ids("" if len(ids) else None, replies[0].seed)
        read = np.concatenate([opening, ids[begins(start) :]])
        yield Prompt(model.predictor, read, replies, remember)


def begins_in_window(start: Start) -> bool:
    """Whether each text begins in a window of its own of what was learned from, as a classic model's do."""
    return start.variant.model.writing.opening == "window"


def begins(start: Start) -> int:
    """Of how many tokens is the boundary with which a prompt may begin: every text begins with one anyway."""
    end = start.variant.model.tokenizer.end
    return int(end is not None and len(start.ids) > 0 and start.ids[0] == end)
