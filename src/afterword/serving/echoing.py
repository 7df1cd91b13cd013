"""What the tokens of a prompt cost, told beside it: the log-probabilities of an echo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from afterword.generation.reading import Reading
from afterword.scoring.score import STEPS, USED, stretches
from afterword.serving.memory import Trail
from afterword.serving.models import Served
from afterword.serving.prompts import Start, begins
from afterword.serving.replies import LogProbabilities

REMEMBERED = 256  # tokens between two states of a prompt that are kept: what is between is read again in no time

Keep = Callable[[list[tuple[Trail, Reading]]], None]


def echoed(
    served: Served, start: Start, likeliest: int, check: Callable[[], None], keep: Keep | None = None
) -> LogProbabilities:
    """What the tokens of a prompt cost; a boundary at its start, which nothing predicts, has null.

    `keep` is told what was known on the way.
    """
    network, tokenizer, ids = start.variant.model.predictor, start.variant.model.tokenizer, start.ids
    names, rows = served.token_names, network.config.vocabulary_size
    shared = network.config.byte_tokens
    told = rows - 1 if shared > 1 else rows
    found = LogProbabilities([], [], [], [])
    read = ids[begins(start) :]
    if len(read) < len(ids):
        found.token_logprobs.append(None)
        found.top_logprobs.append(None)
    trail = Trail()
    trail.extend(start.variant.model.prompt_ids("", 0))
    for stretch in stretches(network, tokenizer.end, read[None], most=STEPS if keep is None else REMEMBERED):
        check()
        expected = stretch.expected()[0]
        if keep is not None and stretch.state is not None:
            trail.extend(read[max(0, stretch.place.start - 1) : stretch.place.stop - 1])
            keep([(trail.copy(), Reading("", expected[-1:], stretch.state, network))])
        some = read[stretch.place]
        row = network.rows(some)
        costs = expected[np.arange(len(some)), row]
        costs = np.where(np.isfinite(costs), costs, -stretch.nats[USED][0])
        costs[row == rows - 1] -= np.log(shared)
        best = np.argsort(-expected[:, :told], axis=1, kind="stable")[:, :likeliest]
        values = np.take_along_axis(expected, best, axis=1)
        found.token_logprobs += costs.tolist()
        for top, logs in zip(best.tolist(), values.tolist(), strict=True):
            found.top_logprobs.append({names[id]: log for id, log in zip(top, logs, strict=True) if log > -np.inf})
    found.tokens = [names[id] for id in ids.tolist()]
    decoder, at = tokenizer.decoder(), 0
    for id in ids.tolist():
        found.text_offset.append(at)
        at += len(decoder.push(id))
    return found
