"""A backtest of all candidates at several cut-offs, in time order, and the shares of a forecast that follow from it.

    series ──cut-offs──► each candidate's forecasts ──errors──► shares of the good ones, per series ──► one forecast

Then the measures of forecasts: MASE as the M4 competition defines it, bias, quantile losses, coverage.
Letters: C candidates, N series, K cut-offs, h steps ahead, Q quantile levels. A cut-off counts the values after it in
each series.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.wings.series.methods import (
    ASKED,
    BESIDE,
    MANY_ZEROS,
    METHODS,
    MORE,
    MOST,
    SECONDS,
    Many,
    candidates,
    fitted_values,
    forecast_all,
    is_simple,
    zeros_in,
)
from afterword.wings.series.table import Floats
from afterword.wings.series.value_text import scale_of

DECILES = tuple(k / 10 for k in range(1, 10))  # whose losses a backtest averages
Way = Callable[[Sequence[int], Many], Floats]
"""A function from the indexes of N series, and their values so far, to forecasts by some candidates. [C, N, h]"""
AUTO, LSTM = "auto", "lstm"
TESTED = 100  # series at least, evenly spread; more if the candidates are fast enough
CUT_OFFS, ALL_CUT_OFFS = (3, 6), 40  # for many series and for few; of all series together
WORST = 1.5  # times the error of the best, up to which candidates share a forecast
USUAL = (4.0, 4)  # cut-offs as which the table's errors count for one series; power of 1 / error in shares
MEAN_POWER = 16  # of 1 / squared error, in the shares of methods in a mean
LEAST_TRIALS = 10  # forecasts of a series from a cut-off; with fewer, the usual rule stays
RULES = [USUAL, *product((1.0, 4.0, 16.0), (4, 8, 16))]  # among which the backtest chooses for several series
EXACT = 1e-6  # the error that counts as none
NOISE, SURE = 2.0, 3.0  # standard errors by which another rule must be better, and a simple candidate


@dataclass(frozen=True, eq=False)
class Trials:
    """The forecasts of N series by each candidate, from the series' ends and from each cut-off."""

    series: Many  # [n] each
    names: list[str]  # of the candidates, the simplest first
    season: int  # the shortest; 1 for none
    cuts: list[int]
    actual: Floats  # after each cut-off, [N, K, h]; NaN where a series is too short, or was not tested
    past: Floats  # the forecasts of these values, [C, N, K, h]; NaN where a candidate has none
    future: Floats  # [C, N, h]; NaN where a candidate has none
    allowed: NDArray[np.bool_] | None = None  # the candidates that may share a forecast, [C]; None for all
    bounds: tuple[Any, Any] = (-np.inf, np.inf)  # which nothing leaves; numbers, or [N, 1] each

    @classmethod
    def run(
        cls, series: Many, seasons: Sequence[int], horizon: int, method: str = AUTO, beside: bool = False, *given: Any
    ) -> Trials:
        """Forecast with each candidate, or with those of `method`. `beside` a network, test all series.

        `given` are known columns, [n + h, P] for each series, and the bounds. Raises OptionError without candidates.
        """
        columns, bounds = given or ((), cls.bounds)
        cuts, seasons = _plan_cut_offs([*map(len, series)], horizon, seasons)
        total, count, season = fitted_values(series), len(series), [*seasons, 1][0]
        least = spread(count, TESTED)
        # beside a network, testing all series gains more than slow methods do: M4 hourly has a MASE of 0.817, not 0.936
        fits = total + len(cuts) * (total if beside else fitted_values([series[k] for k in least]))
        seconds = ASKED if method != AUTO else BESIDE if beside else min(MOST, SECONDS + MORE * sum(map(len, series)))
        tried = candidates(series, seasons, fits, seconds, bool(columns))
        left = 1000 * seconds / max(1e-3, sum(one.cost for one in tried.values())) - total
        tested = spread(count, max(len(least), int(count * left / (total * max(1, len(cuts))))))
        # an LSTM is compared with simple ones; the others take minutes
        suits = is_simple if method == LSTM else lambda name: method in (AUTO, name.split()[0])
        if not (tried := {name: one for name, one in tried.items() if suits(name)}):
            why = METHODS[method].lacks(series, fits) or "needs a season above 1 (set `season`)"
            raise OptionError(f"`method` {method} {why}: give another")
        actual = np.full((count, len(cuts), horizon), np.nan)
        for place, cut in enumerate(cuts):
            for k in [k for k in tested if len(series[k]) > cut + 1]:
                actual[k, place] = series[k][len(series[k]) - cut :][:horizon]

        def forecast(some: Sequence[int], before: Many) -> Floats:
            known = [columns[k][: len(one) + horizon] if columns else None for k, one in zip(some, before, strict=True)]
            return forecast_all([*tried.values()], before, season, horizon, known)

        none = np.empty((0, *actual.shape)), np.empty((0, count, horizon))
        return cls(series, [], season, cuts, actual, *none, bounds=bounds).adding([*tried], forecast)

    def adding(self, names: Sequence[str], forecast: Way, latest: int | None = None) -> Trials:
        """Return the trials with further candidates, which are tested at all cut-offs or only at the `latest`."""
        past, every = np.full((len(names), *self.actual.shape), np.nan), range(len(self.series))
        for place, cut in enumerate(self.cuts[:latest]):
            if some := [k for k in every if not np.isnan(self.actual[k, place, 0])]:
                past[:, some, place] = forecast(some, [self.series[k][:-cut] for k in some])
        past = np.clip(past, *(np.expand_dims(bound, -1) for bound in self.bounds))
        future = np.concatenate([self.future, np.clip(forecast(every, self.series), *self.bounds)])
        return replace(self, names=[*self.names, *names], past=np.concatenate([self.past, past]), future=future)

    @cached_property
    def usual(self) -> Floats:
        """The usual error of a candidate at each cut-off. [N, K]"""
        usual = np.nanmedian(np.abs(self.past - self.actual).mean(axis=3), axis=0)
        return np.where(usual > 0, usual, 1.0)

    def errors(self, past: Floats) -> Floats:
        """Return the mean errors of forecasts in units of the `usual` ones. […, N, K, h] -> […, N, K]"""
        return np.asarray(np.abs(past - self.actual).mean(axis=-1) / self.usual)

    @cached_property
    def rule(self) -> tuple[float, int]:
        """The weight of the table's errors, and the power: `USUAL`, unless others are surely better in the backtest."""
        # too few trials, or nearly the same ones
        if len(self.series) == 1 or len(self.cuts) < 2 or 2 * (self.cuts[1] - self.cuts[0]) < self.actual.shape[2]:
            return USUAL
        errors = np.stack([self.errors(self.backtested(WORST, rule)) for rule in RULES])
        errors = errors[:, ~np.isnan(errors).any(axis=0)]
        if errors.shape[1] < LEAST_TRIALS:
            return USUAL
        gains = errors[0] - errors
        surely = gains.mean(axis=1) >= NOISE * gains.std(axis=1) / np.sqrt(gains.shape[1])
        return RULES[int(np.where(surely, errors.mean(axis=1), np.inf).argmin())]

    def shares(self, worst: float = WORST, without: int | None = None, rule: tuple[float, int] | None = None) -> Floats:
        """Return the shares of the candidates in each series' forecast, up to `worst` times the best's error. [C, N]

        Only those that are `allowed` have one. The weight of a series' own errors is its number of cut-offs; that of
        the table's errors comes from the `rule`. The errors of one cut-off may be left out, except for candidates that
        have no others.
        """
        shrunk, power = rule or self.rule
        errors = self.errors(self.past)
        if self.allowed is not None:
            errors[~self.allowed] = np.nan
        if without is not None:
            errors[(~np.isnan(errors)).any(axis=1).sum(axis=1) > 1, :, without] = np.nan
        counts = (~np.isnan(errors)).sum(axis=2)
        found = np.nansum(errors, axis=2) + shrunk * np.nanmean(errors, axis=(1, 2))[:, None]
        found = np.maximum(found / (counts + shrunk), EXACT)
        relative = found / np.nanmin(found, axis=0)
        return np.where(relative <= worst, relative ** -float(power), 0.0)

    def backtested(self, worst: float = WORST, rule: tuple[float, int] | None = None) -> Floats:
        """Return the forecasts from each cut-off with shares that come from the others. [N, K, h]"""
        each = [combine(self.shares(worst, k, rule), self.past[:, :, k]) for k in range(len(self.cuts))]
        return np.stack(each, axis=1)

    def means(self, place: int | None = None) -> Floats:
        """Return forecasts of the mean for series with many zeros, whose median may be 0; NaN for others. [N, h]

        They begin at the cut-off `place`, or at the end. They are a weighted mean of the methods for many zeros, by the
        squared errors at the other cut-offs, because the mean has the smallest. Without cut-offs or such methods, they
        are the mean of the values so far.
        """
        many, end = zeros_in(self.series) > MANY_ZEROS, None if place is None else -self.cuts[place]
        kept = [k for k in range(len(self.cuts)) if k != place] or [0]
        means = [k for k, name in enumerate(self.names) if name in METHODS and METHODS[name].zeros and name != "median"]
        forecasts = self.future if place is None else self.past[:, :, place]
        if self.cuts and means and many.any():
            sizes = np.array([np.square(values).mean() for values in self.series])[many, None, None]
            errors = np.nanmean(np.square(self.past[means] - self.actual)[:, many][:, :, kept] / sizes, axis=(1, 2, 3))
            shares = (np.nanmin(errors) / errors) ** MEAN_POWER
            found = combine(np.repeat(shares[:, None], len(many), axis=1), forecasts[means])
        else:
            found = np.array([[values[:end].mean()] for values in self.series])
        return np.where(many[:, None], np.clip(found, *self.bounds), np.full(forecasts.shape[1:], np.nan))

    def simplest(self, past: Floats) -> list[int]:
        """Return the first simple candidate that is exact, or surely better than the forecasts `past`. [N, K, h]"""
        for k in [k for k, name in enumerate(self.names) if is_simple(name)]:
            own, others = (self.errors(one)[~np.isnan(past[..., 0])] for one in (self.past[k], past))
            gains, enough = others - own, len(own) >= LEAST_TRIALS
            if own.mean() <= EXACT or (enough and gains.mean() >= SURE * gains.std() / np.sqrt(len(gains))):
                return [k]
        return []


