"""The network of a forecast: keep it in a folder, and draw the futures of series.

A future is drawn token by token, as an array, without text or filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel, saved_model
from afterword.model.arrays import Array, Ids
from afterword.model.folder.card import card
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.network import Network, State
from afterword.model.threads import share
from afterword.operations.operation import ModelName
from afterword.records import as_record
from afterword.wings.series.table import Floats
from afterword.wings.series.value_text import (
    BINS,
    CHARACTERS,
    SeriesFacts,
    bins_of,
    changes_in,
    changes_of,
    scale_of,
)

PATHS = (200, 1000)  # per series, for many series and for few
ALL_PATHS = 20_000
GROUP = 64  # series whose paths are in memory together
PATHS_AT_ONCE = 1024  # that are stepped together
TOKENS_AT_ONCE = 64  # tokens of a line that are read together
READ = 4096  # tokens of a line, its last ones; an LSTM remembers far fewer


def load_kept(path: ModelName) -> tuple[LanguageModel, SeriesFacts]:
    """Return the network that `path` names, as `load` does, and what it has learned. Raises ModelError."""
    saved, *_ = saved_model(path, of_text=False)
    if not (facts := saved.about.get("series")):
        train = "train one with afterword forecast TABLE --keep DIR"
        raise ModelError(f"this is a model of text, which cannot forecast: {train}")
    try:
        return LanguageModel(saved), as_record(SeriesFacts, facts)
    except ValueError as error:
        raise ModelError(f"the model is damaged: its series: {error}; take a fresh copy") from None


def keep(model: SavedModel, facts: SeriesFacts, folder: Path) -> None:
    """Write `model`, which has learned series of these `facts`, to `folder`. Raises StorageError."""
    model.about["series"] = asdict(facts)
    save_model(folder, model, card(model, samples=[]))


def lstm_forecasts(model: LanguageModel, season: int, horizon: int, seed: int, series: Sequence[Floats]) -> Floats:
    """Return the medians of futures that `model` draws, character by character: NaN for a series that it cannot read.

    Each character adds a change to the value a season before. N series -> [N, horizon]
    """
    found = np.full((len(series), horizon), np.nan)
    usable = np.flatnonzero([scale_of(values, season) > 0 for values in series])
    unseen = set(model.saved.unseen_characters(CHARACTERS))
    bins = np.flatnonzero([character not in unseen for character in CHARACTERS])  # in rising order
    allowed = model.tokenizer.encode(CHARACTERS)[bins]
    read_as = allowed[np.abs(np.arange(BINS)[:, None] - bins).argmin(axis=1)]  # the id of the nearest learned bin
    opening = model.writer(Sampling()).prompt("").ids
    count = int(np.clip(ALL_PATHS // max(1, len(usable)), *PATHS))
    for at in range(0, len(usable), GROUP):
        group = [series[k] for k in usable[at : at + GROUP]]
        scales = [scale_of(values, season) for values in group]
        lines = [
            np.concatenate([opening, read_as[bins_of(changes_in(values, season, scale))]])
            for values, scale in zip(group, scales, strict=True)
        ]
        chosen = sample_paths(model.predictor, lines, allowed, horizon, count, seed + at)
        within = np.random.default_rng([seed, at]).random(chosen.shape)
        changes = changes_of(bins[chosen], within) * np.array(scales)[:, None, None]
        paths = [_add_up(values, season, one) for values, one in zip(group, changes, strict=True)]
        found[usable[at : at + GROUP]] = np.median(np.stack(paths), axis=1)
    return found


def _add_up(values: Floats, season: int, changes: Floats) -> Floats:
    """Return the values that follow `values`, given their changes [paths, h] from a season before."""
    paths, horizon = changes.shape
    before = np.broadcast_to(values[-season:], (paths, season))
    rows = np.concatenate([before, changes, np.zeros((paths, -horizon % season))], axis=1)
    return rows.reshape(paths, -1, season).cumsum(axis=1).reshape(paths, -1)[:, season : season + horizon]


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
