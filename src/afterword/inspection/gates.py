"""Reading a text with every gate and state kept.

The text is read as it is scored: from a fresh state (after the boundary token, if there is one), which is carried to
the end.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from afterword.errors import ModelError, TextError
from afterword.inspection.gates_page import framed, gates_html
from afterword.inspection.trace import Trace
from afterword.model.network.cell import GATES, Step
from afterword.model.network.config import Config
from afterword.model.network.network import Network, log_probabilities
from afterword.text.tokenizer import Tokenizer

MOST_TRACED = 20_000
MOST_TRACED_NUMBERS = MOST_TRACED * 3 * 1024  # tokens × layers × units: there are seven such arrays of float32
TOKENS_AT_ONCE = 512  # these need some megabytes besides the trace


class Inspected(Protocol):
    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def lines(self) -> bool:
        """True if it reads single lines, each from a fresh state."""

    def network(self) -> Network:
        """Return its network without the n-gram."""


class Gates(Trace):
    """A trace that a notebook draws."""

    def _repr_html_(self) -> str:
        """Return the page for a notebook, or a line that says why it is missing."""
        try:
            return framed(gates_html(self))
        except (ModelError, TextError) as error:
            return f"<p>{error}</p>"


def look_at_gates(model: Inspected, text: str) -> Gates:
    """Return every gate and state of the network while it reads `text`, and its predictions after each token.

    Gates that the network does not have are empty, and its cell state is zero. A plain recurrent network has a hidden
    state alone.

    Raises TextError for an empty text or one of more than 20,000 characters (fewer if the network has more than
    3 × 1024 units), ModelError for a classic model.
    """
    network, tokenizer = carried_network(model), model.tokenizer
    text = tokenizer.normalise(text)
    if model.lines:
        text = text.rstrip("\n")
        if "\n" in text:
            raise TextError("this model reads lines, each from a fresh state: give it one line")
    ids = tokenizer.encode(text)
    T, config = len(ids), network.config
    if T == 0:
        raise TextError("the text to look at is empty: give at least one character")
    if (most := most_traced(config)) < T:
        raise TextError(
            f"the text has {T:,} tokens; at most {most:,} can be shown with this model: "
            f"take a part of it, such as `stretch` 0:{min(most, 2000)}"
        )
    widths = {gate: config.hidden_size * (gate in config.kind.parts) for gate in GATES}
    parts: dict[str, Any] = {
        name: np.empty((T, config.num_layers, widths.get(name, config.hidden_size)), np.float32)
        for name in Step._fields
    }
    expected = np.empty((T, config.vocabulary_size), np.float32)
    logits, state = network.step(np.array([tokenizer.end]), network.start())
    expected_first = log_probabilities(logits[0])
    nats = np.empty(T)
    last = expected_first.astype(np.float32)  # as logits, what comes next
    for first in range(0, T, TOKENS_AT_ONCE):
        piece = slice(first, first + TOKENS_AT_ONCE)
        traced, state = network.trace(ids[None, piece], state)
        for layer, step in enumerate(traced.steps):
            for name, values in step._asdict().items():
                parts[name][piece, layer] = values[:, 0]
        logits = traced.logits[:, 0]
        expected[piece] = log_probabilities(logits)
        nats[piece] = -network.token_log_probabilities(np.concatenate([last[None], logits[:-1]]), ids[piece])
        last = logits[-1]
    names = tokenizer.names
    return Gates(
        text=text,
        tokens=[names[id] for id in ids.tolist()],
        ids=network.rows(ids),
        **parts,
        log_probabilities=expected,
        nats=nats,
        rows=[*names[: config.vocabulary_size - 1], "<byte>" if config.byte_tokens > 1 else names[-1]],
        expected_first=expected_first.astype(np.float32),
    )


def carried_network(model: Inspected) -> Network:
    """Return the network of `model`. Raises ModelError for a classic model, whose network carries no state."""
    network = model.network()
    if window := network.config.window:
        raise ModelError(f"a classic model reads its last {window} characters anew for each one: inspect another")
    return network


def beginning(model: Inspected, text: str) -> str:
    """Return as much of `text` as can be looked at."""
    most = most_traced(model.network().config)
    while (tokens := len(model.tokenizer.encode(text))) > most:
        text = text[: len(text) * most // tokens]
    return text


def most_traced(config: Config) -> int:
    """Return the number of tokens that can be looked at with this network."""
    return min(MOST_TRACED, max(1, MOST_TRACED_NUMBERS // (config.num_layers * config.hidden_size)))
