"""Forecasts as pictures, by matplotlib: the history, the median, the bands, and the naive forecast to compare with."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afterword.inspection.figures import COLOURS, stacked_axes, write_figure
from afterword.series.forecasts import Forecast, band, spread
from afterword.storage import output
from afterword.web.pages import colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN_IN_PNG, DRAWN_IN_PAGE = 6, 100  # series, at most, evenly spread
HISTORY = 3  # horizons of the history, or seasons if that is more
STYLE = "body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font-family: system-ui, sans-serif; }"
STYLE += " figure { margin: 1rem 0; } svg { width: 100%; height: auto; }"
STYLE += " table { border-collapse: collapse; } td, th { padding: 0.1rem 0.8rem; text-align: right; }"


def write_png(path: Path, found: Forecast) -> None:
    """Draw some of the series, one above another. Raises StorageError."""
    write_figure(_figure(found, spread(len(found.methods), DRAWN_IN_PNG)), png=path)


def write_html(path: Path, found: Forecast) -> None:
    """Write a page with the backtest and a figure per series; it loads nothing. Raises StorageError."""
    total = len(found.methods)
    drawn = spread(total, DRAWN_IN_PAGE)
    parts = [
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n",
        '<meta name=viewport content="width=device-width">\n<title>Forecast</title>\n',
        f"<style>{colours()}{STYLE}</style>\n</head>\n<body>\n<h1>Forecast</h1>\n<p>{html.escape(found.reason)}.</p>\n",
    ]
    if found.backtest is not None:
        head, *rows = found.backtest.table
        parts.append("<table>\n<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>\n")
        parts += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows]
        parts.append("</table>\n")
    if len(drawn) < total:
        parts.append(f"<p>{len(drawn):,} of {total:,} series are drawn, evenly spread.</p>\n")
    for k in drawn:
        drawing = io.BytesIO()
        write_figure(_figure(found, [k]), svg=drawing)
        svg = drawing.getvalue().decode()
        parts.append(f"<figure>{svg[svg.index('<svg') :]}</figure>\n")
    with output(path) as file:
        file.write("".join([*parts, "</body>\n</html>\n"]).encode())


def _figure(found: Forecast, which: Sequence[int]) -> Figure:
    figure, axes = stacked_axes(width=8.0, heights=[2.2] * len(which))
    for axis, k in zip(axes, which, strict=True):
        _draw(axis, found, k)
    axes[0].legend(ncols=6, fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _draw(axis: Any, found: Forecast, k: int) -> None:
    series, futures = found.table.series[k], found.futures
    length = min(len(series.values), max(HISTORY * found.horizon, 2 * found.season))
    following = found.table.calendar.following(series.dates[-1], found.horizon)
    # each line begins at the last known value, to join the history
    last, dates = series.values[-1], np.concatenate([series.dates[-1:], following])
    axis.plot(series.dates[-length:], series.values[-length:], color="black", lw=0.9, label="history")
    axis.plot(dates, [last, *found.naive[k]], ":", color=COLOURS[2], lw=1.1, label="seasonal naive")
    for number, level in enumerate(found.levels):
        low, high = (futures.quantiles[q][k] for q in band(level))
        alpha = 0.35 / (number + 1)
        axis.fill_between(dates, [last, *low], [last, *high], color=COLOURS[0], alpha=alpha, lw=0, label=f"{level:g} %")
    axis.plot(dates, [last, *futures.median[k]], color=COLOURS[0], lw=1.3, label="median")
    axis.set_title(f"{series.name}: {found.methods[k]}".replace("$", r"\$"), fontsize=9, loc="left")
    axis.tick_params(labelsize=7)
    axis.margins(x=0.01)
    axis.grid(alpha=0.3)
