"""`afterword.forecast`: from a table of series to their futures, with a backtest of every method.

table ──train, or a model──► LSTM ──sampled paths──► quantiles
  └──► backtest on the last horizon: the LSTM, the seasonal naive forecast, AutoETS and AutoTheta ──► the method
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afterword.bars import train_shown, waiting
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.planning.training_plan import DEFAULT_MINUTES, TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.run import Run
from afterword.series.frames import stacked
from afterword.series.futures import DECILES, Forecaster, Futures, rounded
from afterword.series.measures import average, coverage, mase, smape, weighted_quantile_loss
from afterword.series.readings import UNREADABLE, check_frequency
from afterword.series.table import Columns, Table, read_table
from afterword.series.table_corpus import LEAST_VALUES, SEASON_HELP, InMemory, SeriesFacts
from afterword.series.tokens import Floats, scale_of
from afterword.settings import SEEDS, Settings, setting

if TYPE_CHECKING:
    import pandas

LSTM, NAIVE = "lstm", "naive"
LEVELS = (80.0, 95.0)
TESTED = 1000  # series, at most, evenly spread, in a backtest


@dataclass(frozen=True, kw_only=True)
class ForecastSettings(Settings):
    """Settings of a forecast."""

    horizon: int | None = setting(
        None, "the number of values to forecast (default: that of the model)", minimum=1, maximum=100_000
    )
    minutes: float = setting(DEFAULT_MINUTES, "minutes of training", above=0, maximum=525_600)
    seed: int = setting(0, "seed of the training and of the sampled paths", **SEEDS)
    season: int | None = setting(None, SEASON_HELP, minimum=1, maximum=100_000)
    method: str = setting(
        "auto",
        "lstm, naive (the last season repeats), or auto: the better of the two in the backtest",
        choices=("auto", LSTM, NAIVE),
    )


@dataclass(frozen=True)
class Figures:
    """The measures of a method's forecasts of the last horizon from the values before it."""

    mase: float
    smape: float
    weighted_quantile_loss: float
    coverage: dict[str, float]  # the fraction of values within each band, by level


