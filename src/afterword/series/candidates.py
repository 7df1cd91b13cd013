"""The methods that forecast a series from its values so far, and the seasons with which each is tried.

last, naive, average, median       written here: they repeat the last value, season, average season or usual value
ets, theta, ces, arima, croston    statsforecast's: exponential smoothing (also complex), Theta, ARIMA, Croston's method
mstl                               statsforecast's: ets on what remains when several or long seasons are taken out
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from afterword.series.tokens import Floats

SIMPLE = ("last", "naive", "average", "median")
LIBRARY = {"ets": "AutoETS", "theta": "AutoTheta", "ces": "AutoCES", "arima": "AutoARIMA", "croston": "CrostonSBA"}
METHODS = (*SIMPLE, *LIBRARY, "mstl")
AVERAGED = 4  # seasons
USUAL = 56  # values, or two seasons if that is more, whose median is the usual value
SHORT = 24  # the longest season that smoothing and ARIMA can follow; MSTL takes out longer ones
RECENT = 1000  # values, or six seasons if that is more, from which statsforecast's methods learn
MANY_ZEROS = 0.3  # of the values
CHANCE = 0.001  # of a phase with always the same value
CYCLE = 0.3  # the least autocorrelation after a cycle
MOST_FITTED = 2_000_000  # values to fit, at most, at all cut-offs, by all of the library: about ten minutes
AFFORDABLE = {"arima": 20_000, "ets": 100_000}  # the same for the slowest two


def is_installed() -> bool:
    return importlib.util.find_spec("statsforecast") is not None


@dataclass(frozen=True)
class Candidate:
    """A method with the seasons that it repeats, shortest first; (1,) for none."""

    method: str
    seasons: tuple[int, ...] = (1,)
    logs: bool = False  # of logarithms, so that seasons and trends multiply

    @property
    def name(self) -> str:
        seasons = "/".join(f"{season}" for season in self.seasons if season > 1)
        return " ".join(filter(None, ("log" * self.logs, self.method, seasons)))

    @property
    def is_simple(self) -> bool:
        """Whether it needs no fitting."""
        return self.method in SIMPLE

    def forecast(self, values: Floats, horizon: int) -> Floats:
        """Return the forecast of the `horizon` values after `values`. [n] -> [horizon]

        It is the naive one where the method fails: statsforecast raises errors of many kinds for unusual values.
        """
        season = self.seasons[-1]
        if self.method == "last":
            return np.repeat(values[-1:], horizon)
        if self.method == "median":
            return np.full(horizon, np.median(values[-max(USUAL, 2 * season) :]))
        if self.method in ("naive", "average"):
            return seasonal(values, season, horizon, AVERAGED if self.method == "average" else 1)
        known = values[-max(RECENT, 6 * season) :]
        try:
            logs = self.logs and known.min() > 0
            found = self._engine().forecast(y=np.log(known) if logs else known, h=horizon)["mean"]
            answer = np.asarray(np.exp(found) if logs else found, np.float64)
        except Exception:
            answer = np.full(horizon, np.nan)
        reach = np.abs(values).max() * 100  # further than this is a failure too
        return answer if (np.abs(answer) <= reach).all() else seasonal(values, season, horizon)

    def _engine(self) -> Any:
        from statsforecast import models

        if self.method == "mstl":
            return models.MSTL([*self.seasons], trend_forecaster=models.AutoETS(model="ZZN"))
        make = getattr(models, LIBRARY[self.method])
        return make() if self.method == "croston" else make(season_length=self.seasons[-1])


def seasonal(values: Floats, season: int, horizon: int, averaged: int = 1) -> Floats:
    """Return the average of the last seasons of `values`, repeated; with less than a season, the last value."""
    season = season if len(values) >= season else 1
    count = min(averaged, len(values) // season)
    return np.resize(values[-count * season :].reshape(count, season).mean(axis=0), horizon)


def has_many_zeros(series: Sequence[Floats]) -> bool:
    return bool(np.mean([(values == 0).mean() for values in series]) > MANY_ZEROS)


def candidates(series: Sequence[Floats], seasons: Sequence[int], fits: int) -> Iterator[Candidate]:
    """Yield the candidates for series whose patterns may repeat after `seasons`; each is fitted to `fits` values."""
    yield Candidate("last")
    for season in seasons:
        yield Candidate("naive", (season,))
        yield Candidate("average", (season,))
    if zeros := has_many_zeros(series):
        yield Candidate("median")
    if not is_installed() or fits > MOST_FITTED:
        return
    if zeros:
        yield Candidate("croston")
    growing = all(values.min() > 0 for values in series)
    for season in (1, *(season for season in seasons if season <= SHORT)):
        for method in ("ets", "theta", "ces", "arima"):
            if fits <= AFFORDABLE.get(method, fits):
                yield Candidate(method, (season,))
        if growing:
            yield Candidate("theta", (season,), logs=True)
    if seasons:
        for logs in (False, True)[: 1 + growing]:
            yield Candidate("mstl", tuple(seasons), logs)


def forecast_all(tried: Sequence[Candidate], series: Sequence[Floats], horizon: int) -> Floats:
    """Return the forecasts of N series by C candidates. [C, N, horizon]"""
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:  # most of the library computes without the GIL
        warnings.simplefilter("ignore")
        found = [pool.map(partial(one.forecast, horizon=horizon), series) for one in tried]
        return np.stack([np.stack([*each]) for each in found])


def fixed_phases(values: Floats, season: int, horizon: int) -> Floats:
    """Return the next values that are certain, such as 0 on Sundays, NaN for others. [n] -> [horizon]

    A phase of the season has always had the same value, which others have too seldom for that to be chance.
    """
    count, found = len(values) // season, np.full(season, np.nan)
    rows = values[len(values) - count * season :].reshape(count, season)
    same = (rows == rows[:1]).all(axis=0)
    if count > 1 and not same.all():
        shares = (rows[:, ~same, None] == rows[0]).mean(axis=(0, 1))
        chance = np.maximum(shares, 1 / rows.size) ** count
        found = np.where(same & (chance < CHANCE), rows[0], np.nan)
    return np.resize(found, horizon)


def cycle_of(series: Sequence[Floats]) -> int:
    """Return the number of values after which undated series repeat, by their autocorrelation; 0 if it is weak."""
    longest = max(map(len, series))
    sums, counts = np.zeros(longest // 3), np.zeros(longest // 3)
    for values in series:
        size = len(values) // 3
        steps = np.arange(len(values))
        rest = values - np.polynomial.Polynomial.fit(steps, values, 1)(steps) if size > 3 else values[:0]
        power = np.abs(np.fft.rfft(rest, 2 * len(values))) ** 2 if rest.any() else np.zeros(1)
        if power.any():
            found = np.fft.irfft(power)[:size]
            sums[:size] += found / found[0]
            counts[:size] += 1
    mean = sums / np.maximum(counts, 1)
    below = np.flatnonzero(mean < 0)
    if not len(below):
        return 0
    best = int(below[0] + mean[below[0] :].argmax())
    return best if mean[best] > CYCLE else 0
