"""Measures of forecasts: MASE and sMAPE as the M4 competition defines them, quantile losses, coverage.

`N` series, `h` steps ahead, `Q` quantile levels. The series' histories may have different lengths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from afterword.series.tokens import Floats, scale_of


def seasonal_scale(history: Sequence[ArrayLike], season: int) -> Floats:
    """Return each series' mean absolute difference between values a `season` apart. [N]

    It is NaN if the series is constant in that sense, or not longer than the season.
    """
    return np.array([scale_of(_floats(values), season) or np.nan for values in history])


def mase(forecast: ArrayLike, actual: ArrayLike, history: Sequence[ArrayLike], season: int) -> Floats:
    """Return each series' mean absolute scaled error. [N, h], [N, h], N histories -> [N]

    The mean absolute error, divided by `seasonal_scale` of the history: M4's definition (Makridakis et al., 2020, The
    M4 Competition, International Journal of Forecasting 36, section 2.4). NaN where that scale is: `average` skips it.
    """
    return np.asarray(np.abs(_floats(forecast) - _floats(actual)).mean(axis=-1) / seasonal_scale(history, season))


def smape(forecast: ArrayLike, actual: ArrayLike) -> Floats:
    """Return each series' symmetric mean absolute percentage error, 0 to 200. [N, h], [N, h] -> [N]

    M4's definition: the mean of 200 |y - f| / (|y| + |f|). A step where both are 0 counts as 0.
    """
    forecast, actual = _floats(forecast), _floats(actual)
    sums = np.abs(forecast) + np.abs(actual)
    return np.asarray(200 * (np.abs(forecast - actual) / np.where(sums == 0, 1, sums)).mean(axis=-1))


def weighted_quantile_loss(quantiles: ArrayLike, levels: ArrayLike, actual: ArrayLike) -> float:
    """Return the mean over the levels of the weighted quantile loss. [N, Q, h] or [Q, h], [Q], [N, h] or [h]

    The loss of a level q is Σ 2 |(y - f) ((y <= f) - q)| / Σ |y|, with both sums over all series and steps. That is
    `MeanWeightedSumQuantileLoss` of GluonTS (gluonts.ev.metrics), which GIFT-Eval reports with the levels 0.1 to 0.9;
    with the median alone it is the sum of absolute errors over the sum of absolute values. NaN if all values are 0.
    """
    at, actual = _floats(levels)[:, None], _floats(actual)[..., None, :]
    quantiles = _floats(quantiles)
    total = float(np.abs(actual).sum())
    losses = 2 * np.abs((actual - quantiles) * ((actual <= quantiles) - at))
    return float(losses.sum() / total / len(at)) if total else float("nan")


def coverage(low: ArrayLike, high: ArrayLike, actual: ArrayLike) -> float:
    """Return the fraction of the actual values from `low` to `high`, both included."""
    actual = _floats(actual)
    return float(((_floats(low) <= actual) & (actual <= _floats(high))).mean())


def average(measures: ArrayLike) -> float:
    """Return the mean of the measures that are numbers; NaN without any."""
    values = _floats(measures)
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
