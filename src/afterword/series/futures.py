"""Forecasts of series by each method: sampled paths, and their means and quantiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.generation.paths import sample_paths
from afterword.language_model import LanguageModel
from afterword.model.arrays import Ids
from afterword.series.classical import classical_quantiles
from afterword.series.naive import seasonal_naive, seasonal_naive_paths
from afterword.series.tokens import BINS, CHARACTERS, Floats, bins_of, changes_in, changes_of, scale_of

DECILES = tuple(k / 10 for k in range(1, 10))  # whose losses a backtest averages
PATHS = (200, 1000)  # per series, for many series and for few
ALL_PATHS = 20_000
GROUP = 64  # series whose paths are in memory together


@dataclass(frozen=True, eq=False)
class Futures:
    """Forecasts of N series, h values each."""

    mean: Floats  # [N, h]
    quantiles: dict[float, Floats]  # by level from 0 to 1, [N, h]

    @property
    def median(self) -> Floats:
        return self.quantiles[0.5]

    def replaced(self, which: NDArray[np.bool_], others: Futures) -> Futures:
        """Return these forecasts, with `others` [n] instead of those of the n series in `which` [N]."""

        def both(own: Floats, new: Floats) -> Floats:
            joined = own.copy()
            joined[which] = new
            return joined

        quantiles = {q: both(own, others.quantiles[q]) for q, own in self.quantiles.items()}
        return Futures(both(self.mean, others.mean), quantiles)


class Forecaster:
    """Forecasts `horizon` values of series from their values so far. Their pattern repeats after `season`."""

    def __init__(self, season: int, horizon: int, quantiles: Sequence[float], seed: int) -> None:
        self.season, self.horizon, self._seed = season, horizon, seed
        self._quantiles = sorted({0.5, *quantiles})

    def naive(self, series: Sequence[Floats]) -> Futures:
        """Return the seasonal naive forecasts, with the quantiles of sampled paths around them."""
        season, h, count = self.season, self.horizon, self._paths(len(series))

        def paths(values: Floats, k: int) -> Floats:
            generator = np.random.default_rng([self._seed, k])
            return bounded(values, seasonal_naive_paths(values, season, h, count, generator))

        found = self._summed(paths(values, k)[None] for k, values in enumerate(series))
        point = np.stack([seasonal_naive(values, season, h) for values in series])
        # a sampled quantile near the median may be on its other side
        on_its_side = {q: (np.minimum if q < 0.5 else np.maximum)(each, point) for q, each in found.quantiles.items()}
        return Futures(point, {**on_its_side, 0.5: point})

    def lstm(self, model: LanguageModel, series: Sequence[Floats]) -> Futures:
        """Return the forecasts by `model`, whose sampled characters are changes that add up to values."""
        season, h, network = self.season, self.horizon, model.predictor
        bins, allowed = learned_bins(model)
        read_as = read_as_ids(bins, allowed)
        count = self._paths(len(series))
        opening = model.prompt("").ids

        def parts() -> Iterator[Floats]:
            for at in range(0, len(series), GROUP):
                group = series[at : at + GROUP]
                scales = [scale_of(values, season) for values in group]
                lines = [
                    np.concatenate([opening, read_as[bins_of(changes_in(values, season, scale))]])
                    for values, scale in zip(group, scales, strict=True)
                ]
                chosen = sample_paths(network, lines, allowed, h, count, self._seed + at)
                within = np.random.default_rng([self._seed, at]).random(chosen.shape)
                changes = changes_of(bins[chosen], within) * np.array(scales)[:, None, None]
                each = zip(group, changes, strict=True)
                yield np.stack([bounded(values, _added_up(values, season, one)) for values, one in each])

        return self._summed(parts())

    def classical(self, series: Sequence[Floats]) -> dict[str, Futures]:
        """Return the forecasts by AutoETS and AutoTheta; {} if they are not installed, or would take too long."""
        found = classical_quantiles(series, self.season, self.horizon, self._quantiles)
        return {name: Futures(quantiles[0.5], quantiles) for name, quantiles in found.items()}

    def _paths(self, series: int) -> int:
        return int(np.clip(ALL_PATHS // series, *PATHS))

    def _summed(self, parts: Iterable[Floats]) -> Futures:
        """Return the means and quantiles of paths, which come in parts of n series. [n, paths, h] each"""
        means, quantiles = [], []
        for paths in parts:
            means.append(paths.mean(axis=1))
            quantiles.append(np.quantile(paths, self._quantiles, axis=1))
        each = np.concatenate(quantiles, axis=1)
        return Futures(np.concatenate(means), dict(zip(self._quantiles, each, strict=True)))


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


def bounded(values: Floats, paths: Floats) -> Floats:
    """Return `paths`, with values below 0 raised to 0 if the series has none."""
    return np.maximum(paths, 0.0) if values.min() >= 0 else paths


def rounded(values: Floats) -> Floats:
    """Return `values` with seven significant digits: more would be the noise of sampling and of adding up."""
    with np.errstate(divide="ignore"):
        places = 10.0 ** np.clip(6 - np.floor(np.log10(np.abs(values))), -300, 300)
    return np.asarray(np.where(values == 0, 0.0, np.round(values * places) / places))
