"""`afterword.forecast`: from a table of series to their futures, with a backtest of every candidate.

table ──trials of all candidates at several cut-offs, an LSTM among them where it pays──► weights, errors
  └──► the mean of the best few, or a simple candidate that is as good ──errors of the trials──► bands
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afterword.bars import waiting
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import load_model
from afterword.operations.operation import FOLDER, Output
from afterword.operations.work import Work
from afterword.planning.training_plan import DEFAULT_MINUTES
from afterword.runs.begin import begin
from afterword.runs.run import Run
from afterword.settings import LAST_SEED, setting, settings_class
from afterword.storage import temporary_folder
from afterword.text.documents import source_name
from afterword.wings.series.bands import LEVELS, SHRUNK, Levels, band, banded, parse_levels
from afterword.wings.series.methods import METHODS, WITH_COLUMNS, cycle_of, fixed_phases
from afterword.wings.series.outside import bounds_of, known_columns, with_candidate
from afterword.wings.series.series_network import keep, load_kept, lstm_forecasts
from afterword.wings.series.table import CUTOFF, Columns, Floats, Table, read_table, rounded, stacked
from afterword.wings.series.trials import (
    AUTO,
    DECILES,
    EXACT,
    LSTM,
    WORST,
    Trials,
    bias_of,
    combine,
    coverage,
    seasonal_scale,
    weighted_quantile_loss,
)
from afterword.wings.series.value_text import (
    LEAST_VALUES,
    OnValues,
    SeriesFacts,
    TableText,
    corpus_of,
    scale_of,
)
from afterword.wording import count_of

if TYPE_CHECKING:
    import pandas

Train = Callable[[Run, SeriesFacts], object]
"""A function that trains a run on series of these facts to its end."""
SHOWN, GAIN = 3, 0.98  # candidates named in a row; times the error without known columns, if these gain
USED = "used"  # the row of the forecast that is used, in a backtest
WIDER = 1.2  # the band of 99 % is wider by this divided by the root of the number of trials: few have no rare errors
WIDE = 99.0  # per cent of the values, in the band outside of which the last ones are unusual
PAYS = (20, 100_000, 200)  # series, values, and values per series, at least, if an LSTM is trained without being asked


@settings_class(kw_only=True)
class ForecastSettings(Columns):
    """Settings of a forecast."""

    horizon: int | None = setting(
        "how many values to forecast (default: that of the network in DIR)", default=None, minimum=1, maximum=100_000
    )
    minutes: float = setting("minutes to train an LSTM", default=DEFAULT_MINUTES, above=0, maximum=525_600)
    seed: int = setting("seed of the training and of the sampled paths", default=0, minimum=0, maximum=LAST_SEED)
    season: int | None = setting(
        "a pattern repeats after this many values (default: from the dates)", default=None, minimum=1, maximum=100_000
    )
    method: str = setting("one method, or the mean of the best few", default=AUTO, choices=(AUTO, LSTM, *METHODS))
    holidays: str | None = setting(
        "forecast with this country's public holidays, such as DE or DE-BY", default=None, metavar="COUNTRY"
    )
    bounds: str | None = setting(
        "keep forecasts between these, such as 0,100 or 0,inf; none: no bounds", default=None, metavar="LOW,HIGH"
    )
    levels: Any = setting("the bands to forecast, in per cent of the values", default=LEVELS, metavar="PERCENT")
    keep: Output | None = setting("keep the LSTM in this new folder", default=None, metavar="DIR", ending=FOLDER)
    model: str | os.PathLike[str] | None = None  # only in Python: the folder of an earlier forecast's network
    candidates: Any = ()  # only in Python: objects with fit(frame) and predict(horizon)


@dataclass(frozen=True)
class Figures:
    """The measures of forecasts from several cut-offs. NaN where nothing could be measured."""

    cut_offs: int
    mase: float
    bias: float  # the sum of the forecasts of the mean ÷ that of the values, minus 1
    weighted_quantile_loss: float = math.nan  # this and the next only for the forecast that is used
    coverage: dict[str, float] = field(default_factory=dict)  # the fraction of values within each band, by level


@dataclass(frozen=True)
class Backtest:
    """The figures of each candidate, and of the forecast that is used, over the same series, the best first."""

    series: int
    methods: dict[str, Figures]

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The figures as text, a row per candidate, below the names of the columns."""
        bands = next(iter(self.methods.values())).coverage
        rows: list[tuple[str, ...]] = [("backtest", "cut-offs", "MASE", "bias", *(f"within {band}%" for band in bands))]
        for name, one in self.methods.items():
            within = (_shown(one.coverage.get(band, math.nan), ".0%") for band in bands)
            rows.append((name, f"{one.cut_offs}", _shown(one.mase, ".3f"), _shown(one.bias, "+z.0%"), *within))
        return rows


