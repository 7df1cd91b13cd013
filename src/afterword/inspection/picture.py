"""Figures fit for a paper, as PNG or SVG, by matplotlib (`pip install 'afterword[plot]'`)."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.horizon import Horizon
from afterword.inspection.openness import SIGMOIDS
from afterword.inspection.trace import Trace
from afterword.storage import output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LETTERS = 120  # whose letters can still be read below the figure
ROWS = 24  # units per layer in the heat map
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito's, which look different to every kind of eye
STYLES = ("-", "--", ":", "-.")


def check_plot(*paths: str | Path | None) -> None:
    """Raise OptionError where a picture is asked for and matplotlib is not installed."""
    if any(paths) and importlib.util.find_spec("matplotlib") is None:
        raise OptionError("a picture needs matplotlib, which is not installed: pip install 'afterword[plot]'")


def gates_figure(trace: Trace, named: list[NDArray[np.intp]] | None = None) -> Figure:
    """The text with its surprise, the mean of each gate, and the cell states of the units of each layer below it.

    Raises TextError for a text whose letters would not be readable.
    """
    T, L, _ = trace.forget.shape
    if T > MOST_LETTERS:
        raise TextError(f"a picture has room for {MOST_LETTERS} characters, not {T:,}: take a --stretch, or --html")
    shown = enumerate(named if named is not None else trace.telling_units(ROWS))
    chosen = [(layer, units) for layer, units in shown if len(units)]
    heights = [max(0.3, min(1.9, 0.08 * len(units))) for _, units in chosen]
    figure, axes = _figure(width=max(4.0, 1.4 + 0.13 * T), heights=[0.8, 1.2, *heights])
    places = np.arange(T)
    axes[0].bar(places, trace.bits, color=COLOURS[1], width=0.85)
    axes[0].set_ylabel("surprise\n(bits)", fontsize=8)
    for gate, colour, style in zip(SIGMOIDS, COLOURS, STYLES, strict=False):
        means = trace.means(gate)
        for layer in range(L):
            label = gate if L == 1 else f"{gate} l{layer}"
            axes[1].plot(places, means[:, layer], style, color=colour, lw=1.0 + 0.7 * layer, label=label)
    axes[1].set_ylabel("mean of\nthe gate", fontsize=8)
    axes[1].legend(ncols=len(SIGMOIDS), fontsize=6, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.98))
    for axis, (layer, units) in zip(axes[2:], chosen, strict=True):
        values = np.tanh(trace.cell[:, layer, units].T)  # as the output gate meets them: some cells count, most do not
        image = axis.imshow(
            values, aspect="auto", cmap="PuOr_r", vmin=-1, vmax=1, interpolation="nearest", rasterized=True
        )
        axis.set_ylabel(f"tanh(cell)\nof l{layer}", fontsize=8)
        axis.set_yticks(range(len(units)), [f"u{unit}" for unit in units])
        figure.colorbar(image, ax=axis, pad=0.01, fraction=0.025).ax.tick_params(labelsize=6)
    for axis in axes:
        axis.set_xlim(-0.5, T - 0.5)
        axis.set_xticks(places, [_letter(token) for token in trace.tokens], fontsize=7, family="monospace")
        axis.tick_params(axis="x", length=0, pad=2)
        axis.tick_params(axis="y", labelsize=7 if axis in axes[:2] else 4)
    return figure


def horizon_figure(horizons: Sequence[Horizon]) -> Figure:
    """The curves of several models: what a character k steps back changes, on two logarithmic scales."""
    kinds = [("changes", "change of the prediction (bits)")]
    if any(one.gradients is not None for one in horizons):
        kinds.append(("gradients", "gradient (nats)"))
    figure, axes = _figure(width=5.5, heights=[2.6] * len(kinds))
    for axis, (kind, title) in zip(axes, kinds, strict=True):
        for one, colour, style in zip(horizons, COLOURS, STYLES, strict=False):
            values = getattr(one, kind)
            if values is None:
                continue
            steps = sorted({*np.unique(np.geomspace(1, values.shape[1], 60).astype(int)).tolist(), *one.steps})
            means, errors = np.array([one.at(k, values) for k in steps]).T
            axis.plot(steps, means, style, color=colour, label=one.name)
            axis.fill_between(
                steps, np.maximum(means - errors, means / 10), means + errors, color=colour, alpha=0.2, lw=0
            )
        axis.set(xscale="log", yscale="log", xlabel="k, characters back", ylabel=title)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    return figure


def write_figure(figure: Figure, png: str | Path | None = None, svg: str | Path | None = None) -> None:
    """Write `figure` to the files that are named. The same figure gives the same bytes. Raises StorageError."""
    import matplotlib

    plain: Any = {"svg.hashsalt": "afterword", "svg.fonttype": "none"}
    for path, kind, about in ((png, "png", {"Software": None}), (svg, "svg", {"Date": None, "Creator": None})):
        if path is not None:
            with (
                output(Path(path)) as file,
                matplotlib.rc_context(plain),
                warnings.catch_warnings(action="ignore"),  # of letters that the font does not have
            ):
                figure.savefig(file, format=kind, dpi=200, metadata=about)


def _figure(width: float, heights: list[float]) -> tuple[Figure, list[Any]]:
    """An empty figure of axes one below the other; made without pyplot, which would keep it and look for a screen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    return figure, list(axes[:, 0])


def _letter(token: str) -> str:
    """A token as a label; the dollar sign would begin a formula."""
    shown = {" ": "␣", "\n": "↵", "\t": "→", "$": r"\$"}.get(token, token)
    return shown if all(one.isprintable() for one in shown) else "·"
