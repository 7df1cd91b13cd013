"""The value of each gate: the loss with the gate held open, or held at its mean over the text.

The design follows Greff, Srivastava, Koutník, Steunebrink and Schmidhuber, "LSTM: A Search Space Odyssey" (2017), with
one difference: they trained each variant anew, and here a trained model loses the gate afterwards. This measures how
much the model relies on a gate, not how well a network would learn without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import numpy as np

from afterword.inspection.trace import SIGMOIDS
from afterword.language_model import LanguageModel
from afterword.model.network.cell import GATES
from afterword.model.network.holding import GATES_AND_STATES
from afterword.scoring.costs import score
from afterword.settings import OnProgress, ignore_progress, suggests
from afterword.wings.lesson.finding import Finding

Way = Literal["open", "mean"]
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True)
class Ablation:
    """A model without one of its gates."""

    gate: str
    layer: int | None
    """None is all layers at once."""
    way: Way
    """The value at which it was held: open (1), or the mean of each unit's gate over the text."""
    bits_per_character: float


@dataclass(frozen=True, repr=False)
class Ablations(Finding):
    """The cost of one text for a model without each of its gates in turn."""

    bits_per_character: float
    """The cost for the whole model."""
    each: list[Ablation]

    @property
    def caption(self) -> str:
        return f"all gates at work: {self.bits_per_character:.3f} bits per character"

    head = ("layer", "gate", "held open", "costs", "held at its mean", "costs")

    def rows(self) -> list[tuple[str, ...]]:
        """Return the bits per character, and the difference from the whole model's."""
        rows: dict[tuple[str, str], list[str]] = {}
        for one in self.each:
            cells = rows.setdefault(("all" if one.layer is None else f"l{one.layer}", one.gate), [])
            cells += [f"{one.bits_per_character:.3f}", f"{one.bits_per_character - self.bits_per_character:+.3f}"]
        return [(*name, *("–", "–", *cells)[-4:]) for name, cells in rows.items()]


@suggests
def ablate(model: LanguageModel, text: str, *, on_progress: OnProgress = ignore_progress) -> Ablations:
    """Measure what the text costs with each gate held open, or at its mean over the text.

    The candidate cannot be open, so it is held only at its mean. Raises as `model.gates` does.
    """
    trace = model.gates(text)
    trace.check_gates()
    _, L, H = trace.forget.shape
    layers: list[int | None] = list(range(L)) if L == 1 else [None, *range(L)]
    variants = [each for each in product(layers, (*SIGMOIDS, "candidate"), WAYS) if each[1:] != ("candidate", "open")]
    each: list[Ablation] = []
    for layer, gate, way in variants:
        on_progress((1 + len(each)) / (1 + len(variants)))  # the trace costs as much as one of them
        held = np.full((L, len(GATES_AND_STATES), H), np.nan, np.float32)
        chosen = slice(None) if layer is None else layer
        held[chosen, GATES.index(gate)] = getattr(trace, gate).mean(axis=0)[chosen] if way == "mean" else 1
        cost = score(model.network(held), model.tokenizer, trace.text)
        each.append(Ablation(gate, layer, way, cost.bits_per_character))
    return Ablations(trace.bits_per_character, each)
