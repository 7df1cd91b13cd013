"""Forecasts by AutoETS and AutoTheta, to compare with, if the package statsforecast is installed."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from afterword.series.frames import stacked
from afterword.series.table import VALUE
from afterword.series.tokens import Floats

CLASSICAL = ("AutoETS", "AutoTheta")
MOST = 50_000  # values, which take about a minute to fit; more are not fitted


def is_installed() -> bool:
    return importlib.util.find_spec("statsforecast") is not None


def classical_quantiles(
    series: Sequence[Floats], season: int, horizon: int, quantiles: Sequence[float]
) -> dict[str, dict[float, Floats]]:
    """Return the quantiles of each method's forecasts of N series, [N, horizon] each.

    Return {} if statsforecast is not installed, or for more than `MOST` values. Leave out a method that cannot forecast
    one of the series. The point forecast is the median.
    """
    if not is_installed() or sum(map(len, series)) > MOST:
        return {}
    from statsforecast import StatsForecast, models

    names = [f"{k:09}" for k in range(len(series))]  # with zeros in front, because the answer is sorted by name
    frame = stacked(names, [np.arange(len(values)) for values in series], {VALUE: series})
    levels = sorted({round(abs(200 * q - 100), 6) for q in quantiles} - {0.0})
    answers = {}
    for name in CLASSICAL:
        # the library raises errors of many kinds for short series; they must not cost the forecast that was trained
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            engine = StatsForecast([getattr(models, name)(season_length=season)], freq=1)
            answers[name] = engine.forecast(df=frame, h=horizon, level=levels)

    def column(name: str, q: float) -> Floats:
        level, start = round(abs(200 * q - 100), 6), f"{name}-{'lo' if q < 0.5 else 'hi'}-"
        title = name
        if level:  # 95 or 95.0 in the title, depending on the version
            (title,) = (each for each in answers[name] if each.startswith(start) and float(each[len(start) :]) == level)
        return np.asarray(answers[name][title], np.float64).reshape(len(series), horizon)

    return {name: {q: column(name, q) for q in quantiles} for name in answers}
