"""Forecasts of series: the medians of the futures that a model draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from afterword.generation.paths import sample_paths
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel
from afterword.model.arrays import Ids
from afterword.series.tokens import BINS, CHARACTERS, Floats, bins_of, changes_in, changes_of, scale_of

DECILES = tuple(k / 10 for k in range(1, 10))  # whose losses a backtest averages
PATHS = (200, 1000)  # per series, for many series and for few
ALL_PATHS = 20_000
GROUP = 64  # series whose paths are in memory together


def lstm_forecasts(model: LanguageModel, season: int, horizon: int, seed: int, series: Sequence[Floats]) -> Floats:
    """Return the medians of futures that `model` draws, character by character: NaN for a series that it cannot read.

    Each character adds a change to the value a season before. N series -> [N, horizon]
    """
    found = np.full((len(series), horizon), np.nan)
    usable = np.flatnonzero([scale_of(values, season) > 0 for values in series])
    bins, allowed = learned_bins(model)
    read_as, opening = read_as_ids(bins, allowed), model.writer(Sampling()).prompt("").ids
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
        paths = [_added_up(values, season, one) for values, one in zip(group, changes, strict=True)]
        found[usable[at : at + GROUP]] = np.median(np.stack(paths), axis=1)
    return found


def learned_bins(model: LanguageModel) -> tuple[NDArray[np.int64], Ids]:
    """Return the bins whose characters training has seen, in rising order, and their ids. [A], [A]"""
    unseen = set(model.unseen_characters(CHARACTERS))
    bins = [k for k, character in enumerate(CHARACTERS) if character not in unseen]
    return np.array(bins), model.tokenizer.encode(CHARACTERS)[bins]


def read_as_ids(bins: NDArray[np.int64], ids: Ids) -> Ids:
    """Return the id as which each of the 256 bins is read: that of the nearest learned one. [A], [A] -> [256]"""
    return np.asarray(ids[np.abs(np.arange(BINS)[:, None] - bins).argmin(axis=1)])


def _added_up(values: Floats, season: int, changes: Floats) -> Floats:
    """Return the values that follow `values`, given their changes [paths, h] from a season before."""
    paths = np.empty_like(changes)
    before: Floats = np.broadcast_to(values[-season:], (len(changes), season))
    for at in range(0, changes.shape[1], season):
        part = changes[:, at : at + season]
        before = before[:, : part.shape[1]] + part
        paths[:, at : at + season] = before
    return paths


def rounded(values: Floats) -> Floats:
    """Return `values` with seven significant digits: more would be the noise of sampling and of adding up."""
    with np.errstate(divide="ignore"):
        places = 10.0 ** np.clip(6 - np.floor(np.log10(np.abs(values))), -300, 300)
    return np.asarray(np.where(values == 0, 0.0, np.round(values * places) / places))
