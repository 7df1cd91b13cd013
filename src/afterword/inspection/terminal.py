"""A trace on the terminal, at its width: the text shaded by surprise, the gates below it, and how open they are.

Every strip consists of blocks whose height is the value, so that it can be read without colours.
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

from afterword.inspection.trace import BLOCKS, EVERY_UNIT_UP_TO, OPEN, SHUT, SIGMOIDS, Trace, openness
from afterword.text.unicode import visible
from afterword.web.pages import MOST_BITS

LEAST_BITS = 0.5  # a smaller surprise is not shaded
SHOWN_UNITS = 3  # units per layer, unless some are named
LISTED_UNITS = 4  # units in a list
LEAST_SPREAD = 0.02  # of the forget gates' mean over a text: below it, no place is named as the most shut
MEANING = f"never opens: always under {SHUT}; never closes: always over {OPEN}; memory: characters "
MEANING += "until 37 % is left, between resets"
SHADES = [Style(color="black", bgcolor=f"color({code})") for code in (230, 223, 222, 216, 215, 209, 208, 202)]
BLUES = [Style(color=f"color({code})") for code in (153, 117, 75, 39, 33, 27, 26, 25)]
BELOW, ABOVE = Style(color="color(33)"), Style(color="color(208)")


def show(trace: Trace, named: list[NDArray[np.intp]] | None = None, console: Console | None = None) -> None:
    """Print `trace`. `named` are the units to show, per layer (by default those whose hidden state changes most)."""
    console = console or Console(highlight=False, markup=False)
    short = len(trace.tokens) <= EVERY_UNIT_UP_TO
    strips = _strips(trace, named) if short else []
    for line in _lines(trace, strips, console.width):
        console.print(line, no_wrap=True, overflow="crop", crop=True)
    if not short:
        what, by = ("gates", "--html") if trace.has_gates else ("units", "--json")
        console.print(f"(the {what} of more than {EVERY_UNIT_UP_TO} characters are shown by {by})", style="dim")
    console.print(_surprises(trace))
    if trace.has_gates:
        console.print(_table(trace))
        console.print(MEANING, style="dim")
        console.print(_let_go(trace))


def _strips(trace: Trace, named: list[NDArray[np.intp]] | None) -> list[tuple[str, NDArray[np.floating], bool]]:
    """Return the name, the values of T tokens, and whether they have a sign, for each line below the text."""
    strips: list[tuple[str, NDArray[np.floating], bool]] = []
    layers = range(trace.forget.shape[1])
    for gate in SIGMOIDS if trace.has_gates else ():
        means = trace.means(gate)
        for layer in layers:  # the means change little, so each strip spans its own lowest to highest
            low, high = float(means[:, layer].min()), float(means[:, layer].max())
            scaled = (means[:, layer] - low) / max(high - low, 1e-9)
            strips.append((f"{gate} l{layer} {low:.2f}–{high:.2f}", scaled, False))
    for layer, units in enumerate(named if named is not None else trace.moving_units(SHOWN_UNITS)):
        strips += [(f"l{layer}.u{unit}", trace.hidden[:, layer, unit], True) for unit in units]
    return strips


def _lines(trace: Trace, strips: Sequence[tuple[str, NDArray[np.floating], bool]], width: int) -> list[Text]:
    """Return the text in pieces that fit, each with its strips below it."""
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
    return f"surprise: {trace.bits_per_character:.2f} bits per character; most at {where}"


def _table(trace: Trace) -> Table:
    table = Table(title="How open the gates are", title_justify="left", box=None, pad_edge=False)
    for name in ("layer", "gate", "mean", "never opens", "never closes", "memory (characters: units)"):
        table.add_column(name, overflow="fold")
    for layer, found in enumerate(openness(trace)):
        for gate, one in found.gates.items():
            spread = found.spread() if gate == "forget" else []
            memory = ", ".join(f"{span}: {units}" for span, units in spread if units)
            mean = f"{BLOCKS[_level(one.mean)]} {one.mean:.2f}"
            table.add_row(f"l{layer}", gate, mean, _few(one.shut), _few(one.open), memory)
        longest = ", ".join(f"u{unit} {found.memory[unit]:,.0f}" for unit in found.longest[:LISTED_UNITS])
        table.add_row("", "", "", "", "longest memory", longest)
    return table


def _let_go(trace: Trace) -> str:
    """Return the places where the forget gates are most shut, where the network forgets most."""
    open = trace.means("forget").mean(axis=1)
    if np.ptp(open) < LEAST_SPREAD:
        return f"forget gates are equally open everywhere: {open.mean():.2f}"
    places = [
        f"{''.join(map(visible, trace.tokens[max(0, t - 8) : t]))}[{visible(trace.tokens[t])}] {open[t]:.2f}"
        for t in np.argsort(open, kind="stable")[:4]
    ]
    return "forget gates are most shut at: " + ";  ".join(places)


def _few(units: list[int]) -> str:
    names = " ".join(f"u{unit}" for unit in units[:LISTED_UNITS])
    more = " …" if len(units) > LISTED_UNITS else ""
    return f"{len(units)} ({names}{more})" if len(units) else "0"


def shade(bits: float) -> Style:
    """Return the style of a character with a surprise of `bits`; a small surprise has none."""
    return SHADES[_level(bits / MOST_BITS)] if bits >= LEAST_BITS else Style.null()


def _level(fraction: float) -> int:
    return max(0, min(len(BLOCKS) - 1, int(fraction * len(BLOCKS))))
