"""How open the gates of a network are over a text: on average, always, never; and for how long its units keep."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.inspection.trace import Trace

SIGMOIDS = ("forget", "input", "output")  # the gates that open and close; the candidate is no gate
SHUT, OPEN = 0.1, 0.9
SPANS = (3, 10, 30, 100, 300)  # characters
LONGEST_MEMORY = 10_000.0  # characters: nothing is said of what keeps for longer


@dataclass(frozen=True)
class GateOpenness:
    """One gate of one layer over a text."""

    mean: float
    shut: NDArray[np.intp]
    """The units whose gate never opens: it stays under 0.1."""
    open: NDArray[np.intp]
    """The units whose gate never closes: it stays over 0.9."""


@dataclass(frozen=True)
class LayerOpenness:
    """One layer over a text."""

    gates: dict[str, GateOpenness]
    memory: NDArray[np.float64]
    """For how many tokens each unit keeps, [H]: -1 / mean(log forget), after which e⁻¹ of a cell state is left."""

    @property
    def longest(self) -> NDArray[np.intp]:
        """The units from the one that keeps longest, [H]."""
        return np.argsort(-self.memory, kind="stable")

    def spread(self) -> list[tuple[str, int]]:
        """How many units keep for how long: pairs of a span in characters and a number of units."""
        counts = np.histogram(self.memory, bins=[0, *SPANS, np.inf])[0].tolist()
        names = [
            f"under {SPANS[0]}",
            *(f"{a}–{b}" for a, b in itertools.pairwise(SPANS)),
            f"over {SPANS[-1]}",
        ]
        return list(zip(names, counts, strict=True))


def openness(trace: Trace) -> list[LayerOpenness]:
    """How open the gates of each layer are over the text of `trace`."""
    layers = []
    for layer in range(trace.forget.shape[1]):
        gates = {}
        for gate in SIGMOIDS:
            values = getattr(trace, gate)[:, layer]
            shut, open = np.flatnonzero(values.max(axis=0) < SHUT), np.flatnonzero(values.min(axis=0) > OPEN)
            gates[gate] = GateOpenness(float(values.mean(dtype=float)), shut, open)
        fading = -np.log(np.maximum(trace.forget[:, layer], 1e-30)).mean(axis=0, dtype=float)
        layers.append(LayerOpenness(gates, 1 / np.maximum(fading, 1 / LONGEST_MEMORY)))
    return layers