@dataclass(frozen=True, eq=False)
class Futures:
    """The forecasts of the series of a table, with the method of each and the backtest."""

    table: Table
    levels: tuple[float, ...]
    mean: Floats  # [N, h]
    quantiles: dict[float, Floats]  # by level from 0 to 1, [N, h]
    methods: list[str]  # by series
    trials: Trials
    past: Floats
    """The forecasts of the past by the methods that are used. [N, K, h]"""
    usual: tuple[Floats, Floats] | None
    """The low and the high end of the band of 99 % of the last values, forecast from those before. [N, h] each"""
    backtest: Backtest | None
    reason: str
    """Why these methods, in a sentence."""
    notes: list[str]

    @property
    def horizon(self) -> int:
        """The number of values that are forecast."""
        return len(self.mean[0])

    @property
    def unusual(self) -> pandas.DataFrame:
        """The last values outside their band of 99 %: the columns unique_id, ds, y, lo-99 and hi-99."""
        if self.usual is None:
            return self.rows[:0]
        low, high = (rounded(one)[:, None] for one in self.usual)
        rows = self._after(1, {"y": self.trials.actual, "lo-99": low, "hi-99": high}).drop(columns=CUTOFF)
        noise = EXACT * rows["y"].abs()
        return rows[(rows["y"] < rows["lo-99"] - noise) | (rows["y"] > rows["hi-99"] + noise)]

    @property
    def tested(self) -> pandas.DataFrame:
        """The backtest: unique_id, ds, cutoff (the last date that was known), y, a column per method, and used."""
        if not self.trials.cuts:
            raise OptionError("there are too few values for a backtest: leave `backtest` out")
        each = dict(zip(self.trials.names, self.trials.past, strict=True))
        found = {name: rounded(one) for name, one in {**each, USED: self.past}.items()}
        return self._after(len(self.trials.cuts), {"y": self.trials.actual, **found})

    def _after(self, cuts: int, values: dict[str, Floats]) -> pandas.DataFrame:
        """Return a row for each value that was tested after the first of `cuts` cut-offs. [N, K, h] each"""
        known = ~np.isnan(self.trials.actual[:, :cuts, 0])
        tests = [(self.table.series[k], self.trials.cuts[place]) for k, place in np.argwhere(known)]
        dates = [one.dates[-cut:][: self.horizon] for one, cut in tests]
        cutoffs = [np.repeat(one.dates[-cut - 1], self.horizon) for one, cut in tests]
        columns = {name: list(one[:, :cuts][known]) for name, one in values.items()}
        return stacked([one.name for one, _ in tests], dates, {CUTOFF: cutoffs, **columns})

    @property
    def rows(self) -> pandas.DataFrame:
        """The columns unique_id, ds, mean, median, lo-80, hi-80, … and method."""
        series, calendar = self.table.series, self.table.calendar
        dates = [calendar.following(one.dates[-1], self.horizon) for one in series]
        values = {"mean": self.mean, "median": self.quantiles[0.5]}  # [N, h] each
        least, most = np.minimum(*values.values()), np.maximum(*values.values())  # which each band contains
        for level in self.levels:
            low, high = (self.quantiles[q] for q in band(level))
            values |= {f"lo-{level:g}": np.minimum(low, least), f"hi-{level:g}": np.maximum(high, most)}
        columns = {name: list(rounded(each)) for name, each in values.items()}
        methods = [np.full(self.horizon, method, object) for method in self.methods]
        return stacked([one.name for one in series], dates, {**columns, "method": methods})


