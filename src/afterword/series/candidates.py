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
from itertools import product
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
EXACT = 1e-9  # of the largest value: what rounding leaves
CYCLE = 0.3  # the least autocorrelation after a cycle
MOST_FITTED = 2_000_000  # values to fit, at most, at all cut-offs, by all of the library: about ten minutes
AFFORDABLE = {"arima": 20_000, "ets": 100_000, "theta": 300_000}  # the same for the slowest


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

    def forecast(self, values: Floats, horizon: int) -> Floats:
        """Return the forecast of the `horizon` values after `values`. [n] -> [horizon]

        It is the naive one where the method fails: statsforecast raises errors of many kinds for unusual values.
        """
        season = self.seasons[-1]
        if self.method == "median":
            return np.full(horizon, np.median(values[-max(USUAL, 2 * season) :]))
        if self.method in SIMPLE:
            return seasonal(values, season, horizon, AVERAGED if self.method == "average" else 1)
        known = values[-max(RECENT, 6 * season) :]
        try:
            found = self._engine().forecast(y=np.log(known) if self.logs else known, h=horizon)["mean"]
            answer = np.asarray(np.exp(found) if self.logs else found, np.float64)
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
    season = next((season for season in seasons if season <= SHORT), 1)
    for method in ("ets", "theta", "ces", "arima"):
        if fits <= AFFORDABLE.get(method, fits):
            yield Candidate(method, (season,))
    for logs in (False, True)[: 1 + growing] if seasons else ():
        yield Candidate("mstl", tuple(seasons), logs)


def forecast_all(tried: Sequence[Candidate], series: Sequence[Floats], horizon: int) -> Floats:
    """Return the forecasts of N series by C candidates. [C, N, horizon]"""
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:  # most of the library computes without the GIL
        warnings.simplefilter("ignore")
        found = [*pool.map(lambda job: job[0].forecast(job[1], horizon), product(tried, series))]
    return np.reshape(found, (len(tried), len(series), horizon))


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
    """Return after how many values undated series repeat, by the autocorrelation of the longest; 0 if that is weak."""
    values = max(series, key=len)[-RECENT:]
    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 1), steps)
    if np.abs(rest).max() <= EXACT * np.abs(values).max():
        return 0
    found = np.correlate(rest, rest, "full")[len(rest) - 1 :][: len(rest) // 3] / (rest @ rest)
    below = int((found >= 0).argmin())
    best = below + int(found[below:].argmax()) if below else 0
    return best if best and found[best] > CYCLE else 0
