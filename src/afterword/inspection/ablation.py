"""What each gate is worth: the loss with it held open, or at its mean over the text.

The design follows Greff, Srivastava, Koutník, Steunebrink and Schmidhuber, "LSTM: A Search Space Odyssey" (2017), with
one difference: there each variant was trained anew, here a trained model loses the gate afterwards. So what is measured
is how much this model relies on a gate, not how well a network would learn to do without one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from afterword.inspection.finding import Finding
from afterword.inspection.gates import look_at_gates
from afterword.inspection.inspected import Inspected, OnProgress, unheard
from afterword.inspection.openness import SIGMOIDS
from afterword.inspection.trace import Trace
from afterword.model.arrays import Array
from afterword.model.cell import GATES
from afterword.model.holding import PARTS

Way = Literal["open", "mean"]


@dataclass(frozen=True)
class Ablation:
    """A model without one of its gates."""

    gate: str
    layer: int | None
    """None is all layers at once."""
    way: Way
    """How it was held: open (at 1), or each unit's gate at its mean over the text."""
    bits_per_character: float


@dataclass(frozen=True, repr=False)
class Ablations(Finding):
    """A model without each of its gates in turn, over one text."""

    bits_per_character: float
    """Of the whole model."""
    each: list[Ablation]

    @property
    def caption(self) -> str:
        return f"all gates at work: {self.bits_per_character:.3f} bits per character"

    @property
    def head(self) -> tuple[str, ...]:
        return ("layer", "gate", "held open", "costs", "held at its mean", "costs")

    def rows(self) -> list[tuple[str, ...]]:
        """Bits per character, and how many more than the whole model's."""
        found = {(one.layer, one.gate, one.way): one.bits_per_character for one in self.each}
        rows = []
        for layer, gate in dict.fromkeys((one.layer, one.gate) for one in self.each):
            cells = []
            for way in ("open", "mean"):
                bits = found.get((layer, gate, way))
                cells += ["–", "–"] if bits is None else [f"{bits:.3f}", f"{bits - self.bits_per_character:+.3f}"]
            rows.append(("all" if layer is None else f"l{layer}", gate, *cells))
        return rows

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def ablate_gates(model: Inspected, text: str, *, on_progress: OnProgress = unheard) -> Ablations:
    """What each gate is worth: what the text costs with it held open, or at its mean over the text.

    Raises as `gates` does.
    """
    trace = look_at_gates(model, text)
    each: list[Ablation] = []
    all_variants = list(variants(trace))
    for gate, layer, way, held in all_variants:
        on_progress((1 + len(each)) / (1 + len(all_variants)))  # the trace costs as much as one of them
        each.append(Ablation(gate, layer, way, model.network_bits(trace.text, held)))
    return Ablations(float(trace.bits.sum()) / len(trace.text), each)


def variants(trace: Trace) -> Iterator[tuple[str, int | None, Way, Array]]:
    """Gate, layer, way, and what is held [L, 6, H], for every variant; the means are those over the text of `trace`.

    The candidate is no gate that could stand open, so it is held at its mean alone.
    """
    _, L, H = trace.forget.shape
    places: list[int | None] = list(range(L)) if L == 1 else [None, *range(L)]
    for layer in places:
        for gate in (*SIGMOIDS, "candidate"):
            ways: tuple[Way, ...] = ("mean",) if gate == "candidate" else ("open", "mean")
            for way in ways:
                held = np.full((L, len(PARTS), H), np.nan, np.float32)
                values = getattr(trace, gate).mean(axis=0) if way == "mean" else np.ones((L, H), np.float32)
                chosen = slice(None) if layer is None else slice(layer, layer + 1)
                held[chosen, GATES.index(gate)] = values[chosen]
                yield gate, layer, way, held