def forecasts(source: Any, settings: ForecastSettings, train: Train = lambda run, _: Work().train(run)) -> Futures:
    """Forecast every series of `source`, and return all that is known; `train` trains a run to its end.

    `source` is a path, "-", or a frame of pandas or polars. Raises an InputError for a table or option that cannot be
    used.
    """
    bands, kept, folder = parse_levels(settings.levels), settings.model, settings.keep
    model, facts = (None, None) if kept is None else load_kept(kept)
    if folder and facts:
        raise OptionError(f"`keep` keeps a new network, and that of {kept} exists already: leave one of them out")
    if folder and settings.method not in (AUTO, LSTM):
        raise OptionError(f"`keep` keeps an LSTM, and `method` {settings.method} has none: leave one of them out")
    if not (horizon := settings.horizon or (facts.horizon if facts else 0)):
        raise OptionError("missing horizon: give `horizon` with the number of values to forecast")
    table = read_table(source, settings, settings.season or (facts.season if facts else None))
    series, notes = [one.values for one in table.series], list[str]()
    table = replace(table, columns=known_columns(table, horizon, settings.holidays, notes))
    known = [np.column_stack(each) for each in zip(*table.columns.values(), strict=True)]  # [n + h, P]
    bounds, longest = bounds_of(table, settings.bounds, notes), max(map(len, series))
    _check_fits(table.calendar.name, longest, horizon, settings.season, facts)
    seasons = [settings.season] * (settings.season > 1) if settings.season else table.calendar.seasons_for(longest)
    if not seasons and settings.season is None and (found := cycle_of(series)):
        seasons = [found]
        notes.append(f"the values seem to repeat after {found:,}: if not, give --season 1")
    elif table.calendar.unit == "number" and settings.season is None and not facts:
        notes.append("numbered rows do not show a season: if a pattern repeats after N values, give --season N")
    if facts and horizon > facts.held_out and settings.method in (AUTO, LSTM):
        learned = f"the model has learned from all but the last {facts.held_out:,} values of its own table"
        notes.append(f"{learned}: if this is that table, the backtest on the last {horizon:,} is too favourable")
    facts = facts or SeriesFacts(table.calendar.season, horizon, table.calendar.name)
    why = why_not(series, facts, learned=kept is not None)
    if settings.method == LSTM and why:
        raise OptionError(f"{why}: give another `method`")
    pays = len(series) >= PAYS[0] and sum(map(len, series)) >= max(PAYS[1], PAYS[2] * len(series))
    if why or settings.method not in (AUTO, LSTM):
        model = None
        if folder:
            notes.append(f"no network is kept in {folder}: {why}")
    elif model is None and (pays or folder or settings.method == LSTM):
        corpus = corpus_of(table, facts, source_name(source) if isinstance(source, str | os.PathLike) else "the table")
        with temporary_folder() as temporary:
            training = OnValues.of(corpus, settings.minutes, settings.seed)
            run = begin(corpus.sources, temporary / "run", TableText(corpus), training)
            train(run, facts)
            saved = load_model(run.folder.model)
        if folder:
            keep(saved, facts, Path(folder))
        model = LanguageModel(saved)
    with waiting("forecasting"), warnings.catch_warnings(action="ignore"):  # NumPy's, of means without values
        trials = Trials.run(series, seasons, horizon, settings.method, model is not None, known, bounds)
        if model is not None:
            draw = partial(lstm_forecasts, model, facts.season, horizon, settings.seed)
            trials = trials.adding([LSTM], lambda some, before: draw(before)[None], latest=1)
        for number, mine in enumerate(given if isinstance(given := settings.candidates, Sequence) else [given], 1):
            trials = with_candidate(trials, mine, number, table, notes)
        return _futures(table, trials, bands, settings.method, notes)


def _check_fits(frequency: str, longest: int, horizon: int, season: int | None, facts: SeriesFacts | None) -> None:
    """Raise OptionError for a table unlike the series that a model has learned, or too short. Numbered dates suit all
    models."""
    if facts and season not in (None, facts.season):
        raise OptionError(f"season {season} is not this model's, which is {facts.season}: leave it out")
    if facts and facts.frequency != frequency and "number" not in facts.frequency + frequency:
        raise OptionError(f"the table is {frequency}, and this model has learned {facts.frequency} series: give such")
    for name, length in (("horizon", horizon), ("season", season or 0)):
        if length >= longest:
            has = f"a {name} of {length:,} is too long: the longest series has {longest:,} values"
            raise OptionError(f"{has}; give a smaller --{name}")


