"""The network of a forecast: keep it in a folder, and draw the futures of series.

A future is drawn token by token, as an array, without text or filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel, saved_model
from afterword.model.arrays import Ids
from afterword.model.folder.card import card
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.network import Network
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

PATHS, ALL_PATHS = (200, 1000), 20_000  # per series, for many series and for few; in all
READ, AT_ONCE = 4096, 64  # tokens of a line, its last ones, since an LSTM remembers far fewer; that are read together


def load_kept(path: ModelName) -> tuple[LanguageModel, SeriesFacts]:
    """Return the network that `path` names, as `load` does, and what it has learned. Raises ModelError."""
    saved, *_ = saved_model(path, of_text=False)
    if not (facts := saved.about.get("series")):
        raise ModelError("this model of text cannot forecast: train one with afterword forecast TABLE --keep DIR")
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
    opening, count = model.writer(Sampling()).prompt("").ids, int(np.clip(ALL_PATHS // max(1, len(usable)), *PATHS))

    def draw(k: int, add: object) -> None:
        values, scale = series[k], scale_of(series[k], season)
        line = np.concatenate([opening, read_as[bins_of(changes_in(values, season, scale))]])
        chosen = sample_paths(model.predictor, line, allowed, horizon, count, [seed, k])
        within = np.random.default_rng([seed, k, 1]).random(chosen.shape)
        found[k] = np.median(_add_up(values, season, scale * changes_of(bins[chosen], within)), axis=0)

    share(draw, usable.tolist(), lambda done: None, model.predictor.threads)
    return found


def _add_up(values: Floats, season: int, changes: Floats) -> Floats:
    """Return the values that follow `values`, given their changes [paths, h] from a season before."""
    paths, horizon = changes.shape
    before = np.broadcast_to(values[-season:], (paths, season))
    rows = np.concatenate([before, changes, np.zeros((paths, -horizon % season))], axis=1)
    return rows.reshape(paths, -1, season).cumsum(axis=1).reshape(paths, -1)[:, season : season + horizon]


def sample_paths(
    network: Network, line: Annotated[Ids, "n"], allowed: Annotated[Ids, "A"], length: int, paths: int, seed: list[int]
) -> Annotated[NDArray[np.intp], "paths length"]:
    """Return `paths` continuations of a line, which begins with the boundary token, as indices of the `allowed` ids."""
    state, chosen = network.start(1), np.empty((paths, length), np.intp)
    for at in range(0, len(line := line[-READ:]), AT_ONCE):
        logits, state = network.advance(line[None, at : at + AT_ONCE], state)
    logits, state = np.repeat(logits, paths, axis=0), network.chosen(state, [0] * paths)
    for t, draws in enumerate(np.random.default_rng(seed).random((length, paths, 1), np.float32)):
        if t:
            logits, state = network.step(allowed[chosen[:, t - 1]], state)
        weights = logits[:, allowed]
        np.exp(weights - weights.max(axis=1, keepdims=True), out=weights)
        sums = weights.cumsum(axis=1)
        # the index of the first sum above the draw; rounding may leave none
        chosen[:, t] = np.minimum((sums <= draws * sums[:, -1:]).sum(axis=1), len(allowed) - 1)
    return chosen
