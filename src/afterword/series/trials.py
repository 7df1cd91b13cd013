"""A backtest of all candidates at several cut-offs, in time order, and the weights of the best few that follow from it.

    series ──cut-offs──► each candidate's forecasts ──errors──► weights of the best few, per series ──► one forecast

Letters: C candidates, N series, K cut-offs, h steps ahead. A cut-off counts the values after it in each series.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from afterword.series.candidates import Candidate, candidates, fixed_phases, forecast_all
from afterword.series.tokens import Floats

TESTED = 1000  # series, at most, evenly spread
CUT_OFFS = (3, 6)  # for many series and for few
ALL_CUT_OFFS = 40
FEW = (2, 3, 5, 8)  # candidates that may share a forecast: the backtest chooses how many
SHARPNESS = 4  # the power of their errors by which they share
SHRUNK = 4.0  # cut-offs whose evidence the whole table's figures have, for a single series
NOISE = 0.5  # standard errors by which a forecast has to be better than a simple one


@dataclass(frozen=True, eq=False)
class Trials:
    """What each candidate forecasts of N series, from their ends and from each cut-off."""

    names: list[str]  # of the candidates, the simplest first
    simple: int  # of these, candidates that need no fitting
    seasons: list[int]
    cuts: list[int]
    actual: Floats  # after each cut-off, [N, K, h]; NaN where a series is too short, or was not tested
    past: Floats  # the forecasts of these values, [C, N, K, h]; NaN where a candidate has none
    future: Floats  # [C, N, h]; NaN where a candidate has none
    closed: NDArray[np.bool_]  # steps ahead whose phase of the season has always had the same value, [N, h]

    @classmethod
    def run(
        cls,
        series: Sequence[Floats],
        seasons: Sequence[int],
        horizon: int,
        suits: Callable[[Candidate], bool],
        network: Callable[[Sequence[Floats]], Floats] | None = None,
    ) -> Trials | None:
        """Forecast with each candidate that `suits`, and with the `network`, which has seen the values before the first
        cut-off. Return None if there is no candidate.
        """
        total, tested = len(series), spread(len(series), TESTED)
        cuts, seasons = _planned([len(series[k]) for k in tested], horizon, seasons)
        tried = [*filter(suits, candidates(series, seasons, (1 + len(cuts)) * sum(map(len, series))))]
        if not tried:
            return None
        # from their ends, and then those that are tested, from each cut-off
        places = [(k, place) for place, cut in enumerate(cuts) for k in tested if len(series[k]) > cut + 1]
        parts = [*series, *(series[k][: -cuts[place]] for k, place in places)]
        names, found = [one.name for one in tried], forecast_all(tried, parts, horizon)  # [C, M, h]
        if network is not None:
            unseen = total + sum(place == 0 for _, place in places)
            rest = np.full((len(parts) - unseen, horizon), np.nan)
            names, found = [*names, "lstm"], np.stack([*found, np.concatenate([network(parts[:unseen]), rest])])
        fixed = np.stack([fixed_phases(values, seasons[0] if seasons else 1, horizon) for values in parts])
        found = np.where(np.isnan(fixed) | np.isnan(found), found, fixed)
        actual = np.full((total, len(cuts), horizon), np.nan)
        past = np.full((len(names), *actual.shape), np.nan)
        for (k, place), forecast in zip(places, found[:, total:].swapaxes(0, 1), strict=True):
            start = len(series[k]) - cuts[place]
            actual[k, place], past[:, k, place] = series[k][start : start + horizon], forecast
        simple = sum(one.is_simple for one in tried)
        return cls(names, simple, seasons, cuts, actual, past, found[:, :total], ~np.isnan(fixed[:total]))

    @cached_property
    def usual(self) -> Floats:
        """The usual error of a candidate at each cut-off, by which errors are divided. [N, K]"""
        usual = np.nanmedian(np.abs(self.past - self.actual).mean(axis=3), axis=0)
        return np.where(usual > 0, usual, 1.0)

    @cached_property
    def errors(self) -> Floats:
        """The mean absolute errors in units of the `usual` ones. [C, N, K]"""
        return np.asarray(np.abs(self.past - self.actual).mean(axis=3) / self.usual)

    def weights(self, best: int, without: int | None = None) -> Floats:
        """Return the shares of the `best` candidates in each series' forecast. [C, N]

        A series' own errors count as much as it has cut-offs, the whole table's as `SHRUNK`. The errors of one cut-off
        may be left out, except for candidates that have no others.
        """
        several = (~np.isnan(self.errors)).any(axis=1).sum(axis=1) > 1
        out = several[:, None, None] & (np.arange(len(self.cuts)) == without)
        errors = np.where(out, np.nan, self.errors)
        counts = (~np.isnan(errors)).sum(axis=2)
        table = np.nanmean(errors, axis=(1, 2))[:, None]
        found = (np.nansum(errors, axis=2) + SHRUNK * table) / (counts + SHRUNK)
        ranks = np.argsort(np.argsort(found, axis=0, kind="stable"), axis=0)
        return np.where(ranks < best, np.maximum(found, 1e-6) ** -SHARPNESS, 0.0)

    def backtested(self, best: int) -> Floats:
        """Return the forecasts from each cut-off with weights that come from the others. [N, K, h]"""
        each = [combined(self.weights(best, k), self.past[:, :, k]) for k in range(len(self.cuts))]
        return np.stack(each, axis=1)

    def best_few(self) -> int:
        """Return the number of candidates whose mean is the best in the backtest."""
        return min(FEW, key=lambda best: self.error(self.backtested(best)))

    def error(self, past: Floats) -> float:
        """Return the mean error of the forecasts `past` [N, K, h], in units of the `usual` ones."""
        return float(np.nanmean(np.abs(past - self.actual).mean(axis=2) / self.usual))

    def only(self, candidate: int) -> Floats:
        """Return the shares with which one candidate forecasts all series. [C, N]"""
        return np.repeat(np.eye(len(self.names))[candidate][:, None], len(self.actual), axis=1)

    def as_good(self, past: Floats) -> int | None:
        """Return the first simple candidate that the forecasts `past` [N, K, h] are not better than, beyond noise."""
        errors = np.abs(past - self.actual).mean(axis=2) / self.usual
        for k in range(self.simple):
            worse = (self.errors[k] - errors)[~np.isnan(errors)]
            if worse.mean() <= NOISE * worse.std() / np.sqrt(len(worse)):
                return k
        return None


def combined(weights: Floats, forecasts: Floats) -> Floats:
    """Return the means of forecasts by weights; NaN where no candidate has one. [C, N], [C, N, …, h] -> [N, …, h]"""
    shares = weights.reshape(*weights.shape, *[1] * (forecasts.ndim - 2))
    shares = np.where(np.isnan(forecasts), 0.0, shares)
    total = shares.sum(axis=0)
    return np.asarray((shares * np.nan_to_num(forecasts)).sum(axis=0) / np.where(total > 0, total, np.nan))


def _planned(lengths: Sequence[int], horizon: int, seasons: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the cut-offs, the latest first, and the seasons that leave room for them.

    Cut-offs are a horizon apart, if the longest series holds two of each season before all of them, or else nearer. The
    shortest season needs to fit only once.
    """
    count = int(np.clip(ALL_CUT_OFFS // len(lengths), *CUT_OFFS))
    least = [(2 * season, kept) for kept, season in enumerate(seasons, 1)][::-1]
    for before, kept in [*least, *((season, 1) for season in seasons[:1]), (0, 0)]:
        room = max(lengths) - max(before + 2, min(8, max(lengths) // 2))
        step = max(1, min(horizon, (room - horizon) // (count - 1)))
        if cuts := [*range(horizon, room + 1, step)][:count]:
            return cuts, [*seasons[:kept]]
    return [], []


def spread(count: int, most: int) -> list[int]:
    """Return the places of at most `most` of `count` series, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, most).astype(int).tolist()))