def combine(shares: Floats, forecasts: Floats) -> Floats:
    """Return the means of forecasts by shares; NaN where no candidate has one. [C, N], [C, N, h] -> [N, h]"""
    known = np.where(np.isnan(forecasts), 0.0, shares[:, :, None])
    return np.asarray(np.nansum(known * forecasts, axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan))


def _plan_cut_offs(lengths: Sequence[int], horizon: int, seasons: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the cut-offs, the latest first, and the seasons that leave room for them.

    Cut-offs are a horizon apart if the longest series has two of each season before all of them, and closer otherwise.
    The shortest season needs to fit only once, or not at all: then it is not tested, but assumed.
    """
    count = int(np.clip(ALL_CUT_OFFS // len(lengths), *CUT_OFFS))
    least = [(2 * season, kept) for kept, season in enumerate(seasons, 1)][::-1]
    for before, kept in [*least, *((season, 1) for season in seasons[:1]), (0, 1)]:
        room = max(lengths) - max(before + 2, min(8, max(lengths) // 2))
        step = max(1, min(horizon, (room - horizon) // (count - 1)))
        if cuts := [*range(horizon, room + 1, step)][:count]:
            return cuts, [*seasons[:kept]]
    return [], [*seasons[:1]]


def spread(count: int, most: int) -> list[int]:
    """Return the indexes of at most `most` of `count` series, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))


