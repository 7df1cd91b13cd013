"""Parts of a network that are held at a value while it runs: a gate of all layers, of one layer, or of one unit.

    forget=1            every forget gate of the network stays open
    l0.output=0.5       every output gate of layer 0
    l0.u42=1            the hidden state of unit 42 of layer 0: what all others see of it
    l0.u42.cell=3       its cell state

Layers and units count from 0, as in the names of the weights (`weight_ih_l0`) and in NumPy. A held part is replaced as
soon as it is computed, so that everything after it sees the held value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from afterword.errors import OptionError
from afterword.model.arrays import Array
from afterword.model.network.cells import CELLS
from afterword.model.network.config import Config

GATES_AND_STATES = CELLS["lstm"].parts  # no cell has others

NOTATION = re.compile(r"(?:l(\d{1,9}))?(?:(?:^|\.)u(\d{1,9}))?(?:(?:^|\.)([a-z]+))?=(.+)", re.ASCII)


@dataclass(frozen=True)
class Hold:
    """A part and the value that it stays at. Raises OptionError for an invalid part or value."""

    part: str
    value: float
    layer: int | None = None
    unit: int | None = None

    def __post_init__(self) -> None:
        if self.part not in GATES_AND_STATES:
            raise OptionError(f"hold: unknown part {self.part!r}; use one of {', '.join(GATES_AND_STATES)}")
        lowest = {"candidate": -1.0, "hidden": -1.0, "cell": -math.inf}.get(self.part, 0.0)
        highest = math.inf if self.part == "cell" else 1.0
        if not (math.isfinite(self.value) and lowest <= self.value <= highest):
            limits = "a finite number" if self.part == "cell" else f"from {lowest:g} to {highest:g}"
            raise OptionError(f"hold: {self.part} must be {limits}, not {self.value:g}")

    def __str__(self) -> str:
        layer = [] if self.layer is None else [f"l{self.layer}"]
        unit = [] if self.unit is None else [f"u{self.unit}"]
        return f"{'.'.join([*layer, *unit, self.part])}={self.value:g}"


def parse_hold(text: str) -> Hold:
    """Return the Hold that `text` describes: forget=1, l0.output=0.5, l0.u42=1, l0.u42.cell=3. Raises OptionError."""
    if not isinstance(text, str):
        raise OptionError(f"hold must be text such as forget=1, not {repr(text)[:60]}")
    found = NOTATION.fullmatch(text.replace(" ", ""))
    layer, unit, part, value = found.groups() if found else (None, None, None, None)
    if value is None or (layer is None and part is None) or (unit is not None and layer is None):
        raise OptionError(f"hold {text[:60]!r} is invalid: write it as l0.u42=1, l0.forget=0 or forget=1")
    if unit is None and part is None:
        raise OptionError(f"hold {text[:60]!r} names no part: write l{layer}.forget={value} or l{layer}.u0={value}")
    try:
        number = float(value)
    except ValueError:
        raise OptionError(f"hold {text[:60]!r}: {value[:40]!r} is not a number") from None
    return Hold(part or "hidden", number, None if layer is None else int(layer), None if unit is None else int(unit))


def held_values(holds: Iterable[Hold], config: Config) -> Annotated[Array, "L 6 H"]:
    """Return the held values of a network of `config`, in the order of GATES_AND_STATES; NaN for what is not held.

    If two hold the same part, the later one counts. Raises OptionError for a layer, unit or part that does not exist.
    """
    held = np.full((config.num_layers, len(GATES_AND_STATES), config.hidden_size), np.nan, np.float32)
    for hold in holds:
        check_place(config, hold.layer, hold.unit)
        if hold.part not in config.kind.parts:
            raise OptionError(f"hold: `cell` {config.cell} has no {hold.part}; hold a unit, as in l0.u42=1")
        layers = slice(None) if hold.layer is None else hold.layer
        held[layers, GATES_AND_STATES.index(hold.part), slice(None) if hold.unit is None else hold.unit] = hold.value
    return held


def check_place(config: Config, layer: int | None, unit: int | None) -> None:
    """Raise OptionError for a layer or unit that a network of `config` does not have."""
    last = config.num_layers - 1
    if layer is not None and not 0 <= layer <= last:
        has = "one layer, l0" if last == 0 else f"the layers l0 to l{last}"
        raise OptionError(f"unknown layer l{layer}: the model has {has}")
    if unit is not None and not 0 <= unit < config.hidden_size:
        raise OptionError(f"unknown unit u{unit}: a layer of this model has u0 to u{config.hidden_size - 1}")
