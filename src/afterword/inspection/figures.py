"""Figures for a paper, as PNG or SVG, by matplotlib (`pip install 'afterword[plot]'`)."""

from __future__ import annotations

import importlib.util
import os
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.trace import SIGMOIDS, Trace
from afterword.storage import output
from afterword.text.unicode import spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PathName = str | os.PathLike[str]
MOST_LETTERS = 120  # that are still readable below the figure
ROWS = 24  # units per layer in the heat map
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito's, which differ for every kind of colour vision
STYLES = ("-", "--", ":", "-.")


def check_plot(*paths: PathName | None) -> None:
    """Raise OptionError if any of `paths` is given and matplotlib is not installed."""
    if any(paths) and importlib.util.find_spec("matplotlib") is None:
        raise OptionError("a picture needs matplotlib, which is not installed: pip install 'afterword[plot]'")


def gates_figure(trace: Trace, named: list[NDArray[np.intp]] | None = None) -> Figure:
    """Return a figure of the text with its surprise, the mean of each gate, and the cell states of each layer's units.

    Raises TextError for a text whose letters would not be readable.
    """
    T, L, _ = trace.forget.shape
    if T > MOST_LETTERS:
        raise TextError(f"a picture has room for {MOST_LETTERS} characters, not {T:,}: give a `stretch`, or `html`")
    shown = enumerate(named if named is not None else trace.moving_units(ROWS))
    chosen = [(layer, units) for layer, units in shown if len(units)]
    heights = [max(0.3, min(1.9, 0.08 * len(units))) for _, units in chosen]
    middle = [1.2] if trace.has_gates else []
    figure, axes = stacked_axes(width=max(4.0, 1.4 + 0.13 * T), heights=[0.8, *middle, *heights])
    places = np.arange(T)
    axes[0].bar(places, trace.bits, color=COLOURS[1], width=0.85)
    axes[0].set_ylabel("surprise\n(bits)", fontsize=8)
    if trace.has_gates:
        for gate, colour, style in zip(SIGMOIDS, COLOURS, STYLES, strict=False):
            means = trace.means(gate)
            for layer in range(L):
                label = gate if L == 1 else f"{gate} l{layer}"
                axes[1].plot(places, means[:, layer], style, color=colour, lw=1.0 + 0.7 * layer, label=label)
        axes[1].set_ylabel("mean of\nthe gate", fontsize=8)
        axes[1].legend(ncols=len(SIGMOIDS), fontsize=6, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.98))
    # of an LSTM, the values that the output gate scales
    name, states = ("tanh(cell)", np.tanh(trace.cell)) if trace.has_gates else ("hidden", trace.hidden)
    for axis, (layer, units) in zip(axes[len(axes) - len(chosen) :], chosen, strict=True):
        values = states[:, layer, units].T
        image = axis.imshow(
            values, aspect="auto", cmap="PuOr_r", vmin=-1, vmax=1, interpolation="nearest", rasterized=True
        )
        axis.set_ylabel(f"{name}\nof l{layer}", fontsize=8)
        axis.set_yticks(range(len(units)), [f"u{unit}" for unit in units], fontsize=4 if len(units) > 3 else 7)
        figure.colorbar(image, ax=axis, pad=0.01, fraction=0.025).ax.tick_params(labelsize=6)
    for axis in axes:
        axis.set_xlim(-0.5, T - 0.5)
        letters = [spaced(token).replace("$", r"\$") for token in trace.tokens]  # a dollar sign would begin a formula
        axis.set_xticks(places, letters, fontsize=7, family="monospace")
        axis.tick_params(axis="x", length=0, pad=2)
        if not axis.images:
            axis.tick_params(axis="y", labelsize=7)
    return figure


def write_figure(figure: Figure, png: PathName | None = None, svg: PathName | IO[bytes] | None = None) -> None:
    """Write `figure` to the given files, or open streams. The same figure gives the same bytes. Raises StorageError."""
    import matplotlib

    plain: Any = {"svg.hashsalt": "afterword", "svg.fonttype": "none"}
    for path, kind, about in ((png, "png", {"Software": None}), (svg, "svg", {"Date": None, "Creator": None})):
        if path is not None:
            # the warnings are about letters that the font does not have
            opened = output(Path(path)) if isinstance(path, str | os.PathLike) else nullcontext(path)
            with opened as file, matplotlib.rc_context(plain), warnings.catch_warnings(action="ignore"):
                figure.savefig(file, format=kind, dpi=200, metadata=about)


def stacked_axes(width: float, heights: list[float]) -> tuple[Figure, list[Any]]:
    """Return an empty figure of stacked axes, made without pyplot, which would keep it and look for a screen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    return figure, list(axes[:, 0])
