"""What a character k steps back still changes, by replacing it.

A character of the text is replaced by another one, drawn from the same text, and the network reads on. After each
further step its prediction is compared with the one that it makes of the true text: the Kullback-Leibler divergence
D(true ‖ replaced). One replacement answers for every k at once, so a curve over 1,000 steps costs little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.inspected import OnProgress, unheard
from afterword.model.network import Network, State, log_probabilities
from afterword.settings import check, setting
from afterword.text.tokenizer import Tokenizer

WARM_UP = 200  # tokens that are read before the replaced one, where the text has them
LEAST_TOKENS = 20
MOST_FIGURES = 10_000_000  # places × steps, one figure each, which are all kept
PLACES_AT_ONCE = 64
STEPS_AT_ONCE = 16
LOGITS_AT_ONCE = 4_000_000  # lanes × steps × rows


@dataclass(frozen=True)
class HorizonSettings:
    """How `measure` measures."""

    steps: int = setting(1000, "how far to look back, in characters", minimum=1, maximum=10_000)
    places: int = setting(64, "at how many places of the text", minimum=2, maximum=10_000)
    seed: int = setting(0, "of the characters that are put in", minimum=0, maximum=2**64 - 1)
    gradient: bool | None = setting(None, "also by gradient, which needs PyTorch (if it is there)")

    def __post_init__(self) -> None:
        check(self)


def changes_by_replacing(
    network: Network,
    tokenizer: Tokenizer,
    text: str,
    settings: HorizonSettings,
    on_progress: OnProgress = unheard,
) -> NDArray[np.float64]:
    """What replacing a character at each of N places changes up to K `steps` later, in bits, [N, K].

    Shorter texts are measured over fewer steps. `on_progress` is called with the fraction that is done. Raises
    TextError for a text that is too short or holds only one character, OptionError for too many figures.
    """
    ids = tokenizer.encode(text)
    places, K = choose_places(network, ids, settings)
    others = replacements(ids, places, np.random.default_rng(settings.seed))
    before = min(WARM_UP, int(places[0]))
    changes = np.empty((len(places), K))
    for first in range(0, len(places), PLACES_AT_ONCE):
        some = slice(first, first + PLACES_AT_ONCE)
        state = warmed_up(network, tokenizer, ids, places[some], before)
        for begin, part in _changes(network, ids, places[some], others[some], state, K):
            end = begin + part.shape[1]
            changes[some, begin:end] = part
            on_progress((first * K + len(part) * end) / changes.size)
    return np.maximum(changes, 0) / math.log(2)


def _changes(
    network: Network, ids: NDArray[Any], places: NDArray[np.intp], others: NDArray[Any], state: State, K: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """What `others` at `places` [N] change at the K steps from there on, in nats, piece by piece: first step, [N, ≤ K].

    `state` is what was read before each place.
    """
    N = len(places)
    at_once = max(1, min(STEPS_AT_ONCE, LOGITS_AT_ONCE // (2 * N * network.config.vocabulary_size)))
    both = network.side_by_side(state, state)
    for first in range(0, K, at_once):
        true = ids[places[:, None] + np.arange(first, min(K, first + at_once))]
        read = np.concatenate([true, true])
        if first == 0:
            read[N:, 0] = others
        logits, both = network.read(read, both)
        expected, changed = np.split(log_probabilities(logits), 2)
        yield first, (np.exp(expected) * (expected - changed)).sum(axis=-1)


def choose_places(network: Network, ids: NDArray[Any], settings: HorizonSettings) -> tuple[NDArray[np.intp], int]:
    """Where characters are replaced, evenly over the text, and for how many steps it is then read on."""
    if len(ids) < LEAST_TOKENS:
        raise TextError(f"the text has {len(ids)} tokens: at least {LEAST_TOKENS} are needed to look back over")
    if len(set(network.rows(ids).tolist())) < 2:
        raise TextError("the text holds only one character: there is none to put in its place")
    K = min(settings.steps, max(1, len(ids) * 3 // 4))
    first = min(WARM_UP, (len(ids) - K) // 2)
    places = np.unique(np.linspace(first, len(ids) - K, min(settings.places, len(ids) - K - first + 1)).astype(np.intp))
    if len(places) * K > MOST_FIGURES:
        raise OptionError(
            f"{len(places):,} places × {K:,} steps are too many to keep: give at most {MOST_FIGURES // K:,} places, "
            "or fewer steps"
        )
    return places, K


def sequences(
    network: Network, tokenizer: Tokenizer, ids: NDArray[Any], steps: int, positions: int
) -> NDArray[np.integer[Any]]:
    """Where the gradient is measured: tokens [N, T] whose last one is predicted, from evenly over the text.

    Each begins as every reading does, with the boundary token, where there is one; then come `steps` tokens and as
    many before them as replacing reads, but no more than the network's context.
    """
    before = int(min(network.context_length, steps + WARM_UP, len(ids) - 1))
    ends = np.unique(np.linspace(before, len(ids) - 1, min(positions, len(ids) - before)).astype(np.intp))
    read: NDArray[np.integer[Any]] = ids[ends[:, None] + np.arange(-before, 1)]
    if tokenizer.end is None:
        return read
    return np.concatenate([np.full((len(read), 1), tokenizer.end, read.dtype), read], axis=1)


def replacements(ids: NDArray[Any], places: NDArray[np.intp], random: np.random.Generator) -> NDArray[Any]:
    """For each place a token of the text, as frequent as it is there, that is another one than stands there."""
    order = np.argsort(ids, kind="stable")
    first, last = (np.searchsorted(ids[order], ids[places], side) for side in ("left", "right"))
    others = []
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        same = order[begin:end]  # where this token stands, in ascending order
        k = random.integers(len(ids) - len(same))  # the k-th of all the others
        others.append(ids[k + np.searchsorted(same - np.arange(len(same)), k, side="right")])
    return np.array(others, ids.dtype)


def warmed_up(
    network: Network, tokenizer: Tokenizer, ids: NDArray[Any], places: NDArray[np.intp], before: int
) -> State:
    """The state just before each place, after the `before` tokens that stand there."""
    state = network.start(len(places))
    if tokenizer.end is not None:
        _, state = network.step(np.full(len(places), tokenizer.end), state)
    columns = ids[places[:, None] - before + np.arange(before)]
    at_once = max(1, min(STEPS_AT_ONCE, LOGITS_AT_ONCE // (len(places) * network.config.vocabulary_size)))
    for first in range(0, before, at_once):
        _, state = network.read(columns[:, first : first + at_once], state)
    return state
