"""Bands around forecasts, from the errors of a backtest: conformal, by step ahead, phase of the season and series.

An error is modelled as a product of four factors:

    the size of a series' errors · growth by step ahead · factor of the phase of the season · a number

The quantiles of the numbers are taken over all series. Letters: N series, K cut-offs, h steps, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from afterword.series.tokens import Floats

SHRUNK = (2.0, 0.5, 8.0)  # the mean over all series counts as this many cut-offs of one: the default, then others
PHASE_SHRUNK = 8.0  # values of a phase that the mean over all phases counts as
LEAST = 0.01  # of a series' usual change: no band around what is not constant has no width
UNTESTED = 2.0  # usual changes, up to which errors are assumed at the first step where nothing was tested
FEW = 2.0  # bands are wider by this divided by the number of trials: few show too little of the spread


def offsets(
    errors: Floats,
    cuts: Sequence[int],
    scales: Floats,
    season: int,
    quantiles: Sequence[float],
    at: int = 0,
    shrunk: float = SHRUNK[0],
) -> Floats:
    """Return the quantiles of how far the truth exceeds a forecast, and the mean last. [N, K, h] -> [Q + 1, N, h]

    `errors` are NaN where nothing was tested. The forecast begins `at` values before the end, as `cuts` count. `scales`
    are the usual changes of the series, 0 for constant ones. [N] `shrunk` is as in `SHRUNK`.
    """
    steps = np.arange(errors.shape[2])
    if not scales.any():
        return np.zeros((len(quantiles) + 1, len(errors), len(steps)))
    if np.isnan(errors).all():
        cuts, assumed = [0] * 41, np.linspace(-UNTESTED, UNTESTED, 41)[:, None]
        errors = scales[:, None, None] * assumed * np.sqrt(1 + steps)
    trials = (~np.isnan(errors)).any(axis=2).sum(axis=1)
    own, known = np.abs(errors).mean(axis=2), np.where(scales > 0, scales, np.nan)
    shared = np.nanmean(own / known[:, None])
    size = (np.nansum(own, axis=1) + shrunk * shared * scales) / (trials + shrunk)
    size = np.maximum(size, LEAST * scales)
    numbers = errors / np.where(size > 0, size, np.nan)[:, None, None]  # [N, K, h]
    mean = np.nanmean(np.abs(numbers), axis=(0, 1)) + LEAST
    power = np.polyfit(np.log1p(steps), np.log(mean), 1)[0] if len(steps) > 1 else 0.0
    growth = (1.0 + steps) ** np.clip(power, 0.0, 1.0)
    numbers = numbers / growth
    phases = (steps - np.array(cuts, np.int64)[:, None]) % season  # [K, h]
    each = np.broadcast_to(phases, errors.shape)[~np.isnan(numbers)]
    found = np.abs(numbers[~np.isnan(numbers)])
    counts = np.bincount(each, minlength=season) + PHASE_SHRUNK
    factors = (np.bincount(each, found, season) + PHASE_SHRUNK * found.mean()) / counts + LEAST
    numbers = numbers / factors[phases]
    sides = [*np.nanquantile(numbers, quantiles) * (1 + FEW / max(1, trials.sum())), np.nanmean(numbers)]
    least = LEAST * (np.array([*quantiles, 0.5]) - 0.5)
    width = size[:, None] * growth * factors[(steps - at) % season]  # [N, h]
    return np.asarray(np.nan_to_num(sides)[:, None, None] * width + least[:, None, None] * scales[:, None])