@dataclass(frozen=True)
class Backtest:
    """The figures of each method over the same series."""

    series: int
    figures: dict[str, Figures]

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The figures as text, a row per method, below the names of the columns."""
        bands = next(iter(self.figures.values())).coverage
        head = ("backtest", "MASE", "sMAPE", "quantile loss", *(f"within {band}%" for band in bands))
        rows: list[tuple[str, ...]] = [head]
        for name, one in self.figures.items():
            errors = _shown(one.mase, ".3f"), f"{one.smape:.1f}%", _shown(one.weighted_quantile_loss, ".4f")
            rows.append((name, *errors, *(f"{one.coverage[band]:.0%}" for band in bands)))
        return rows

    @property
    def better(self) -> str:
        """The better of the LSTM and the naive forecast, by MASE."""
        naive = self.figures[NAIVE].mase
        return LSTM if LSTM in self.figures and not self.figures[LSTM].mase >= naive else NAIVE


@dataclass(frozen=True, eq=False)
class Forecast:
    """The forecasts of the series of a table, with the method of each and the backtest."""

    table: Table
    season: int
    horizon: int
    levels: tuple[float, ...]
    futures: Futures
    naive: Floats  # [N, h], to compare with
    methods: list[str]  # by series
    backtest: Backtest | None
    reason: str
    """Why these methods, in a sentence."""
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> pandas.DataFrame:
        """The columns unique_id, ds, mean, median, lo-80, hi-80, … and method."""
        series, calendar = self.table.series, self.table.calendar
        dates = [calendar.following(one.dates[-1], self.horizon) for one in series]
        values = {"mean": self.futures.mean, "median": self.futures.median}  # [N, h] each
        for level in self.levels:
            low, high = band(level)
            values |= {f"lo-{level:g}": self.futures.quantiles[low], f"hi-{level:g}": self.futures.quantiles[high]}
        columns = {name: list(rounded(each)) for name, each in values.items()}
        methods = [np.full(self.horizon, method, object) for method in self.methods]
        return stacked([one.name for one in series], dates, {**columns, "method": methods})


def parse_levels(levels: str | Sequence[float]) -> tuple[float, ...]:
    """Return the levels of bands in per cent, sorted. Text has spaces or commas between them. Raises OptionError."""
    given = levels.replace(",", " ").split() if isinstance(levels, str) else levels
    try:
        found = tuple(sorted({float(level) for level in given}))
    except (TypeError, ValueError):
        what = f"not {str(levels)[:60]}"
        raise OptionError(f'levels must be numbers above 0 and below 100, as in "80 95", {what}') from None
    for level in found:
        if not 0 < level < 100:
            raise OptionError(f"a level must be above 0 and below 100 per cent, not {level:g}")
    return found


def forecasts(
    source: Any,
    settings: ForecastSettings,
    columns: Columns,
    levels: str | Sequence[float] = LEVELS,
    model: LanguageModel | str | os.PathLike[str] | None = None,
    train: Callable[[Run], object] = lambda run: train_shown(run, None),
) -> Forecast:
    """Forecast every series of `source`, and return all that is known; `train` trains a run to its end.

    `source` is a path, "-", or a frame of pandas or polars. Raises an InputError for a table or option that cannot be
    used.
    """
    bands = parse_levels(levels)
    if model is not None and not isinstance(model, LanguageModel):
        model = LanguageModel.load(model)
    facts = None if model is None else SeriesFacts.of(model)
    horizon = settings.horizon or (facts.horizon if facts else None)
    if horizon is None:
        raise OptionError("missing horizon: give `horizon` with the number of values to forecast")
    table = read_table(source, columns, settings.season or (facts.season if facts else None))
    if facts and (settings.season or facts.season) != facts.season:
        raise OptionError(f"season {settings.season} is not this model's, which is {facts.season}: leave it out")
    if facts:
        check_frequency(table, facts)
    _check_lengths(table, horizon, settings.season)
    notes = []
    if table.calendar.unit == "number" and settings.season is None and not facts:
        notes.append("numbered rows do not show a season: if a pattern repeats after N values, give --season N")
    if facts and horizon > facts.held_out and settings.method != NAIVE:
        notes.append(
            f"the model has learned from all but the last {facts.held_out:,} values of its own table: "
            f"if this is that table, the backtest on the last {horizon:,} is too favourable"
        )
    facts = facts or SeriesFacts(table.calendar.season, horizon, table.calendar.name)
    why = why_not([one.values for one in table.series], facts, learned=model is not None)
    if settings.method == LSTM and why:
        raise OptionError(f"{why}: give `method` naive")
    if settings.method == NAIVE or why:
        model, why = None, "" if settings.method == NAIVE else why
    elif model is None:
        model = _trained(table, facts, settings, train)
    with waiting("forecasting"):
        quantiles = [*DECILES, *(q for level in bands for q in band(level))]
        forecaster = Forecaster(facts.season, horizon, quantiles, settings.seed)
        found = _answer(table, forecaster, bands, settings.method, model, why)
    return replace(found, notes=[*notes, *found.notes])


def _check_lengths(table: Table, horizon: int, season: int | None) -> None:
    longest = max(len(one.values) for one in table.series)
    for name, length in (("horizon", horizon), ("season", season or 0)):
        if length >= longest:
            has = f"a {name} of {length:,} is too long: the longest series has {longest:,} values"
            raise OptionError(f"{has}; give a smaller --{name}")


def _trained(
    table: Table, facts: SeriesFacts, settings: ForecastSettings, train: Callable[[Run], object]
) -> LanguageModel:
    """Train on the series of `table`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, training = Path(temporary, "run"), TrainingSettings(minutes=settings.minutes, seed=settings.seed)
        train(begin(["the table"], folder, InMemory(table, facts), training))
        return LanguageModel.load(folder)


def why_not(series: Sequence[Floats], facts: SeriesFacts, learned: bool) -> str:
    """Return why an LSTM cannot forecast these series, or "" if it can. One that has `learned` needs no more."""
    season, held = facts.season, facts.held_out
    if not any(scale_of(values, season) for values in series):
        return UNREADABLE.format(season)
    left = sum(max(0, len(values) - season - held) for values in series if scale_of(values[:-held], season))
    if not learned and left < LEAST_VALUES:
        return f"an LSTM needs {LEAST_VALUES} values to learn from, and {left:,} are left after {held:,} are held out"
    return ""


