"""The methods that forecast a series from its values so far, and the seasons with which each is tried.

last, naive, average, median       written here: they repeat the last value, season, average season or usual value
ets, theta, ces, arima, croston    statsforecast's: exponential smoothing (also complex), Theta, ARIMA, Croston's method
mstl                               statsforecast's: ets on what several or long seasons leave, also of logarithms
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from afterword.series.tokens import Floats

Method = Callable[[Floats, int], Floats]  # from the values of a series and a horizon to their forecast

SIMPLE = ("last", "naive", "average", "median")
LIBRARY = {"ets": "AutoETS", "theta": "AutoTheta", "ces": "AutoCES", "arima": "AutoARIMA"}
METHODS = (*SIMPLE, *LIBRARY, "croston", "mstl")
AVERAGED = 4  # seasons
USUAL = 56  # values, whose median is the usual one
SHORT = 24  # the longest season that smoothing and ARIMA can follow; MSTL takes out longer ones
RECENT = 1000  # values, or six seasons if that is more, from which statsforecast's methods learn
MANY_ZEROS = 0.3  # of the values
CHANCE = 0.001  # of a phase with always the same value
EXACT = 1e-9  # of the largest value: what rounding leaves
CYCLE = 0.3  # the least autocorrelation after a cycle
MOST_FITTED = 2_000_000  # values to fit, at most, at all cut-offs, by all of the library: about ten minutes
AFFORDABLE = {"arima": 10_000, "ets": 55_000, "theta": 300_000, "logs": 300_000}  # the same for some


def candidates(series: Sequence[Floats], seasons: Sequence[int], fits: int) -> dict[str, Method]:
    """Return the candidates for series whose patterns may repeat after `seasons`, the simplest first, by name.

    Each will be fitted to `fits` values. A name has the method and its seasons.
    """
    found: dict[str, Method] = {"last": partial(seasonal, 1, 1)}
    for season in seasons:
        found[f"naive {season}"] = partial(seasonal, season, 1)
        found[f"average {season}"] = partial(seasonal, season, AVERAGED)
    if zeros := has_many_zeros(series):
        found["median"] = lambda values, horizon: np.full(horizon, np.median(values[-USUAL:]))
    if importlib.util.find_spec("statsforecast") is None or fits > MOST_FITTED:
        return found
    from statsforecast import models

    short = next((season for season in seasons if season <= SHORT), 1)
    shown = f" {short}" if short > 1 else ""
    for method, name in LIBRARY.items():
        if fits <= AFFORDABLE.get(method, fits):
            found[method + shown] = partial(_fitted, partial(getattr(models, name), season_length=short), short, False)
    if zeros:
        found["croston"] = partial(_fitted, models.CrostonSBA, short, False)
    if seasons:
        name = "mstl " + "/".join(map(str, seasons))
        rest = partial(models.AutoETS, model="ZZN")
        mstl = partial(_fitted, lambda: models.MSTL([*seasons], trend_forecaster=rest()), seasons[-1])
        found[name] = partial(mstl, False)
        if fits <= AFFORDABLE["logs"] and all(values.min() > 0 for values in series):
            found[f"{name} of logs"] = partial(mstl, True)
    return found


def why_missing(method: str, series: Sequence[Floats], seasons: Sequence[int], horizon: int, fits: int) -> str:
    """Return why `method` is not among the candidates, for a horizon and what `candidates` takes."""
    most = 0 if method in SIMPLE else AFFORDABLE.get(method, MOST_FITTED)
    if most and importlib.util.find_spec("statsforecast") is None:
        return "needs statsforecast (pip install 'afterword[series]')"
    if most and fits > most:
        return f"takes too long: it would be fitted to {fits:,} values, and at most {most:,} are possible"
    if method in ("median", "croston") and not has_many_zeros(series):
        return f"is for values of which more than {MANY_ZEROS:.0%} are 0"
    few = f"for one of {seasons[0]:,} and a horizon of {horizon:,}" if seasons else "to show one (`season` gives it)"
    return f"needs a season above 1, and {max(map(len, series)):,} values are too few {few}"


def seasonal(season: int, averaged: int, values: Floats, horizon: int) -> Floats:
    """Return the average of the last seasons of `values`, repeated; if there is less than a season, the last value."""
    season = season if len(values) >= season else 1
    count = min(averaged, len(values) // season)
    return np.resize(values[-count * season :].reshape(count, season).mean(axis=0), horizon)


def _fitted(make: Callable[[], Any], season: int, logs: bool, values: Floats, horizon: int) -> Floats:
    """Return the forecast of a model of statsforecast, or the last season: the library fails in many ways."""
    known = values[-max(RECENT, 6 * season) :]
    try:
        answer = make().forecast(y=np.log(known) if logs else known, h=horizon)["mean"]
        answer = np.asarray(np.exp(answer) if logs else answer, np.float64)
    except Exception:
        answer = np.full(horizon, np.nan)
    reach = np.abs(values).max() * 100  # further than this is a failure too
    return answer if (np.abs(answer) <= reach).all() else seasonal(season, 1, values, horizon)


def has_many_zeros(series: Sequence[Floats]) -> bool:
    return bool(np.mean([(values == 0).mean() for values in series]) > MANY_ZEROS)


def forecast_all(tried: Sequence[Method], series: Sequence[Floats], season: int, horizon: int) -> Floats:
    """Return the forecasts of N series by C candidates, with what is certain by `fixed_phases`. [C, N, horizon]"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [method(values, horizon) for method, values in product(tried, series)]
    fixed = np.stack([fixed_phases(values, season, horizon) for values in series])
    return np.where(np.isnan(fixed), np.reshape(found, (len(tried), len(series), horizon)), fixed)


def fixed_phases(values: Floats, season: int, horizon: int) -> Floats:
    """Return the next values that are certain, such as 0 on Sundays, and NaN for others. [n] -> [horizon]

    A value is certain if its phase of the season has always had it, and other phases too rarely for this to be chance.
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
    """Return the number of values after which undated series repeat, by autocorrelation of the longest; 0 if weak."""
    values = max(series, key=len)[-RECENT:]
    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 1), steps)
    if np.abs(rest).max() <= EXACT * np.abs(values).max():
        return 0
    found = np.correlate(rest, rest, "full")[len(rest) - 1 :][: len(rest) // 3] / (rest @ rest)
    below = int((found >= 0).argmin())
    best = below + int(found[below:].argmax()) if below else 0
    return best if best and found[best] > CYCLE else 0
