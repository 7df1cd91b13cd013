"""The seasonal naive forecast: the last season repeats. A model has to beat it."""

from __future__ import annotations

import numpy as np

from afterword.series.tokens import Floats

ALIGNED = 8  # seasons of differences; with fewer, what a path draws may begin in any phase


def seasonal_naive(values: Floats, season: int, horizon: int) -> Floats:
    """Return the last `season` of `values`, repeated; with less than a season, the last value. [n] -> [horizon]"""
    season = season if len(values) >= season else 1
    return np.resize(values[-season:], horizon)


def seasonal_naive_paths(
    values: Floats, season: int, horizon: int, paths: int, generator: np.random.Generator
) -> Floats:
    """Return sampled futures of `values` around the seasonal naive forecast. [n] -> [paths, horizon]

    Each season of a path differs from the one before it as a drawn season of the history differs from its predecessor.
    These differences are drawn in blocks of a season, so that errors stay correlated. They add up, so that the spread
    grows with the seasons ahead. The sign of a block is drawn too, so that the median is the naive forecast. With fewer
    than `ALIGNED` seasons of differences, a block may begin anywhere in the season. The paths of constant values are
    constant.
    """
    season = season if len(values) > season else 1
    differences = values[season:] - values[:-season] if len(values) > season else np.zeros(1)
    ahead, blocks = -(-horizon // season), len(differences) // season
    if blocks >= ALIGNED:
        starts = len(differences) - season * generator.integers(1, blocks + 1, size=(paths, ahead))
    else:
        starts = generator.integers(len(differences), size=(paths, ahead))
    places = (starts[..., None] + np.arange(season)) % len(differences)
    signs = generator.choice([-1.0, 1.0], size=(paths, ahead, 1))
    errors = np.cumsum(signs * differences[places], axis=1).reshape(paths, -1)[:, :horizon]
    return np.asarray(seasonal_naive(values, season, horizon) + errors)
