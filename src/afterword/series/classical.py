"""AutoETS and AutoTheta of the package statsforecast, to compare with, if it is installed."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CLASSICAL = ("AutoETS", "AutoTheta")
MOST = 50_000  # values that are fitted, which takes them about a minute


def is_installed() -> bool:
    return importlib.util.find_spec("statsforecast") is not None


def classical_quantiles(
    series: Sequence[Floats], season: int, horizon: int, quantiles: Sequence[float]
) -> dict[str, dict[float, Floats]]:
    """Return the quantiles of each method's forecasts of N series, [N, horizon]; nothing if it is not installed.

    Nothing either for more than `MOST` values, which would take minutes. The point forecast is used as the median.
    """
    if not is_installed() or sum(map(len, series)) > MOST:
        return {}
    import pandas
    from statsforecast import StatsForecast, models

    names = [f"{k:09}" for k in range(len(series))]  # in this order, as the answer is sorted
    frame = pandas.DataFrame(
        {
            "unique_id": np.repeat(names, [len(values) for values in series]),
            "ds": np.concatenate([np.arange(len(values)) for values in series]),
            "y": np.concatenate(series),
        }
    )
    levels = sorted({round(abs(200 * q - 100), 6) for q in quantiles} - {0.0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = StatsForecast([getattr(models, name)(season_length=season) for name in CLASSICAL], freq=1)
        found = engine.forecast(df=frame, h=horizon, level=levels)

    def column(name: str, q: float) -> Floats:
        level = round(abs(200 * q - 100), 6)
        ending = f"-{'lo' if q < 0.5 else 'hi'}-{level:g}" if level else ""
        return np.asarray(found[name + ending], np.float64).reshape(len(series), horizon)

    return {name: {q: column(name, q) for q in quantiles} for name in CLASSICAL}
