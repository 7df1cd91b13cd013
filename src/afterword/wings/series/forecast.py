"""Forecast the series of a table of numbers: the command, what it prints, and its pictures.

A picture shows the history of some series, the median and the bands.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, asdict, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from afterword.errors import OptionError, check_installed
from afterword.inspection.figures import write_figure
from afterword.operations.operation import Output, Record, Request, argument, operation
from afterword.operations.options import Overwriting
from afterword.operations.work import Work
from afterword.runs.in_words import summary
from afterword.runs.run import Run
from afterword.settings import named_path, setting, settings_class
from afterword.wings.series.forecasts import ForecastSettings, Futures, forecasts
from afterword.wings.series.sheets import NEEDS_PYARROW
from afterword.wings.series.table import as_frame, as_records, stacked, write_rows
from afterword.wings.series.trials import spread
from afterword.wings.series.value_text import SeriesFacts
from afterword.wording import aligned, count_of

PRINTED = 24  # rows of forecasts
DRAWN, HISTORY = 6, 3  # series, at most, evenly spread; horizons before the forecast, or two seasons if that is more


@settings_class()
class Forecast(ForecastSettings, Overwriting, Request):
    """Forecast every series of the table FILE: CSV or Parquet, long (unique_id, ds, y) or wide (dates, and a column per
    series).

    Many methods are tested: each forecasts the last values of every series from those before, at several cut-offs. The
    mean of the best few then forecasts the future. For a large table, one of them is an LSTM that learns from all
    series together. With `keep`, it is always trained if there are enough values, and kept in a folder. If you give
    this folder as DIR before another FILE, its LSTM forecasts FILE, and nothing is trained.

    In Python, FILE is a path, "-", or a frame of pandas or polars. The result is a frame of the same kind, or, for a
    path, the text of a CSV file. The columns are unique_id, ds, mean, median, lo-80, hi-80, … and method.
    """

    example = "forecast sales.csv --horizon 24 --png sales.png"
    first = ("horizon", "out", "keep", "png", "season", "levels", "method", "holidays", "minutes", "overwrite")

    source: Annotated[Any, argument("the table", metavar="[DIR] FILE", least=0)] = ()
    _: KW_ONLY
    out: Output | None = setting("write all rows to this file", default=None, ending=(".csv", ".parquet"), short="o")
    backtest: Output | None = setting(
        "write each value that was tested, and what each method had forecast", default=None, ending=(".csv", ".parquet")
    )
    png: Output | None = setting("draw the forecasts", default=None, ending=(".png",))


class Forecasted(Record, kw_only=True):
    """The forecasts of a table, the reason for their methods, and the backtest."""

    in_json: ClassVar = ("frame", "shown")  # for Python, and for people
    horizon: int
    season: int
    frequency: str
    reason: str
    backtest: dict[str, Any] | None
    unusual: list[dict[str, Any]]
    """The last values, as many as the horizon, that are outside their band of 99 % in the backtest."""
    forecasts: list[dict[str, Any]]
    notes: list[str]
    frame: Any
    shown: str

    def __str__(self) -> str:
        return self.shown

    @property
    def returned(self) -> Any:
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in self.fields().items() if name not in self.in_json}


@operation(Forecast, records=(Forecasted,))
def forecast(request: Forecast, work: Work) -> Any:
    model, source = _named(request)
    named = (request.out, request.backtest, request.png, request.keep)
    out, backtest, png, keep = (None if one is None else Path(one) for one in named)
    if isinstance(source, str) and any(os.path.realpath(one) == os.path.realpath(source) for one in named if one):
        raise OptionError(f"{source} is the table itself: name another file to write")
    if png:
        needs = "a picture of forecasts needs matplotlib and utilsforecast: pip install 'afterword[series,plot]'"
        check_installed(needs, "matplotlib", "utilsforecast")
    for parquet in [one for one in (out, backtest) if one and one.suffix.lower() == ".parquet"]:
        check_installed(NEEDS_PYARROW.format(parquet), "pandas", "pyarrow")

    def train(run: Run, facts: SeriesFacts) -> None:
        work.note(*run.take_notes())
        read, (_, plan) = run.encoded, summary(run.encoded, run.recipe, run.base_name)
        contents = f"{read.documents:,} series ({facts.frequency}, season {facts.season:,})"
        values = f"{read.training_characters:,} values to train on in {contents}"
        work.say(f"table: {values}, {read.validation_characters:,} held out", plan)
        work.train(run, kept=False)

    found = forecasts(source, replace(request, model=model), train)
    notes, rows, form = [*found.table.notes, *found.notes], found.rows, found.table.form
    work.note(*notes)
    for path, written in ((out, rows), (backtest, found.tested if backtest else None)):
        if path is not None and written is not None:
            write_rows(path, form, written)
            work.say(f"wrote {count_of(len(written), 'row')} to {path}")
    if png is not None:
        write_figure(_figure(found, spread(len(found.methods), DRAWN)), png=png)
    if keep is not None and keep.is_dir():
        work.say(f"kept the network: {work.program} forecast {shlex.quote(str(keep))} FILE uses it")

    forecasted, unusual = as_records(form, rows), as_records(form, found.unusual)
    calendar, tested = found.table.calendar, asdict(found.backtest) if found.backtest else None
    facts: Any = {"horizon": found.horizon, "season": calendar.season, "frequency": calendar.name}
    facts |= {"reason": found.reason, "backtest": tested, "unusual": unusual, "forecasts": forecasted, "notes": notes}
    shown = "\n\n".join(_shown(found, unusual, forecasted if out is None else []))
    return Forecasted(**facts, frame=as_frame(form, rows), shown=shown)


def _named(request: Forecast) -> tuple[Any, Any]:
    """Return the model, or None, and the table: the command line names them one after the other."""
    if not isinstance(request.source, tuple):
        return request.model, request.source
    if len(request.source) > 2:
        raise OptionError(f"give one table, with a model before it or without, not {len(request.source)} names")
    if not request.source:
        raise OptionError("missing FILE: name a table, as in: afterword forecast sales.csv --horizon 24")
    *models, file = (named_path("FILE", one) for one in request.source)
    if not models and os.path.isdir(file):
        raise OptionError(f"{file} is a folder: name a table too, as in: afterword forecast {file} new.csv")
    return (models[0] if models else request.model), file


Rows = Sequence[dict[str, Any]]


def _shown(found: Futures, unusual: Rows, rows: Rows) -> Iterator[str]:
    """Yield the parts of the printed answer: the reason, the backtest, and the first of both kinds of rows."""
    yield found.reason
    if found.backtest is not None:
        figures = found.backtest.table
        yield aligned(figures, "<" + ">" * (len(figures[0]) - 1))
    if unusual:
        of = f"{len(unusual):,} of the last {len(found.methods) * found.horizon:,} values"
        yield f"unusual: {of} are outside their 99 % band\n\n{_table(unusual, '>>>', ': --json has all')}"
    if rows:
        yield _table(rows, ">" * (len(rows[0]) - 3) + "<", " rows: --out FILE.csv writes all")


def _table(rows: Rows, sides: str, where: str) -> str:
    """Return the first of `rows`, aligned: names and dates to the left, the others as `sides` says."""
    some = [[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row.values()] for row in rows[:PRINTED]]
    more = f"\n… {len(rows) - PRINTED:,} more{where}" if len(rows) > PRINTED else ""
    return aligned([[*rows[0]], *some], "<<" + sides) + more


def _figure(found: Futures, which: Sequence[int]) -> Any:
    """Return a figure of some series by utilsforecast, which labels the median "forecast"."""
    from utilsforecast.plotting import plot_series

    series = [found.table.series[k] for k in which]
    names, length = [one.name for one in series], max(HISTORY * found.horizon, 2 * found.table.calendar.season)
    history = stacked(names, [one.dates for one in series], {"y": [one.values for one in series]})
    future = found.rows.drop(columns=["mean", "method"])
    drawn = [*future.columns[:2], "forecast", *(f"forecast-{name}" for name in future.columns[3:])]
    future, levels = future.set_axis(drawn, axis="columns"), [f"{level:g}" for level in found.levels]
    return plot_series(history, future, names, max_insample_length=length, level=levels)
