"""A prompt that was read once, from which any number of texts go on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from afterword.errors import OptionError
from afterword.model.arrays import Array, Ids
from afterword.model.network import Network, State
from afterword.model.saved import SavedModel

READ_AT_ONCE = 512  # tokens; what is held for them is a few megabytes


@dataclass(frozen=True, eq=False)
class Reading:
    """What a network knows after a prompt. Only the network that read it can go on from it."""

    prompt: str
    logits: Array
    """Of what comes next, [1, R]."""
    state: State
    network: Network

    def __repr__(self) -> str:
        return f"Reading({self.prompt!r})"


def read_prompt(model: SavedModel, network: Network, prompt: str | None) -> Reading:
    """Read `prompt`, or without one what the model begins with by itself.

    Raises TextError for a prompt that is no text, OptionError for a model each of whose texts begins in a window of
    its own.
    """
    if model.writing.opening == "window":
        raise OptionError("a classic model begins each text in a window of its own: it cannot keep a prompt")
    return Reading(prompt or "", *read_ids(network, prompt_ids(model, prompt, seed=0)), network)


def prompt_ids(model: SavedModel, prompt: str | None, seed: int) -> Ids:
    """The tokens [T] that a text of `seed` goes on from: what the model begins with, and the prompt."""
    ids = model.tokenizer.encode(model.default_prompt if prompt is None else prompt)
    return np.concatenate([model.opening(seed), ids])


def read_ids(network: Network, ids: Ids) -> tuple[Array, State]:
    """The logits [1, R] of what comes after ids [T], T ≥ 1, and the state after them."""
    state = network.start()
    for at in range(0, len(ids), READ_AT_ONCE):
        logits, state = network.advance(ids[None, at : at + READ_AT_ONCE], state)
    return logits, state
