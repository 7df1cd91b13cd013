"""The methods that forecast a series from its values so far: a table, and the candidates that it has for some series.

From `METHODS` come the choices of `--method`, why one is missing, and the table of methods in docs/forecast.md. Some
are written here, and others are statsforecast's.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby, product
from typing import Any, Literal, NamedTuple

import numpy as np

from afterword.wings.series.table import Floats

SHORT, LONG = 24, 168  # the longest season of smoothing and ARIMA, and of MSTL, because longer ones take too long
RECENT, FIT = 500, 40  # values, or six seasons, that a library learns from; values that cost as much as starting a fit
MANY_ZEROS, CHANCE = 0.3, 0.001  # of the values; of a phase with always the same value
EXACT, CYCLE = 1e-9, 0.3  # of the largest value: what rounding leaves; the least autocorrelation after a cycle
# seconds for all methods: the least, more per value, the most; with a network, which takes minutes too; for a named one
SECONDS, MORE, MOST, BESIDE, ASKED = 12.0, 0.0003, 70.0, 240.0, 600.0
LEVELS, SLOPES = (0.02, 0.1, 0.3, 0.6, 0.95), (0.0, 0.1)  # gains of a regression's level; of its slope, times those
DAMPED, HARMONICS = 0.98, 3  # of a slope, per step; waves of a long season, for each time that it fits into the values

Seasons = Sequence[int]
Many = Sequence[Floats]


class Method(NamedTuple):
    """A way to forecast a series from its values so far."""

    about: str
    """What it is, in a few words."""
    forecast: Callable[..., Floats]
    """The function from values [n], a horizon h and seasons to the forecast [h]."""
    tried: Literal["once", "each", "short", "some", "all"] = "once"
    """Once without seasons, or with each season, a short one (or 1), those up to `LONG` together, or all together."""
    zeros: bool = False
    """Whether it is for values of which many are 0, and no others."""
    library: str = ""
    """The package that it needs."""
    cost: float = 0
    """About how many milliseconds a fit takes per value and season; 0 for simple methods."""
    logs: bool = False
    """Whether it is tried with logarithms too."""
    columns: bool = False
    """Whether it takes known columns as a fourth argument, [n + h, P], and is tried with and without."""

    def lacks(self, series: Many, fits: int, seconds: float = ASKED) -> str:
        """Return why it cannot forecast `series` if it is fitted to `fits` values in at most `seconds`, or ""."""
        if self.library and importlib.util.find_spec(self.library) is None:
            return f"needs {self.library} (pip install 'afterword[series]')"
        if self.cost * fits > 1000 * seconds:
            return f"takes too long: about {self.cost * fits / 60_000:,.0f} minutes to fit {fits:,} values"
        few = self.zeros and zeros_in(series).mean() <= MANY_ZEROS
        return f"is for values of which more than {MANY_ZEROS:.0%} are 0" * bool(few)


def seasonal(season: int, averaged: int, values: Floats, horizon: int) -> Floats:
    """Return the average of the last seasons of `values`, repeated; if there is less than a season, the last value."""
    season = season if len(values) >= season else 1
    count = min(averaged, len(values) // season)
    return np.resize(values[-count * season :].reshape(count, season).mean(axis=0), horizon)


def of_library(name: str, **given: float) -> Callable[..., Floats]:
    """Return the function that forecasts by a model of statsforecast with the `given` settings."""

    def forecast(values: Floats, horizon: int, seasons: Seasons, columns: Floats | None = None) -> Floats:
        from statsforecast import models

        length: Any = [*seasons] if name == "MSTL" else seasons[0] if seasons else None
        model = getattr(models, name)(**given, **({"season_length": length} if length else {}))
        past, future = (None, None) if columns is None else np.split(columns, [len(values)])
        return np.asarray(model.forecast(y=values, h=horizon, X=past, X_future=future)["mean"], np.float64)

    return forecast


def regression(values: Floats, horizon: int, seasons: Seasons, *columns: Floats) -> Floats:
    """Return the forecast of a regression on waves of the seasons and known columns, with a level and slope that drift.

    Exponential smoothing is linear. So values, waves and columns are smoothed with the same gains, and a ridge
    regression explains the errors of the values by those of the others (Durbin and Koopman, 2012, Time Series Analysis
    by State Space Methods, section 6.2). The gains that leave the smallest errors are used. A long season has few
    waves, so it takes no longer than a short one.
    """
    count, steps, scale = len(values), np.arange(len(values) + horizon), values.std() or 1.0
    most = [season if season <= SHORT else HARMONICS * count // season for season in seasons]
    turns = [np.arange(1, min(s // 2, k) + 1) / s for s, k in zip(seasons, most, strict=True)]
    angles = 2 * np.pi * np.outer(steps, np.concatenate([[], *turns]))
    known = np.hstack([np.ones((len(steps), 1)), np.sin(angles), np.cos(angles), *columns])
    gains = np.array([(gain, gain * slope) for gain, slope in product(LEVELS, SLOPES)])[:, :, None]  # [A, 2, 1]
    level = slope = np.zeros((len(gains), 1 + known.shape[1]))
    errors = np.empty((count, *level.shape))
    for step, row in enumerate(np.column_stack([values / scale, known[:count]])):
        errors[step] = row - level - DAMPED * slope
        level, slope = row - (1 - gains[:, 0]) * errors[step], DAMPED * slope + gains[:, 1] * errors[step]
    each = np.ascontiguousarray(errors.transpose(1, 2, 0))  # [A, 1 + P, n]
    products = each @ each.transpose(0, 2, 1)
    of, by = products[:, 1:, :1], products[:, 1:, 1:]
    factors = np.linalg.solve(by + np.diag([1e-9] + [1.0] * (known.shape[1] - 1)), of)  # [A, P, 1]
    left = products[:, 0, 0] + (factors * (by @ factors - 2 * of)).sum(axis=(1, 2))  # of the squared errors
    chosen = factors[(best := int(left.argmin())), :, 0]
    end, drift = (one[best, 0] - one[best, 1:] @ chosen for one in (level, slope))
    return np.asarray(scale * (end + drift * np.cumsum(DAMPED ** np.arange(1, horizon + 1)) + known[count:] @ chosen))


LIBRARY, WITH_COLUMNS = "statsforecast", " with columns"  # the latter ends the names of candidates that use them
METHODS = {  # the simplest first
    "last": Method("the last value", lambda y, h, _: seasonal(1, 1, y, h)),
    "naive": Method("the last season", lambda y, h, seasons: seasonal(seasons[0], 1, y, h), "each"),
    "average": Method("the average of the last 4 seasons", lambda y, h, seasons: seasonal(seasons[0], 4, y, h), "each"),
    "median": Method("the median of the last 56 values", lambda y, h, _: np.full(h, np.median(y[-56:])), zeros=True),
    "mean": Method("the mean of all values", lambda y, h, _: np.full(h, y.mean()), zeros=True),
    "ets": Method("exponential smoothing", of_library("AutoETS"), "short", cost=0.35, library=LIBRARY),
    "theta": Method("Theta", of_library("DynamicOptimizedTheta"), "short", cost=0.025, library=LIBRARY),
    "ces": Method("complex exponential smoothing", of_library("AutoCES"), "short", cost=0.03, library=LIBRARY),
    "arima": Method("ARIMA", of_library("AutoARIMA"), "short", cost=6, library=LIBRARY, columns=True),
    "croston": Method("Croston's method", of_library("CrostonSBA"), zeros=True, cost=0.02, library=LIBRARY),
    "tsb": Method("TSB", of_library("TSB", alpha_d=0.03, alpha_p=0.03), zeros=True, cost=0.02, library=LIBRARY),
    "adida": Method("ADIDA, by sums over longer steps", of_library("ADIDA"), zeros=True, cost=0.02, library=LIBRARY),
    "mstl": Method("smoothing by MSTL", of_library("MSTL"), "some", logs=True, cost=0.05, library=LIBRARY),
    "regression": Method("a regression on waves of the seasons", regression, "all", logs=True, cost=0.01, columns=True),
}


class Candidate(NamedTuple):
    """A method with the seasons with which it is tried."""

    method: Method
    seasons: Seasons
    season: int
    """The one that is repeated if the method fails."""
    logs: bool = False
    columns: bool = False

    @property
    def cost(self) -> float:
        """About how many milliseconds a fit takes per value."""
        return self.method.cost * (sum(season > 1 for season in self.seasons) or 0.2)

    def __call__(self, values: Floats, horizon: int, columns: Floats | None = None) -> Floats:
        """Return the forecast of `values`, or the last season if the method fails: a library fails in many ways.

        `columns` are known also for the future. [n + h, P]
        """
        known = values[-max(RECENT, 6 * self.season) :] if self.method.library else values
        more = [columns[-len(known) - horizon :]] if self.columns and columns is not None else []
        with suppress(Exception):
            answer = self.method.forecast(np.log(known) if self.logs else known, horizon, self.seasons, *more)
            answer = np.exp(answer) if self.logs else answer
            if (np.abs(answer) <= np.abs(values).max() * 100).all():  # further than this is a failure too
                return answer
        return seasonal(self.season, 1, values, horizon)


def candidates(series: Many, seasons: Seasons, fits: int, seconds: float, known: bool = False) -> dict[str, Candidate]:
    """Return the candidates for series whose patterns may repeat after `seasons`, the simplest first, by name.

    Each will be fitted to `fits` values. The fastest are chosen first, and those of logarithms last, as long as all
    take at most `seconds`. A name has the method and its seasons. With `known` columns, some are tried twice.
    """
    short = next((season for season in seasons if season <= SHORT), 1)
    ways: dict[str, list[Seasons]] = {
        "once": [()],
        "each": [(one,) for one in seasons],
        "short": [(short,)],
        "some": [tuple(one for one in seasons if one in (seasons[0], LONG) or one < LONG)] * bool(seasons),
        "all": [(*seasons,)] * bool(seasons or known),
    }
    able = {name: method for name, method in METHODS.items() if not method.lacks(series, fits, seconds)}
    has_logs, found = all(values.min() > 0 for values in series), dict[str, Candidate]()
    for tried, names in groupby(able, key=lambda name: able[name].tried):
        for those, name in product(ways[tried], [*names]):
            shown = f"{name} {'/'.join(str(season) for season in those if season > 1)}".rstrip()
            for logs, columns in product({False, able[name].logs and has_logs}, {False, able[name].columns and known}):
                title = shown + " of logs" * logs + WITH_COLUMNS * columns
                found[title] = Candidate(able[name], those, [short, *those][-1], logs, columns)
    by_cost = sorted(found, key=lambda name: (found[name].logs, found[name].cost))
    spent = np.cumsum([found[name].cost * fits / 1000 for name in by_cost])
    return {name: found[name] for name in found if spent[by_cost.index(name)] <= seconds}


def is_simple(name: str) -> bool:
    """Return whether the candidate of this `name` needs no fit, as the last value needs none."""
    return name.split()[0] in METHODS and not METHODS[name.split()[0]].cost


def zeros_in(series: Many) -> Floats:
    """Return the fraction of each series' values that are 0. [N]"""
    return np.array([(values == 0).mean() for values in series])


def fitted_values(series: Many) -> int:
    """Return the values to fit in one fit of each of `series`: the recent ones, and `FIT` for its start."""
    return sum(min(RECENT, len(values)) + FIT for values in series)


def forecast_all(tried: Sequence[Candidate], series: Many, season: int, horizon: int, columns: Sequence[Any]) -> Floats:
    """Return the forecasts of N series by C candidates, with what is certain by `fixed_phases`. [C, N, horizon]"""
    with warnings.catch_warnings(action="ignore"):
        found = [one(values, horizon, known) for one in tried for values, known in zip(series, columns, strict=True)]
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


def cycle_of(series: Many) -> int:
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
