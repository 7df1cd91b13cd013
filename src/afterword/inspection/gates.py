"""Read a text and keep every gate and state on the way.

The text is read as it is scored: from a fresh start (the boundary token first, where there is one), with the state
carried to its end.
"""

from __future__ import annotations

import numpy as np

from afterword.errors import TextError
from afterword.inspection.inspected import Inspected
from afterword.inspection.page import framed, page
from afterword.inspection.trace import Trace
from afterword.model.config import Config
from afterword.model.holding import PARTS
from afterword.model.network import Network, log_probabilities
from afterword.text.tokenizer import Tokenizer

MOST_TRACED = 20_000
MOST_TRACED_NUMBERS = MOST_TRACED * 3 * 1024  # tokens × layers × units: seven arrays of that many float32 are held
TOKENS_AT_ONCE = 512  # what is held for them beside the trace is some megabytes


class Gates(Trace):
    """A trace that draws itself in a notebook."""

    def _repr_html_(self) -> str:
        """The page, for a notebook; of what is too large for one, the line that says so."""
        try:
            return framed(page(self))
        except TextError as error:
            return f"<p>{error}</p>"


def look_at_gates(model: Inspected, text: str) -> Gates:
    """Every gate and state of the network while it reads `text`, and what it expected after each token.

    Raises TextError for an empty text or one too long to be looked at (20,000 characters; fewer of a network of
    more than 3 × 1024 units), ModelError for a plain recurrent network, which has no gates.
    """
    return read_gates(model.network(), model.tokenizer, text, lines=model.lines)


def read_gates(network: Network, tokenizer: Tokenizer, text: str, *, lines: bool = False) -> Gates:
    """Read `text` and keep everything; `lines` says that the network knows lines, each from a fresh start.

    Raises TextError for a text that is empty or longer than can be looked at, ModelError for a plain recurrent network.
    """
    text = tokenizer.normalise(text)
    if lines and "\n" in text.rstrip("\n"):
        raise TextError("this model reads lines, each from a fresh state: give it one line")
    text = text.rstrip("\n") if lines else text
    ids = tokenizer.encode(text)
    check_length(network.config, len(ids))
    T, config = len(ids), network.config
    parts = {name: np.empty((T, config.num_layers, config.hidden_size), np.float32) for name in (*PARTS, "before")}
    expected = np.empty((T, config.vocabulary_size), np.float32)
    state = network.start()
    expected_first = np.full(config.vocabulary_size, -np.log(config.vocabulary_size))
    if tokenizer.end is not None:
        logits, state = network.step(np.array([tokenizer.end]), state)
        expected_first = log_probabilities(logits[0])
    nats = np.empty(T)
    last = expected_first.astype(np.float32)  # as logits, what comes next
    for first in range(0, T, TOKENS_AT_ONCE):
        piece = slice(first, first + TOKENS_AT_ONCE)
        traced, state = network.trace(ids[None, piece], state)
        for layer, (step, before) in enumerate(zip(traced.steps, traced.before, strict=True)):
            for name, values in zip((*PARTS, "before"), (*step, before), strict=True):
                parts[name][piece, layer] = values[:, 0]
        logits = traced.logits[:, 0]
        expected[piece] = log_probabilities(logits)
        nats[piece] = -network.token_log_probabilities(np.concatenate([last[None], logits[:-1]]), ids[piece])
        last = logits[-1]
    names = tokenizer.names
    return Gates(
        text=text,
        tokens=[names[id] for id in ids.tolist()],
        ids=ids,
        **parts,
        log_probabilities=expected,
        nats=nats,
        rows=[*names[: config.vocabulary_size - 1], "<byte>" if config.byte_tokens > 1 else names[-1]],
        expected_first=expected_first.astype(np.float32),
    )


def check_length(config: Config, tokens: int) -> None:
    """Raise TextError for a text of no tokens, or of more than can be looked at with this network."""
    if tokens == 0:
        raise TextError("there is no text to look at: give at least one character")
    most = min(MOST_TRACED, max(1, MOST_TRACED_NUMBERS // (config.num_layers * config.hidden_size)))
    if tokens > most:
        raise TextError(
            f"the text has {tokens:,} tokens, and {most:,} of this model can be looked at: "
            f"take a stretch of it, as in --stretch 0:{min(most, 2000)}"
        )
