"""Bands around forecasts, from the errors of a backtest: conformal, by step ahead, phase of the season and series.

An error is modelled as a product of four factors:

    the size of a series' errors · growth by step ahead · factor of the phase of the season · a number

The quantiles of the numbers are taken over all series. Letters: N series, K cut-offs, h steps, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from afterword.errors import OptionError
from afterword.wings.series.methods import MANY_ZEROS, zeros_in
from afterword.wings.series.table import Floats
from afterword.wings.series.trials import EXACT, Trials
from afterword.wings.series.value_text import scale_of

SHRUNK = (2.0, 0.5, 8.0)  # the mean over all series counts as this many cut-offs of one: the default, then others
PHASE_SHRUNK = 8.0  # values of a phase that the mean over all phases counts as
LEAST = 0.01  # of a series' usual change: no band is narrower, unless the series is constant
UNTESTED = 2.0  # where nothing was tested, errors at the first step are assumed to be up to this many usual changes
LEVELLED = (0.1, 10.0)  # the least and the greatest change of a level that bands follow
LEVELS = "80 95"  # per cent
FEW = 2.0  # bands are wider by this divided by the number of trials, because few trials show too little spread


Levels = Sequence[float]


def offsets(
    errors: Floats, cuts: Sequence[int], scales: Floats, season: int, quantiles: Levels, at: int, shrunk: float
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
    numbers, phases = numbers / growth, (steps - np.array(cuts, np.int64)[:, None]) % season  # [N, K, h], [K, h]
    each, found = np.broadcast_to(phases, errors.shape)[~np.isnan(numbers)], np.abs(numbers[~np.isnan(numbers)])
    counts = np.bincount(each, minlength=season) + PHASE_SHRUNK
    factors = (np.bincount(each, found, season) + PHASE_SHRUNK * found.mean()) / counts + LEAST
    numbers = numbers / factors[phases]
    sides = [*np.nanquantile(numbers, quantiles) * (1 + FEW / max(1, trials.sum())), np.nanmean(numbers)]
    least = LEAST * (np.array([*quantiles, 0.5]) - 0.5)
    width = size[:, None] * growth * factors[(steps - at) % season]  # [N, h]
    return np.asarray(np.nan_to_num(sides)[:, None, None] * width + least[:, None, None] * scales[:, None])


def banded(
    trials: Trials, point: Floats, past: Floats, quantiles: Levels, shrunk: float, without: int | None, wider: float = 1
) -> Floats:
    """Return the quantiles around the `point` forecasts [N, h], and the mean last, from the errors of the `past` ones.

    If the point forecasts begin at a cut-off, `without` is its number: its own errors are left out. The distances to
    the point are multiplied by `wider`. The median differs from the point only where many values are 0, because the
    errors of a few cut-offs say little about it. [N, K, h] -> [Q + 1, N, h]
    """
    kept, at = [k for k in range(len(trials.cuts)) if k != without], 0 if without is None else trials.cuts[without]
    errors, cuts = (trials.actual - past)[:, kept], [trials.cuts[k] for k in kept]
    positive = np.array([values.min() >= 0 for values in trials.series])[:, None]
    # errors grow with the root of the level, unless there are values below 0
    levels = np.abs(point).mean(axis=1)[:, None] / np.maximum(np.abs(past[:, kept]).mean(axis=2), EXACT)
    errors = errors * np.sqrt(np.where(positive, np.clip(levels, *LEVELLED), 1.0))[:, :, None]
    changes = np.array([scale_of(values, 1) for values in trials.series])
    found = point + wider * offsets(errors, cuts, changes, trials.season, quantiles, at, shrunk)
    if zeros_in(trials.series).mean() <= MANY_ZEROS:
        found += point - found[quantiles.index(0.5)]
    elif all((values % 1 == 0).all() for values in trials.series):  # counts: the ends of bands are counts too
        sides = np.array([*quantiles, 0.5])[:, None, None] - 0.5
        found = np.where(sides < 0, np.floor(found), np.where(sides > 0, np.ceil(found), found))
    return np.asarray(np.clip(found, *trials.bounds))


def parse_levels(levels: str | Levels) -> tuple[float, ...]:
    """Return the levels of bands in per cent, sorted. Text has spaces or commas between them. Raises OptionError."""
    given = levels.replace(",", " ").split() if isinstance(levels, str) else levels
    try:
        found = sorted({float(level) for level in given})
    except (TypeError, ValueError):
        found = [0.0]
    if not all(0 < level < 100 for level in found):
        raise OptionError(f'levels must be numbers above 0 and below 100, as in "80 95", not {str(levels)[:60]}')
    return tuple(found)


def band(level: float) -> tuple[float, float]:
    """Return the two quantiles between which a band of `level` per cent lies."""
    rest = (1 - level / 100) / 2
    return round(rest, 10), round(1 - rest, 10)
