"""How far a network remembers: how much a character k steps back still changes what it expects next.

It is measured by replacing that character (see `replacing`) and, where PyTorch is at hand, by the gradient. The error
bars are standard errors over the places where it is measured.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.inspection.finding import Finding
from afterword.inspection.inspected import Inspected, OnProgress, unheard
from afterword.inspection.replacing import HorizonSettings, changes_by_replacing, sequences

SHOWN = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)
WIDTH = 1.1  # the figure at k is the mean from k / 1.1 to k · 1.1, since single steps scatter
FADED = 0.01  # of what the last character changes: what changes less is called forgotten

Curves = NDArray[np.float64]  # one a place, [N, K]


@dataclass(frozen=True, repr=False)
class Horizon(Finding):
    """How much a character k = 1 … K steps back changes the prediction."""

    name: str
    changes: Curves
    """By replacing it: bits, [N places, K]."""
    gradients: Curves | None = field(default=None)
    """By gradient: the size of d log P(next) / d input, in nats, [N places, K]; None where torch is not at hand."""

    @property
    def steps(self) -> list[int]:
        """The k that are shown."""
        return [k for k in SHOWN if k <= self.changes.shape[1]]

    def at(self, k: int, values: Curves | None = None) -> tuple[float, float]:
        """Mean and standard error at `k`, of what replacing changes or of other `values` [N, K].

        The error of a single place is not a number.
        """
        values = self.changes if values is None else values
        each = _around(k, values).mean(axis=1)
        return float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else math.nan

    @property
    def reach(self) -> int:
        """The largest k at which a character still changes 1 % of what the last one does (smoothed as `at`)."""
        means = self.changes.mean(axis=0)
        least = FADED * _around(1, means).mean()
        return max((k for k in range(1, len(means) + 1) if _around(k, means).mean() >= least), default=0)

    @property
    def caption(self) -> str:
        beyond = " and beyond" if self.reach == self.changes.shape[1] else ""
        return (
            f"{self.name}: {len(self.changes)} places; a character changes 1 % of what the last one does up to "
            f"{self.reach:,} steps back{beyond}"
        )

    @property
    def head(self) -> list[str]:
        return SideBySide([self]).head

    def rows(self) -> list[list[str]]:
        return SideBySide([self]).rows()

    def to_dict(self) -> dict[str, Any]:
        record: dict[str, Any] = {"model": self.name, "places": len(self.changes), "reach": self.reach, "steps": []}
        for k in self.steps:
            bits, error = self.at(k)
            row = {"k": k, "bits": bits, "error": error}
            if self.gradients is not None:
                row["gradient"], row["gradient_error"] = self.at(k, self.gradients)
            record["steps"].append(row)
        return record


@dataclass(frozen=True, repr=False)
class SideBySide(Finding):
    """The curves of several models, with a bar of each for the eye."""

    horizons: Sequence[Horizon]

    @property
    def caption(self) -> str:
        return "\n".join(one.caption for one in self.horizons)

    @property
    def head(self) -> list[str]:
        head = ["k"]
        for one in self.horizons:
            head += [f"{one.name}: bits", "±"] + (["gradient", "±"] if one.gradients is not None else [])
        return [*head, "bits, two blocks per power of ten"]

    def rows(self) -> list[list[str]]:
        rows = []
        for k in max((one.steps for one in self.horizons), key=len):
            row, bars = [f"{k:,}"], []
            for one in self.horizons:
                for values in [one.changes] + ([one.gradients] if one.gradients is not None else []):
                    known = k <= values.shape[1]
                    mean, error = one.at(k, values) if known else (math.nan, math.nan)
                    row += [f"{mean:.2g}" if known else "–", "–" if math.isnan(error) else f"{error:.1g}"]
                bars.append(_bar(one.at(k)[0]) if k in one.steps else "")
            rows.append([*row, "  ".join(bars)])
        return rows

    def to_dict(self) -> dict[str, Any]:
        return {"models": [one.to_dict() for one in self.horizons]}


def measure_horizon(
    model: Inspected,
    text: str,
    *,
    steps: int = HorizonSettings.steps,
    places: int = HorizonSettings.places,
    seed: int = HorizonSettings.seed,
    gradient: bool | None = HorizonSettings.gradient,
    on_progress: OnProgress = unheard,
) -> Horizon:
    """How much a character up to `steps` back changes what the network predicts, at `places` places of `text`.

    `gradient` says whether the gradient is measured too, which needs PyTorch; None is wherever that is at hand.
    A model with parts held at a value is measured by replacing alone. Raises TextError for a text that is too short,
    OptionError for invalid numbers.
    """
    settings = HorizonSettings(steps, places, seed, gradient)
    torch_is_here = importlib.util.find_spec("torch") is not None
    if gradient and not torch_is_here:
        raise OptionError("the gradient needs PyTorch, which is not installed: pip install 'afterword[train]'")
    both = (torch_is_here if gradient is None else gradient) and not model.is_held
    half = 0.5 if both else 1.0  # of the work
    network = model.network()  # an n-gram looks back a few characters, and no more
    changes = changes_by_replacing(
        network, model.tokenizer, text, settings, lambda fraction: on_progress(half * fraction)
    )
    found = Horizon(network.config.cell, changes)
    if not both:
        return found
    K = changes.shape[1]
    ids = sequences(network, model.tokenizer, model.tokenizer.encode(text), K, places)
    gradients = np.zeros((len(ids), K))  # nothing depends on what lies before the network's context
    reach = int(min(K, network.context_length))
    for lanes, part in model.input_gradients(ids, reach):
        gradients[lanes, :reach] = part
        on_progress(half + (1 - half) * lanes.stop / len(ids))
    return Horizon(found.name, changes, gradients)


def _around(k: int, values: Curves) -> Curves:
    """Those of `values` [..., K] whose mean is the figure at `k`."""
    low, high = max(1, math.ceil(k / WIDTH)), min(values.shape[-1], math.floor(k * WIDTH))
    return values[..., low - 1 : high]


def _bar(bits: float) -> str:
    """A bar whose length is the logarithm of `bits`, from 10^-12, where float32 ends, to 10."""
    return ("█" * round(2 * (math.log10(max(bits, 1e-12)) + 12))).ljust(26, "·")