def why_not(series: Sequence[Floats], facts: SeriesFacts, learned: bool) -> str:
    """Return why an LSTM cannot forecast these series, or "" if it can. One that has `learned` needs no more."""
    season, held = facts.season, facts.held_out
    if not any(scale_of(values, season) for values in series):
        return f"every series is constant, or has no more values than a season of {season:,}"
    left = sum(max(0, len(values) - season - held) for values in series if scale_of(values[:-held], season))
    if not learned and left < LEAST_VALUES:
        return f"an LSTM needs {LEAST_VALUES} values to learn from, and {left:,} are left after {held:,} are held out"
    return ""


def _futures(table: Table, trials: Trials, levels: tuple[float, ...], method: str, notes: list[str]) -> Futures:
    """Return the forecasts by the good candidates, or by `method`, and add to `notes`."""
    names, total, season = trials.names, len(trials.series), trials.season
    seen = [values[: len(values) - min(trials.cuts, default=0)] for values in trials.series]
    scales = seasonal_scale(seen, table.calendar.season)
    each = {name: _figures(trials, one, scales) for name, one in zip(names, trials.past, strict=True)}
    plain = next((k for k, name in enumerate(names) if name.startswith("naive")), 0)
    chosen = [plain] if not trials.cuts else [names.index(LSTM)] if method == LSTM else []
    if method == AUTO and max(map(len, seen)) <= season > 1:
        # the dates suggest a season, but there are too few values to test it: half of the forecast repeats the last one
        chosen = [k for k, name in enumerate(names) if name in (f"naive {season}", f"regression {season}")]
    uses = np.array([name.endswith(WITH_COLUMNS) for name in names])
    if table.columns and (chosen or not uses.any()):
        notes.append(f"known columns: {', '.join(table.columns)}: no method that is tested uses them")
    if not chosen:
        worst = WORST if method == AUTO else 1.0
        if uses.any():
            errors = np.array([each[name].mase for name in names])
            best, without = np.nanmin(errors[uses]), np.nanmin(errors[~uses])
            gains = best < GAIN * without
            pools = [replace(trials, allowed=some) for some in ((uses, uses | True) if gains else (~uses,))]
            trials = min(pools, key=lambda one: np.nanmean(one.errors(one.backtested(worst))))
            those = ", ".join(table.columns) + ": not used" * (not gains)
            notes.append(f"known columns: {those}; MASE {_shown(best, '.2f')} with, {_shown(without, '.2f')} without")
        shares, past = trials.shares(worst), trials.backtested(worst)
        chosen = trials.simplest(past) if method == AUTO else []
    if chosen:
        shares = np.tile(np.eye(len(names))[chosen].mean(axis=0)[:, None], total)
        past = trials.past[chosen].mean(axis=0)
    point, good = combine(shares, trials.future), [[names[k] for k in np.flatnonzero(one)] for one in shares.T]
    methods = ["+".join(some) if len(some) <= SHOWN else f"mean of {len(some)}" for some in good]
    if (left := np.isnan(point[:, 0])).any():  # the LSTM cannot read them
        point[left] = trials.future[plain][left]
        methods = [names[plain] if out else one for one, out in zip(methods, left, strict=True)]
        those = f"{left.sum():,} of {total:,} series are constant, or no longer than a season"
        notes.append(f"{those}: they are forecast by {names[plain]}")
    fixed = np.stack([fixed_phases(values, season, point.shape[1]) for values in trials.series])
    if closed := (~np.isnan(fixed)).any(axis=1).sum():
        notes.append(f"{closed:,} of {total:,} series repeat a value, such as 0 on each Sunday: so do their forecasts")
    quantiles = sorted({*DECILES, *(q for level in (*levels, WIDE) for q in band(level))})
    backtest, shrunk, usual = None, SHRUNK[0], None
    if trials.cuts:
        ordered = dict(sorted(each.items(), key=lambda pair: (math.isnan(pair[1].mase), pair[1].mase)))
        figures = _figures(trials, past, scales)
        tried = {one: _in_bands(figures, trials, past, quantiles, levels, one) for one in SHRUNK}
        shrunk = min(tried, key=lambda one: (math.isnan(loss := tried[one].weighted_quantile_loss), loss))
        if figures.cut_offs > 1:
            others = (~np.isnan(past[:, 1:]).any(axis=2)).sum()
            last = banded(trials, past[:, 0], past, quantiles, shrunk, 0, wider=1 + WIDER / np.sqrt(others))
            usual = last[quantiles.index(band(WIDE)[0])], last[quantiles.index(band(WIDE)[1])]
        backtest = Backtest(int((~np.isnan(past)).any(axis=(1, 2)).sum()), {USED: tried[shrunk], **ordered})
    reason = _reason(backtest, methods, past - trials.actual)
    *found, mean = np.where(np.isnan(fixed), banded(trials, point, past, quantiles, shrunk, None), fixed)
    by_level, means = dict(zip(quantiles, found, strict=True)), np.where(np.isnan(fixed), trials.means(), np.nan)
    mean = np.where(np.isnan(means), np.clip(mean, by_level[0.1], by_level[0.9]), means)
    if (none := (by_level[0.5] == 0).mean()) > 0.5:
        notes.append(f"the median is 0 in {none:.0%} of the rows, because most values are 0: use the column mean")
    positive = np.array([[values.min() > 0] for values in trials.series])
    if cut := (positive & (by_level[band(levels[-1])[0]] == 0)).any(axis=1).sum():
        notes.append(f"{cut:,} of {total:,} series have bands that end at 0: if values can be negative, give `bounds`")
    return Futures(table, levels, mean, by_level, methods, trials, past, usual, backtest, reason, notes)


