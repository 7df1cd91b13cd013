"""A trace on the terminal, at its width: the text shaded by surprise, the gates below it, and how open they are.

Every strip is written in blocks whose height is the value, so that it can be read without colours too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from afterword.inspection.openness import SIGMOIDS, openness
from afterword.inspection.trace import EVERY_UNIT_UP_TO, Trace
from afterword.text.unicode import visible

BLOCKS = "▁▂▃▄▅▆▇█"
LEAST_BITS, MOST_BITS = 0.5, 8.0  # what is less surprising is not shaded, what is more so no more
MOVING = 3  # units per layer that are shown unless some are named
LISTED = 4  # units in a list
SHADES = [Style(color="black", bgcolor=f"color({code})") for code in (230, 223, 222, 216, 215, 209, 208, 202)]
BLUES = [Style(color=f"color({code})") for code in (153, 117, 75, 39, 33, 27, 26, 25)]
BELOW, ABOVE = Style(color="color(33)"), Style(color="color(208)")


def show(trace: Trace, named: list[NDArray[np.intp]] | None = None, console: Console | None = None) -> None:
    """Print `trace`; `named` says which units are shown, layer by layer (those whose hidden state moves most)."""
    console = console or Console(highlight=False, markup=False)
    short = len(trace.tokens) <= EVERY_UNIT_UP_TO
    strips = _strips(trace, named) if short else []
    for line in _lines(trace, strips, console.width):
        console.print(line, no_wrap=True, overflow="crop", crop=True)
    if not short:
        console.print(f"(the gates of more than {EVERY_UNIT_UP_TO} characters are shown by --html)", style="dim")
    console.print(_surprises(trace))
    console.print(_table(trace))
    console.print(_let_go(trace))


def _strips(trace: Trace, named: list[NDArray[np.intp]] | None) -> list[tuple[str, NDArray[np.floating], bool]]:
    """Name, values of T tokens and whether they have a sign, for each line below the text."""
    strips: list[tuple[str, NDArray[np.floating], bool]] = []
    layers = range(trace.forget.shape[1])
    for gate in SIGMOIDS:
        means = trace.means(gate)
        for layer in layers:  # the means move little, so each strip goes from its lowest to its highest
            low, high = float(means[:, layer].min()), float(means[:, layer].max())
            scaled = (means[:, layer] - low) / max(high - low, 1e-9)
            strips.append((f"{gate} l{layer} {low:.2f}–{high:.2f}", scaled, False))
    for layer, units in enumerate(named if named is not None else trace.telling_units(MOVING)):
        strips += [(f"l{layer}.u{unit}", trace.hidden[:, layer, unit], True) for unit in units]
    return strips


def _lines(trace: Trace, strips: Sequence[tuple[str, NDArray[np.floating], bool]], width: int) -> list[Text]:
    """The text in pieces that fit, each with its strips below it."""
    margin = max([len("text"), *(len(name) for name, _, _ in strips)]) + 2
    shown = [visible(token) for token in trace.tokens]
    lines: list[Text] = []
    first = 0
    while first < len(shown):
        last, used = first, margin
        while last < len(shown) and (last == first or used + cell_len(shown[last]) <= width):
            used += cell_len(shown[last])
            last += 1
        line = Text("text".ljust(margin), style="bold")
        for token, bits in zip(shown[first:last], trace.bits[first:last], strict=True):
            line.append(token, shade(bits))
        lines.append(line)
        for name, values, signed in strips:
            strip = Text(name.ljust(margin), style="dim")
            for token, value in zip(shown[first:last], values[first:last].tolist(), strict=True):
                block = BLOCKS[_level((value + 1) / 2 if signed else value)]
                style = (ABOVE if value > 0 else BELOW) if signed else BLUES[_level(value)]
                strip.append(block * cell_len(token), style)
            lines.append(strip)
        if strips:
            lines.append(Text())
        first = last
    return lines


def _surprises(trace: Trace) -> str:
    bits = trace.bits
    most = np.argsort(-bits, kind="stable")[:3]
    where = ", ".join(f"{visible(trace.tokens[t])!r} at {t} ({bits[t]:.1f})" for t in most)
    return f"surprise: {bits.mean():.2f} bits per token; most at {where}"


def _table(trace: Trace) -> Table:
    table = Table(title="How open the gates are", title_justify="left", box=None, pad_edge=False)
    for name in ("layer", "gate", "mean", "never opens", "never closes", "keeps for (characters: units)"):
        table.add_column(name, overflow="fold")
    for layer, found in enumerate(openness(trace)):
        for gate, one in found.gates.items():
            keeps = ""
            if gate == "forget":
                keeps = ", ".join(f"{span}: {units}" for span, units in found.spread() if units)
            table.add_row(
                f"l{layer}", gate, f"{BLOCKS[_level(one.mean)]} {one.mean:.2f}", _few(one.shut), _few(one.open), keeps
            )
        longest = ", ".join(f"u{unit} {found.memory[unit]:,.0f}" for unit in found.longest[:LISTED])
        table.add_row("", "", "", "", "keep longest", longest)
    return table


def _let_go(trace: Trace) -> str:
    """Where the forget gates are most shut, which is where most is let go."""
    open = trace.means("forget").mean(axis=1)
    places = [
        f"{''.join(map(visible, trace.tokens[max(0, t - 8) : t]))}[{visible(trace.tokens[t])}] {open[t]:.2f}"
        for t in np.argsort(open, kind="stable")[:4]
    ]
    return "forget gates are most shut at: " + ";  ".join(places)


def _few(units: NDArray[np.intp]) -> str:
    names = " ".join(f"u{unit}" for unit in units[:LISTED])
    more = " …" if len(units) > LISTED else ""
    return f"{len(units)} ({names}{more})" if len(units) else "0"


def shade(bits: float) -> Style:
    """How a character of so much surprise is shown; one of little is left as it is."""
    return SHADES[_level(bits / MOST_BITS)] if bits >= LEAST_BITS else Style.null()


def _level(fraction: float) -> int:
    return max(0, min(len(BLOCKS) - 1, int(fraction * len(BLOCKS))))