def seasonal_scale(history: Many, season: int) -> Floats:
    """Return each series' mean absolute difference between values a `season` apart. [N]

    It is NaN if the series is constant in that sense, or not longer than the season. A mean absolute error divided by
    it is a MASE as M4 defines it (Makridakis et al., 2020, The M4 Competition, International Journal of Forecasting 36,
    section 2.4).
    """
    return np.array([scale_of(values, season) or np.nan for values in history])


def weighted_quantile_loss(quantiles: Floats, levels: Sequence[float], actual: Floats) -> float:
    """Return the mean over the levels of the weighted quantile loss. [N, Q, h] or [Q, h], [Q], [N, h] or [h]

    The loss of a level q is Σ 2 |(y - f) ((y <= f) - q)| / Σ |y|, with both sums over all series and steps. That is
    `MeanWeightedSumQuantileLoss` of GluonTS (gluonts.ev.metrics), which GIFT-Eval reports with the levels 0.1 to 0.9;
    with the median alone it is the sum of absolute errors over the sum of absolute values. NaN if all values are 0.
    """
    at, actual = np.array(levels)[:, None], actual[..., None, :]
    total, losses = float(np.abs(actual).sum()), 2 * np.abs((actual - quantiles) * ((actual <= quantiles) - at))
    return float(losses.sum() / total / len(at)) if total else float("nan")


def coverage(low: Floats, high: Floats, actual: Floats) -> float:
    """Return the fraction of the actual values from `low` to `high`, both included."""
    return float(((low <= actual) & (actual <= high)).mean())


def bias_of(forecast: Floats, actual: Floats) -> float:
    """Return the sum of forecasts ÷ that of the values, minus 1; NaN if a value is negative or all are 0."""
    known = ~np.isnan(forecast - actual)
    total = float(actual[known].sum())
    return float(forecast[known].sum()) / total - 1 if total > 0 and actual[known].min() >= 0 else float("nan")