def _figures(trials: Trials, past: Floats, scales: Floats) -> Figures:
    """Return the figures of forecasts [N, K, h] without bands."""
    errors = np.abs(trials.actual - past).mean(axis=2)
    cut_offs = int((~np.isnan(errors)).any(axis=0).sum())
    return Figures(cut_offs, float(np.nanmean(errors / scales[:, None])), bias_of(past, trials.actual))


def _in_bands(own: Figures, trials: Trials, past: Floats, quantiles: Levels, levels: Levels, shrunk: float) -> Figures:
    """Add the figures of bands and of the mean, which come from the errors at the other cut-offs. [N, K, h]"""
    known = ~np.isnan(trials.actual - past).any(axis=2)  # [N, K]
    if known.any(axis=0).sum() < 2:
        return replace(own, coverage={f"{level:g}": math.nan for level in levels})
    found = np.stack([banded(trials, past[:, k], past, quantiles, shrunk, k) for k in range(len(trials.cuts))], axis=2)
    each = dict(zip(quantiles, found[:-1, known], strict=True))
    actual, deciles = trials.actual[known], np.stack([each[q] for q in DECILES], axis=1)
    within = {f"{level:g}": coverage(each[band(level)[0]], each[band(level)[1]], actual) for level in levels}
    means = np.stack([trials.means(k) for k in range(len(trials.cuts))], axis=1)  # else the mean is that of the bands
    bias = bias_of(np.where(np.isnan(means), found[-1], means), trials.actual)
    loss = weighted_quantile_loss(deciles, DECILES, actual)
    return replace(own, coverage=within, bias=bias, weighted_quantile_loss=loss)


def _reason(backtest: Backtest | None, methods: Sequence[str], errors: Floats) -> str:
    """Return the first line: the size of the backtest, the error of what was used, and which methods that was."""
    most = max(dict.fromkeys(methods), key=methods.count)
    if backtest is None:
        return f"there are too few values for a backtest: {most} is used"
    used = backtest.methods[USED]
    if not np.nanmax(np.abs(errors)):
        return f"the backtest has no errors: {most} is used"
    where = f"tested at {count_of(used.cut_offs, 'cut-off')} of {backtest.series:,} series"
    shown = f"the {most} methods" if most.startswith("mean") else most
    which = f"each series has its own methods, most often {shown}" if len({*methods}) > 1 else f"{shown} is used"
    if math.isnan(used.mase):
        return f"{where}, which are too short to compare with repeating the last season; {which}"
    return f"{where}, the error is {used.mase:.3f} times that of repeating the last season (MASE); {which}"


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