def _answer(
    table: Table, forecaster: Forecaster, levels: tuple[float, ...], method: str, model: LanguageModel | None, why: str
) -> Forecast:
    """Return the forecasts by `method`, or by the better one; `why` is the reason if there is no `model`."""
    all_values, season, horizon = [one.values for one in table.series], forecaster.season, forecaster.horizon
    backtest = _backtest(all_values, forecaster, levels, model)
    chosen = NAIVE if model is None else method
    if chosen == "auto":
        chosen = NAIVE if backtest is None else backtest.better
    naive, usable = forecaster.naive(all_values), np.zeros(len(all_values), np.bool_)
    futures, notes = naive, []
    if chosen == LSTM and model is not None:
        usable = np.array([scale_of(values, season) > 0 for values in all_values])
        some = [values for values, use in zip(all_values, usable, strict=True) if use]
        futures = naive.replaced(usable, forecaster.lstm(model, some))
        if left := int((~usable).sum()):
            those = f"{left:,} of {len(usable):,} series are constant, or no longer than a season"
            notes.append(f"{those}: their forecasts are naive")
    methods, reason = [LSTM if use else NAIVE for use in usable], _reason(method, why, backtest, horizon)
    return Forecast(table, season, horizon, levels, futures, naive.mean, methods, backtest, reason, notes)


def _reason(method: str, why: str, backtest: Backtest | None, horizon: int) -> str:
    used = "the seasonal naive forecast is used"
    if backtest is None:
        return f"{why or 'the series repeat exactly, or are too short for a backtest'}: {used}"
    naive, at = backtest.figures[NAIVE].mase, f"on the last {horizon:,} values"
    if LSTM not in backtest.figures:
        return f"{f'{why}: ' if why else ''}{used}; its MASE is {naive:.3f} {at}"
    lstm = backtest.figures[LSTM].mase
    if f"{lstm:.3f}" == f"{naive:.3f}":
        chosen = "the LSTM" if LSTM in (method, backtest.better) else "the naive forecast"
        return f"the LSTM and the seasonal naive forecast are equally good: MASE {lstm:.3f} {at}; {chosen} is used"
    if backtest.better == LSTM:
        return f"the LSTM is better than the seasonal naive forecast: its MASE is {lstm:.3f}, not {naive:.3f}, {at}"
    better = f"the seasonal naive forecast is better than the LSTM: its MASE is {naive:.3f}, not {lstm:.3f}, {at}"
    return f"{better}; {'it is used' if method != LSTM else 'give --method naive'}"


def _backtest(
    series: Sequence[Floats], forecaster: Forecaster, levels: Sequence[float], model: LanguageModel | None
) -> Backtest | None:
    """Forecast the last horizon of the series from the values before it; None if all are too short or constant."""
    season, h = forecaster.season, forecaster.horizon
    tested = [values for values in series if scale_of(values[:-h], season) > 0]
    if not tested:
        return None
    tested = [tested[k] for k in spread(len(tested), TESTED)]
    before, actual = [values[:-h] for values in tested], np.stack([values[-h:] for values in tested])

    def figures(found: Futures) -> Figures:
        deciles = np.stack([found.quantiles[q] for q in DECILES], axis=1)
        ends = {level: [found.quantiles[q] for q in band(level)] for level in levels}
        return Figures(
            average(mase(found.median, actual, before, season)),
            average(smape(found.median, actual)),
            weighted_quantile_loss(deciles, DECILES, actual),
            {f"{level:g}": coverage(low, high, actual) for level, (low, high) in ends.items()},
        )

    found = {} if model is None else {LSTM: forecaster.lstm(model, before)}
    found |= {NAIVE: forecaster.naive(before), **forecaster.classical(before)}
    return Backtest(len(tested), {name: figures(one) for name, one in found.items()})


def band(level: float) -> tuple[float, float]:
    """Return the two quantiles between which a band of `level` per cent lies."""
    rest = (1 - level / 100) / 2
    return round(rest, 10), round(1 - rest, 10)


def spread(count: int, most: int) -> list[int]:
    """Return the places of at most `most` of `count` series, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, most).astype(int).tolist()))


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
