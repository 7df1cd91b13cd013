"""The methods that forecast a series from its values so far: a table, and the candidates that it has for some series.

From `METHODS` come the choices of `--method`, why one is missing, and the table of methods in docs/forecast.md. Some
are written here, and others are statsforecast's.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from itertools import groupby, product
from typing import Literal, NamedTuple

import numpy as np

from afterword.wings.series.table import Floats

SHORT = 24  # the longest season that smoothing and ARIMA can follow; MSTL takes out longer ones
RECENT = 1000  # values, or six seasons if that is more, from which a library's methods learn
MANY_ZEROS = 0.3  # of the values
CHANCE = 0.001  # of a phase with always the same value
EXACT = 1e-9  # of the largest value: what rounding leaves
CYCLE = 0.3  # the least autocorrelation after a cycle
MOST_FITTED = 2_000_000  # values to fit, at most, at all cut-offs, by all of a library: about ten minutes
MOST_LOGS = 300_000  # the same of logarithms

Seasons = tuple[int, ...]


class Method(NamedTuple):
    """A way to forecast a series from its values so far."""

    about: str
    """What it is, in a few words."""
    forecast: Callable[[Floats, int, Seasons], Floats]
    """The function from values [n], a horizon h and seasons to the forecast [h]."""
    tried: Literal["once", "each", "short", "all"] = "once"
    """Once without seasons, or with each season, a short one (or 1), or all together."""
    zeros: bool = False
    """Whether it is for values of which many are 0, and no others."""
    library: str = ""
    """The package that it needs."""
    most: int | None = None
    """The most values that it can be fitted to, if it is slower than others of a library."""
    logs: bool = False
    """Whether it is tried with logarithms too."""

    def lacks(self, series: Sequence[Floats], fits: int) -> str:
        """Return why it cannot forecast `series` if it is fitted to `fits` values, or ""."""
        most = min(MOST_FITTED, self.most or MOST_FITTED)
        if self.library and importlib.util.find_spec(self.library) is None:
            return f"needs {self.library} (pip install 'afterword[series]')"
        if self.library and fits > most:
            return f"takes too long: it would be fitted to {fits:,} values, and at most {most:,} are possible"
        return f"is for values of which more than {MANY_ZEROS:.0%} are 0" * (self.zeros and not has_many_zeros(series))


def seasonal(season: int, averaged: int, values: Floats, horizon: int) -> Floats:
    """Return the average of the last seasons of `values`, repeated; if there is less than a season, the last value."""
    season = season if len(values) >= season else 1
    count = min(averaged, len(values) // season)
    return np.resize(values[-count * season :].reshape(count, season).mean(axis=0), horizon)


def of_library(name: str, **given: float) -> Callable[[Floats, int, Seasons], Floats]:
    """Return the function of a model of statsforecast with settings, for one season or none."""

    def forecast(values: Floats, horizon: int, seasons: Seasons) -> Floats:
        from statsforecast import models

        model = getattr(models, name)(**given, **({"season_length": seasons[0]} if seasons else {}))
        return np.asarray(model.forecast(y=values, h=horizon)["mean"], np.float64)

    return forecast


def mstl(values: Floats, horizon: int, seasons: Seasons) -> Floats:
    """Return the forecast by MSTL of statsforecast."""
    from statsforecast import models

    model = models.MSTL([*seasons], trend_forecaster=models.AutoETS(model="ZZN"))
    return np.asarray(model.forecast(y=values, h=horizon)["mean"], np.float64)


LIBRARY = "statsforecast"
METHODS = {  # the simplest first
    "last": Method("the last value", lambda values, h, _: seasonal(1, 1, values, h)),
    "naive": Method("the last season", lambda values, h, seasons: seasonal(seasons[0], 1, values, h), "each"),
    "average": Method("the average of the last 4 seasons", lambda y, h, seasons: seasonal(seasons[0], 4, y, h), "each"),
    "median": Method("the median of the last 56 values", lambda y, h, _: np.full(h, np.median(y[-56:])), zeros=True),
    "mean": Method("the mean of all values", lambda values, h, _: np.full(h, values.mean()), zeros=True),
    "ets": Method("exponential smoothing", of_library("AutoETS"), "short", library=LIBRARY, most=55_000),
    "theta": Method("Theta", of_library("AutoTheta"), "short", library=LIBRARY, most=300_000),
    "ces": Method("complex exponential smoothing", of_library("AutoCES"), "short", library=LIBRARY),
    "arima": Method("ARIMA", of_library("AutoARIMA"), "short", library=LIBRARY, most=10_000),
    "croston": Method("Croston's method", of_library("CrostonSBA"), zeros=True, library=LIBRARY),
    "tsb": Method("Croston by TSB", of_library("TSB", alpha_d=0.03, alpha_p=0.03), zeros=True, library=LIBRARY),
    "adida": Method("smoothing of sums over longer steps (ADIDA)", of_library("ADIDA"), zeros=True, library=LIBRARY),
    "mstl": Method("exponential smoothing after removing the seasons (MSTL)", mstl, "all", library=LIBRARY, logs=True),
}


class Candidate(NamedTuple):
    """A method with the seasons with which it is tried."""

    method: Method
    seasons: Seasons
    season: int
    """The one that is repeated if the method fails."""
    logs: bool = False

    def __call__(self, values: Floats, horizon: int) -> Floats:
        """Return the forecast of `values`, or the last season if the method fails: a library fails in many ways."""
        known = values[-max(RECENT, 6 * self.season) :] if self.method.library else values
        try:
            answer = self.method.forecast(np.log(known) if self.logs else known, horizon, self.seasons)
            answer = np.exp(answer) if self.logs else answer
        except Exception:
            answer = np.full(horizon, np.nan)
        reach = np.abs(values).max() * 100  # further than this is a failure too
        return answer if (np.abs(answer) <= reach).all() else seasonal(self.season, 1, values, horizon)


def candidates(series: Sequence[Floats], seasons: Sequence[int], fits: int) -> dict[str, Candidate]:
    """Return the candidates for series whose patterns may repeat after `seasons`, the simplest first, by name.

    Each will be fitted to `fits` values. A name has the method and its seasons.
    """
    short = next((season for season in seasons if season <= SHORT), 1)
    ways: dict[str, list[Seasons]] = {
        "once": [()],
        "each": [(one,) for one in seasons],
        "short": [(short,)],
        "all": [(*seasons,)] * bool(seasons),
    }
    able = {name: method for name, method in METHODS.items() if not method.lacks(series, fits)}
    has_logs = fits <= MOST_LOGS and all(values.min() > 0 for values in series)
    found = dict[str, Candidate]()
    for tried, names in groupby(able, key=lambda name: able[name].tried):
        for those, name in product(ways[tried], [*names]):
            shown = f"{name} {'/'.join(str(season) for season in those if season > 1)}".rstrip()
            found[shown] = Candidate(able[name], those, [short, *those][-1])
            if able[name].logs and has_logs:
                of_logs = able[name]._replace(most=MOST_LOGS)
                found[f"{shown} of logs"] = found[shown]._replace(method=of_logs, logs=True)
    return found


def is_simple(name: str) -> bool:
    """Return whether the candidate of this `name` needs no library and no network."""
    method = METHODS.get(name.split()[0])
    return method is not None and not method.library


def zeros_in(series: Sequence[Floats]) -> Floats:
    """Return the fraction of each series' values that are 0. [N]"""
    return np.array([(values == 0).mean() for values in series])


def has_many_zeros(series: Sequence[Floats]) -> bool:
    return bool(zeros_in(series).mean() > MANY_ZEROS)


def forecast_all(tried: Sequence[Candidate], series: Sequence[Floats], season: int, horizon: int) -> Floats:
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
