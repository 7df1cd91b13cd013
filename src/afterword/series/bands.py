"""Bands around forecasts, from the errors of a backtest: conformal, by step ahead, phase of the season and series.

An error is taken as a product of four factors:

    the size of a series' errors · growth by step ahead · factor of the phase of the season · a number

The quantiles of a series' numbers are shrunk to those of all. Letters: N series, K cut-offs, h steps, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from afterword.series.tokens import Floats

# What the mean over all has as much evidence as, for a single one:
SERIES_SHRUNK = 4.0  # cut-offs of a series
PHASE_SHRUNK = 8.0  # values of a phase
STEP_SHRUNK = 12.0  # values of a step
LEAST = 0.01  # of a series' usual change: no band around what is not constant has no width
UNTESTED = 4.0  # usual changes between the ends of all bands at the first step, without any trial: about a normal law
FEW = 1.5  # bands are wider by this divided by the number of trials: few show too little of the spread


def offsets(
    errors: Floats, cuts: Sequence[int], scales: Floats, season: int, quantiles: Sequence[float], at: int = 0
) -> Floats:
    """Return the quantiles of how far the truth exceeds a forecast, and the mean last. [N, K, h] -> [Q + 1, N, h]

    `errors` are NaN where nothing was tested. The forecast begins `at` values before the end, as `cuts` count. `scales`
    are the usual changes of the series, 0 for constant ones. [N]
    """
    count, _, horizon = errors.shape
    sizes, known, steps = np.abs(errors), ~np.isnan(errors), np.arange(horizon)
    trials = known.any(axis=2).sum(axis=1)
    own = np.nan_to_num(np.nanmean(sizes, axis=(1, 2)))
    shared = np.nan_to_num(np.nanmean(sizes / _positive(scales)[:, None, None]))
    usual = (trials * own + 2 * shared * scales) / (trials + 2)
    usual = _positive(np.maximum(usual, LEAST * scales))
    relative = sizes / _positive(own)[:, None, None]
    growth = _smooth(np.nanmean(relative, axis=(0, 1)), trials.sum(), season)
    phases = (steps - np.array(cuts, np.int64)[:, None]) % season  # [K, h]
    known &= own[:, None, None] > 0
    each, found = np.broadcast_to(phases, errors.shape)[known], (relative / growth)[known]
    sums, counts = (np.bincount(each, weights, season) for weights in (found, None))
    factors = (sums + PHASE_SHRUNK) / (counts + PHASE_SHRUNK)
    numbers = errors / usual[:, None, None] / growth / factors[phases]
    weight = trials / (trials + SERIES_SHRUNK)
    both = (1 - weight) * _summary(numbers.reshape(1, -1), quantiles)  # [Q + 1, N]
    both[:, trials > 0] += weight[trials > 0] * _summary(numbers.reshape(count, -1)[trials > 0], quantiles)
    both[:-1] *= 1 + FEW / max(1, trials.sum())
    width = np.nan_to_num(usual)[:, None] * growth * factors[(steps - at) % season]  # [N, h]
    sides = np.array([*quantiles, 0.5])[:, None, None] - 0.5
    least = np.where(trials.any(), LEAST, UNTESTED * np.sqrt(1 + steps))
    return np.asarray(both[:, :, None] * width + sides * least * scales[:, None])


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)


def _smooth(sizes: Floats, trials: int, season: int) -> Floats:
    """Return the sizes of errors by step ahead, smoothed over a season and shrunk to a straight line; mean 1. [h]"""
    steps, width = np.arange(len(sizes)), min(len(sizes), max(3, season))
    sizes = np.nan_to_num(sizes, nan=1.0) + 1e-9
    padded = np.pad(sizes, (width // 2, width - 1 - width // 2), mode="edge")
    smooth = np.convolve(padded, np.ones(width) / width, "valid")
    line = np.polynomial.Polynomial.fit(steps, sizes, min(1, len(sizes) - 1))(steps)
    found = trials * smooth + STEP_SHRUNK * np.maximum(line, 0.3 * sizes.mean())
    return np.asarray(found / found.mean())


def _summary(numbers: Floats, quantiles: Sequence[float]) -> Floats:
    """Return the quantiles and the mean of each row, 0 where it is all NaN. [N, n] -> [Q + 1, N]"""
    if not numbers.size:
        return np.zeros((len(quantiles) + 1, len(numbers)))
    found = [*np.nanquantile(numbers, quantiles, axis=1), np.nanmean(numbers, axis=1)]
    return np.asarray(np.nan_to_num(np.stack(found)))
