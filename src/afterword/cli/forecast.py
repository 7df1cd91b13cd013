"""`afterword forecast [MODEL] FILE`: forecast the series of a table, after a backtest."""

from __future__ import annotations

import dataclasses
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from afterword.cli.options import HTML, NAMED, PATH, PNG, OutputFile, overwrite_option, settings_options
from afterword.cli.output import aligned, note, say, shown, strict_json
from afterword.cli.run_report import show, summary
from afterword.cli.signals import Stop
from afterword.errors import OptionError
from afterword.inspection.figures import check_plot
from afterword.runs.run import Run
from afterword.series.drawing import write_html, write_png
from afterword.series.forecasts import LEVELS, Forecast, ForecastSettings, forecasts, parse_levels
from afterword.series.frames import write_rows
from afterword.series.sheets import without_pyarrow
from afterword.series.table import TIME, Columns

PRINTED = 24  # rows of forecasts
TABLE = OutputFile(".csv", ".parquet")


class Levels(click.ParamType[tuple[float, ...]]):
    """Levels of bands in per cent, as in "80 95" or 80,95."""

    name = "levels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return parse_levels(value)


@click.command()
@click.argument("table", nargs=-1, type=PATH, metavar="[MODEL] FILE")
@settings_options(ForecastSettings, "settings")
@click.option(
    "--levels",
    type=Levels(),
    default=" ".join(f"{level:g}" for level in LEVELS),
    metavar="PERCENT",
    help="the bands to forecast: each should contain that percentage of the values",
)
@settings_options(Columns, "columns")
@click.option("-o", "--out", type=TABLE, metavar="FILE", help="write all forecasts to this .csv or .parquet file")
@click.option("--png", type=PNG, metavar="FILE", help="draw the forecasts")
@click.option("--html", type=HTML, metavar="FILE", help="draw the forecasts in a page, a figure per series")
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
@click.pass_context
def forecast(
    context: click.Context,
    table: tuple[str, ...],
    settings: ForecastSettings,
    levels: tuple[float, ...],
    columns: Columns,
    out: Path | None,
    png: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Forecast every series of the table FILE: CSV or Parquet, long (unique_id, ds, y) or wide (dates, and a column per
    series).

    An LSTM learns from all series together, but not from the last values of each. In a backtest, it and the seasonal
    naive forecast both forecast these values. The better of the two forecasts the future. With a MODEL, made by
    train --series, nothing is trained.
    """
    if len(table) > 2:
        raise OptionError(f"give one table, with a model before it or without, not {len(table)} names")
    if not table:
        raise OptionError("missing FILE: name a table, as in: afterword forecast sales.csv --horizon 24")
    *models, file = table
    if not models and os.path.isdir(file):
        raise OptionError(f"{file} is a folder: name a table too, as in: afterword forecast {file} new.csv")
    if Path(os.path.realpath(file)) in context.meta.get(NAMED, ()):
        raise OptionError(f"{file} is the table itself: name another file to write")
    check_plot(png, html)
    if out and out.suffix.lower() == ".parquet" and not (find_spec("pandas") and find_spec("pyarrow")):
        raise without_pyarrow(str(out))
    found = forecasts(file, settings, columns, levels, models[0] if models else None, _train)
    note(*found.table.notes, *found.notes)
    if out is not None:
        write_rows(out, found.table.form, found.rows)
    if png is not None:
        write_png(png, found)
    if html is not None:
        write_html(html, found)
    if as_json:
        click.echo(strict_json(_record(found)))
        return
    click.echo(found.reason)
    if found.backtest is not None:
        figures = found.backtest.table
        click.echo("\n" + aligned(figures, "<" + ">" * (len(figures[0]) - 1)))
    if out is None:
        click.echo("\n" + _table(found))
    else:
        say(f"wrote {len(found.methods) * found.horizon:,} rows to {out}")


def _train(run: Run) -> None:
    note(*run.take_notes())
    say(summary(run))
    with Stop() as stop:
        show(run, lambda: stop.signal is not None)
    note(*run.take_notes())
    if stop.signal is not None:
        raise KeyboardInterrupt if stop.signal == signal.SIGINT else SystemExit(128 + stop.signal)


def _table(found: Forecast) -> str:
    """Return the first forecasts as a table."""
    rows, total = _records(found, PRINTED), len(found.methods) * found.horizon
    cells = [[f"{cell:.6g}" if isinstance(cell, float) else shown(cell) for cell in row.values()] for row in rows]
    text = aligned([[*rows[0]], *cells], "<<" + ">" * (len(rows[0]) - 3) + "<")
    return text + (f"\n… {total - PRINTED:,} more rows: --out FILE.csv writes all" if total > PRINTED else "")


def _records(found: Forecast, most: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of forecasts, with dates as they are written."""
    rows = found.rows[:most]
    dates = found.table.form.dates.write(rows[TIME].to_numpy())
    records: list[dict[str, Any]] = rows.assign(**{TIME: dates}).to_dict("records")
    return records


def _record(found: Forecast) -> dict[str, object]:
    calendar, backtest = found.table.calendar, found.backtest
    return {
        "horizon": found.horizon,
        "season": found.season,
        "frequency": calendar.name,
        "reason": found.reason,
        "backtest": None
        if backtest is None
        else {
            "series": backtest.series,
            "methods": {name: dataclasses.asdict(figures) for name, figures in backtest.figures.items()},
        },
        "forecasts": _records(found),
        "notes": [*found.table.notes, *found.notes],
    }
