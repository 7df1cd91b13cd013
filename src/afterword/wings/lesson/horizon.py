"""The horizon of a network: how much a character k steps back still changes its next prediction.

A character of the text is replaced by another one, drawn from the same text, and the network reads on. After each
further step its prediction is compared with the one for the true text: the Kullback-Leibler divergence
D(true ‖ replaced). One replacement answers for every k at once, so a curve over 1,000 steps costs little. The error
bars are standard errors over the places that are measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from afterword.errors import OptionError, TextError
from afterword.inspection.gates import carried_network
from afterword.language_model import LanguageModel
from afterword.model.arrays import Floats
from afterword.model.network.network import log_probabilities
from afterword.settings import OnProgress, ignore_progress, suggests
from afterword.text.tokenizer import check_text
from afterword.wings.lesson.finding import Finding

PLACES, STEPS = 64, 1000  # that are measured, at most
WARM_UP = 200  # tokens that are read before the replaced one, if the text has as many
LEAST_TOKENS = 20
STEPS_AT_ONCE = 16
LOGITS_AT_ONCE = 4_000_000  # lanes × steps × rows
SHOWN_STEPS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
WIDTH = 1.1  # the figure at k is the mean from k / 1.1 to k · 1.1, since single steps scatter
FADED = 0.01  # of what the last character changes: a character that changes less is forgotten


@dataclass(frozen=True, repr=False)
class Horizon(Finding):
    """The change of the prediction by a character k = 1 … K steps back."""

    name: str
    changes: Annotated[Floats, "N K"]
    """The change by replacing it at each of N places, in bits."""
    unit: str = "character"
    """What is replaced, and what k counts: "token" if the model's tokens are not characters."""

    @property
    def steps(self) -> list[int]:
        """The k that are shown."""
        return [k for k in SHOWN_STEPS if k <= self.changes.shape[1]]

    def at(self, k: int) -> tuple[float, float]:
        """Return the mean and standard error of the changes at `k`."""
        each = self.changes[:, around(k)].mean(axis=1)
        return float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each)))

    @property
    def reach(self) -> int:
        """The largest k at which a character still changes 1 % of what the last one changes (smoothed as in `at`)."""
        means = np.array([self.at(k)[0] for k in range(1, self.changes.shape[1] + 1)])
        return int(np.flatnonzero(means >= FADED * means[0]).max()) + 1

    @property
    def caption(self) -> str:
        beyond = " and beyond" if self.reach == self.changes.shape[1] else ""
        what = f"a {self.unit} changes 1 % of what the last one does up to {self.reach:,} steps back{beyond}"
        return f"{self.name}: {len(self.changes)} places; {what}"

    @property
    def head(self) -> tuple[str, ...]:
        return ("k", f"{self.name}: bits", "±", "bits, two blocks per power of ten")

    def rows(self) -> list[tuple[str, ...]]:
        figures = ((k, *self.at(k)) for k in self.steps)
        return [(f"{k:,}", f"{mean:.2g}", f"{error:.1g}", _bar(mean)) for k, mean, error in figures]

    def to_dict(self) -> dict[str, Any]:
        steps = [dict(zip(("k", "bits", "error"), (k, *self.at(k)), strict=True)) for k in self.steps]
        return {"model": self.name, "places": len(self.changes), "reach": self.reach, "steps": steps}


@suggests
def horizon(model: LanguageModel, text: str, *, on_progress: OnProgress = ignore_progress) -> Horizon:
    """Measure how much a character up to 1,000 steps back changes what the network predicts, at 64 places of the text.

    Short texts are measured over fewer steps. Raises TextError for a text that is too short or has only one distinct
    character, OptionError for a model of lines, ModelError for a classic model.
    """
    check_text(text)
    if model.lines:
        raise OptionError("only a model that reads a whole text has a horizon; this one reads lines")
    network, tokenizer = carried_network(model), model.tokenizer  # an n-gram looks back only a few characters
    ids = tokenizer.encode(tokenizer.normalise(text))
    if len(ids) < LEAST_TOKENS:
        raise TextError(f"the text has {len(ids)} tokens; at least {LEAST_TOKENS} are needed: give a longer text")
    if len(set(network.rows(ids).tolist())) < 2:
        raise TextError("the text has only one distinct character: give a text with more, to replace it with another")
    K = min(STEPS, len(ids) * 3 // 4)
    before = min(WARM_UP, (len(ids) - K) // 2)
    candidates = np.arange(before, len(ids) - K + 1)
    places = candidates[np.linspace(0, len(candidates) - 1, min(PLACES, len(candidates))).astype(np.intp)]
    true = ids[places[:, None] + np.arange(-before, K)]
    changed, random = true.copy(), np.random.default_rng(0)
    changed[:, before] = [random.choice(ids[ids != replaced]) for replaced in ids[places]]
    read, changes = np.concatenate([true, changed]), []
    _, state = network.step(np.full(len(read), tokenizer.end), network.start(len(read)))
    at_once = max(1, min(STEPS_AT_ONCE, LOGITS_AT_ONCE // (len(read) * network.config.vocabulary_size)))
    for begin in range(0, before + K, at_once):
        logits, state = network.read(read[:, begin : begin + at_once], state)
        expected, other = np.split(log_probabilities(logits), 2)
        changes.append((np.exp(expected) * (expected - other)).sum(axis=-1))
        on_progress(min(1.0, (begin + at_once) / (before + K)))
    unit = "character" if tokenizer.kind == "char" else "token"
    bits = np.maximum(np.concatenate(changes, axis=1)[:, before:], 0) / math.log(2)
    return Horizon(Path(model.name).name or model.name, bits, unit)


def around(k: int) -> slice:
    """Return where the values lie whose mean is the figure at `k`."""
    return slice(max(1, math.ceil(k / WIDTH)) - 1, math.floor(k * WIDTH))


def _bar(bits: float) -> str:
    """Return a bar whose length is the logarithm of `bits`, from 10^-12, the limit of float32, to 10."""
    return ("█" * round(2 * (math.log10(max(bits, 1e-12)) + 12))).ljust(26, "·")
