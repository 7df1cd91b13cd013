"""Forecasts as pictures, by matplotlib: the history, candidates' backtest, the median and the bands."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afterword.inspection.figures import COLOURS, stacked_axes, write_figure
from afterword.series.forecasts import Forecast, band
from afterword.series.trials import spread
from afterword.storage import output
from afterword.web.pages import document, policy, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN_IN_PNG, DRAWN_IN_PAGE = 6, 100  # series, at most, evenly spread
TRIED = 3  # candidates whose backtest is drawn
HISTORY = 3  # horizons of the history, or seasons if that is more
STYLE = "body { max-width: 960px; } figure { margin: 16px 0; } svg { width: 100%; height: auto; }"
STYLE += " td, th { padding: 2px 0 2px 20px; border: 0; text-align: right; } nav { max-height: 8em; overflow: auto; }"
# one figure at a time, chosen by a link: without a script
STYLE += " .one:has(:target) figure:not(:target), .one:not(:has(:target)) figure:not(:first-child) { display: none; }"


def write_png(path: Path, found: Forecast) -> None:
    """Draw some of the series, one above another. Raises StorageError."""
    write_figure(_figure(found, spread(len(found.methods), DRAWN_IN_PNG)), png=path)


def write_html(path: Path, found: Forecast) -> None:
    """Write a page with the backtest and a figure per series; it loads nothing. Raises StorageError."""
    total = len(found.methods)
    drawn = spread(total, DRAWN_IN_PAGE)
    parts = [f"<h1>Forecast</h1>\n<p>{html.escape(found.reason)}.</p>\n"]
    if found.backtest is not None:
        head, *rows = found.backtest.table
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        parts.append(f'<div class="scroll"><table>\n<tr>{cells}</tr>\n')
        parts += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows]
        parts.append("</table></div>\n")
    if len(drawn) < total:
        parts.append(f"<p>{len(drawn):,} of {total:,} series are drawn, evenly spread.</p>\n")
    names = [html.escape(found.table.series[k].name) for k in drawn]
    if len(drawn) > 1:
        links = " · ".join(f'<a href="#s{k}"><bdi>{name}</bdi></a>' for k, name in zip(drawn, names, strict=True))
        parts.append(f"<nav>{links}</nav>\n")
    parts.append('<div class="one">')
    for k in drawn:
        drawing = io.BytesIO()
        write_figure(_figure(found, [k]), svg=drawing)
        svg = drawing.getvalue().decode()
        parts.append(f'<figure id="s{k}">{svg[svg.index("<svg") :]}</figure>\n')
    parts.append("</div>")
    allowed = policy(style_src="'unsafe-inline'")  # for the attributes of the figures
    page = document("".join(parts), title="Forecast", style=style() + STYLE, policy=allowed)
    with output(path) as file:
        file.write(page.encode())


def _figure(found: Forecast, which: Sequence[int]) -> Figure:
    figure, axes = stacked_axes(width=8.0, heights=[2.2] * len(which))
    for axis, k in zip(axes, which, strict=True):
        _draw(axis, found, k)
    axes[0].legend(ncols=8, fontsize=6, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _draw(axis: Any, found: Forecast, k: int) -> None:
    series = found.table.series[k]
    length = min(len(series.values), max(HISTORY * found.horizon, 2 * found.season))
    for number, (name, cut, past) in enumerate(found.tried(k, TRIED)):
        then = series.dates[-cut:][: len(past)]  # fewer in a short series, which was not tested
        axis.plot(then, past[: len(then)], ":", color=COLOURS[1 + number], lw=1.1, label=name)
    following = found.table.calendar.following(series.dates[-1], found.horizon)
    # each line begins at the last known value, to join the history
    last, dates = series.values[-1], np.concatenate([series.dates[-1:], following])
    axis.plot(series.dates[-length:], series.values[-length:], color="black", lw=0.9, label="history")
    for number, level in enumerate(found.levels):
        low, high = (found.quantiles[q][k] for q in band(level))
        alpha = 0.35 / (number + 1)
        axis.fill_between(dates, [last, *low], [last, *high], color=COLOURS[0], alpha=alpha, lw=0, label=f"{level:g} %")
    axis.plot(dates, [last, *found.quantiles[0.5][k]], color=COLOURS[0], lw=1.3, label="median")
    axis.set_title(series.name.replace("$", r"\$"), fontsize=9, loc="left")
    axis.tick_params(labelsize=7)
    axis.margins(x=0.01)
    axis.grid(alpha=0.3)
