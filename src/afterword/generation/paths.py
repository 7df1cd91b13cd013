"""Many continuations of many lines: the futures of series, as arrays of tokens, without text or filters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Array, Ids
from afterword.model.network.network import Network, State
from afterword.model.threads import share

PATHS_AT_ONCE = 1024  # that are stepped together
TOKENS_AT_ONCE = 64  # tokens of a line that are read together
READ = 4096  # tokens of a line, its last ones; an LSTM remembers far fewer


def sample_paths(
    network: Network,
    lines: Sequence[Annotated[Ids, "n"]],
    allowed: Annotated[Ids, "A"],
    length: int,
    paths: int,
    seed: int,
) -> Annotated[NDArray[np.intp], "N paths length"]:
    """Return `paths` continuations of each of N lines, as indices of the `allowed` ids.

    Each line begins with the boundary token. Line k draws from the generator [seed, k] alone, so that its continuations
    do not depend on the other lines, except for rounding.
    """
    found = np.empty((len(lines), paths, length), np.intp)
    size = max(1, PATHS_AT_ONCE // paths)
    order = sorted(range(len(lines)), key=lambda k: len(lines[k]))
    groups = [order[at : at + size] for at in range(0, len(order), size)]

    def sample(group: list[int], add: object) -> None:
        logits, state = _read(network, [lines[k][-READ:] for k in group])
        draws = [np.random.default_rng([seed, k]).random((paths, length), np.float32) for k in group]
        lanes = np.repeat(np.arange(len(group)), paths)
        drawn = _continue(network, logits[lanes], network.chosen(state, lanes.tolist()), allowed, np.concatenate(draws))
        found[group] = drawn.reshape(len(group), paths, length)

    share(sample, groups, lambda done: None, network.threads)
    return found


def _continue(network: Network, logits: Array, state: State, allowed: Ids, draws: Array) -> NDArray[np.intp]:
    """Return the tokens that lanes [B] draw one after another, given draws [B, T] from 0 to 1."""
    chosen = np.empty(draws.shape, np.intp)
    for t in range(draws.shape[1]):
        if t:
            logits, state = network.step(allowed[chosen[:, t - 1]], state)
        weights = logits[:, allowed]
        np.exp(weights - weights.max(axis=1, keepdims=True), out=weights)
        sums = weights.cumsum(axis=1)
        # the index of the first sum above the draw; rounding may leave none
        chosen[:, t] = np.minimum((sums <= draws[:, t, None] * sums[:, -1:]).sum(axis=1), len(allowed) - 1)
    return chosen


def _read(network: Network, lines: Sequence[Ids]) -> tuple[Array, State]:
    """Read lines [n] of increasing lengths from an empty state. Return the logits [B, R] and the state after each."""
    state, at, read = network.start(len(lines)), 0, list[tuple[Array, State]]()
    lanes = list(range(len(lines)))
    for length, same in groupby(lines, key=len):
        ended = len(list(same))
        while at < length:
            to = min(at + TOKENS_AT_ONCE, length)
            logits, state = network.advance(np.stack([lines[k][at:to] for k in lanes]), state)
            at = to
        read.append((logits[:ended], network.chosen(state, range(ended))))
        lanes = lanes[ended:]
        logits, state = logits[ended:], network.chosen(state, range(ended, ended + len(lanes)))
    return np.concatenate([logits for logits, _ in read]), network.side_by_side(*(state for _, state in read))
