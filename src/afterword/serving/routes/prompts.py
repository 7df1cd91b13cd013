"""The prompts of a request: as the client gave them, as the model reads them, and their log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import cast

import numpy as np

from afterword.model.arrays import Ids
from afterword.scoring.costs import USED, stretches
from afterword.serving.http.failures import ApiError, check_at_most
from afterword.serving.http.limits import Limits
from afterword.serving.routes.request_fields import TokenIds
from afterword.serving.writing.models import Served, Variant
from afterword.serving.writing.replies import LogProbabilities, Reply, RequestedPrompt
from afterword.text.tokenizer import Decoder


@dataclass
class Start:
    """One prompt of a request."""

    variant: Variant
    ids: Ids
    """As the client gave them; empty if the model begins as it does without a prompt."""
    text: str
    replies: list[Reply]
    is_text: bool
    """False for token ids, which are read as they are."""
    echoed: LogProbabilities | None = None
    """The cost of its tokens, if the answer contains it."""


def prompts_in(prompt: str | list[str | int | TokenIds] | None) -> Sequence[str | TokenIds | None]:
    """Return one or several prompts, each a text or token ids. Raises ApiError if they are mixed."""
    if prompt is None or isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise ApiError(400, "prompt is an empty list: leave it out, or give a text", "prompt")
    kinds = {type(one) for one in prompt}
    if len(kinds) == 1:
        return cast(list[str | TokenIds], [prompt] if kinds == {int} else prompt)
    raise ApiError(400, "prompt must be a text, a list of texts, a list of token ids, or a list of those", "prompt")


def encode_prompt(served: Served, prompt: str | TokenIds | None, limits: Limits) -> tuple[Ids, str]:
    """Return a prompt's tokens and text. Raises ApiError if it is too long or contains an invalid token id."""
    tokenizer = served.model.tokenizer
    if isinstance(prompt, list):
        if wrong := [id for id in prompt if not 0 <= id < tokenizer.size]:
            raise ApiError(400, f"unknown token {str(wrong[0])[:40]}: ids are 0 to {tokenizer.size - 1}", "prompt")
        ids, text = np.array(prompt, np.int32), tokenizer.decode(prompt)
    else:
        ids, text = tokenizer.encode(prompt or ""), prompt or ""
    what = "a prompt may have at most {} tokens"
    check_at_most(limits.max_prompt, len(ids), what, "give its end", "prompt", "context_length_exceeded")
    return ids, text


def prompts_to_read(start: Start, remember: bool) -> Iterator[RequestedPrompt]:
    """Yield the prompts to read: one for all texts, or one per text if each begins in a window of its own."""
    in_windows = start.variant.model.writing_defaults.opening == "window"
    each = [[reply] for reply in start.replies] if in_windows else [start.replies]
    text = start.text if len(start.ids) else None
    ids = None if start.is_text or text is None else start.ids[count_boundaries(start) :]
    for replies in each:
        yield RequestedPrompt(start.variant.writer.prompt(text, ids=ids, seed=replies[0].seed), replies, remember)


def count_boundaries(start: Start) -> int:
    """Return the number of boundary tokens that the prompt begins with. Every text begins with one anyway."""
    end = start.variant.model.tokenizer.end
    return int(end is not None and len(start.ids) > 0 and start.ids[0] == end)


def score_prompt(served: Served, start: Start, likeliest: int, check: Callable[[], None]) -> LogProbabilities:
    """Return the log-probabilities of a prompt's tokens; a boundary at its start, which nothing predicts, has null."""
    network, tokenizer, ids = start.variant.model.predictor, start.variant.model.tokenizer, start.ids
    names = served.token_names
    found = LogProbabilities([], [], [], [])
    read = ids[count_boundaries(start) :]
    if len(read) < len(ids):
        found.token_logprobs.append(None)
        found.top_logprobs.append(None)
    for stretch in stretches(network, tokenizer.end, read[None]):
        check()
        expected = stretch.expected()[0]
        some = read[stretch.place]
        row = network.rows(some)
        costs = expected[np.arange(len(some)), row]
        costs = np.where(np.isfinite(costs), costs, -stretch.nats[USED][0])
        costs -= network.config.shared_row_nats(row)
        best = np.argsort(-expected[:, : tokenizer.own_rows], axis=1, kind="stable")[:, :likeliest]
        values = np.take_along_axis(expected, best, axis=1)
        found.token_logprobs += costs.tolist()
        for top, logs in zip(best.tolist(), values.tolist(), strict=True):
            found.top_logprobs.append({names[id]: log for id, log in zip(top, logs, strict=True) if log > -np.inf})
    found.tokens = [names[id] for id in ids.tolist()]
    lengths = map(len, map(Decoder(tokenizer).push, ids.tolist()))
    found.text_offset = [0, *accumulate(lengths)][: len(ids)]
    return found
