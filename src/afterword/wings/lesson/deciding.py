"""The cells that decide what comes next, found by intervention.

An expression says which characters are due, such as the bracket that closes. Each place where it matches is compared
with another, where something else is due: how many bits does it cost to tell there which of the two it is? Two
interventions show whether cells decide it. Necessary: they are held at their means over the text, and it costs more.
Sufficient: at the last steps before a place they are set to the values that they have at the other, and the answer
follows. Cells are ranked, and their number is chosen, on the first half of the text, and judged on the second half:
against random sets of as many others, and against chance, which is the same question shifted along the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.inspection.gates import beginning
from afterword.language_model import LanguageModel
from afterword.model.arrays import Array, Floats
from afterword.model.network.holding import GATES_AND_STATES
from afterword.model.network.network import Network, State, log_probabilities
from afterword.settings import OnProgress, ignore_progress, suggests
from afterword.wings.lesson.finding import Finding
from afterword.wings.lesson.matches import Mask, last_characters, matching

STEPS = 3  # before a place, at which cells are set to another's values
PAIRS, LEAST = 200, 5  # the most and the fewest places per half of the text
SIZES = (1, 2, 3, 4, 6, 8, 12)  # of the sets of cells that are tried
RANDOM_SETS, SHIFTS, NINE_OF_TEN, SHOWN = 20, 40, 0.9, 8
ENOUGH, SURE = 0.9, 0.75  # of what knowing is worth and of the places that follow, to choose cells; to say that they do
LEAST_WORTH = 0.1  # bits: a network that gains less by knowing does not know
AT_ONCE, MOST_WORK = 256, 5e10  # tokens; cells × parameters × tokens, half a minute

Cells = NDArray[np.bool_]  # [..., L, H]


@dataclass(frozen=True)
class Effect:
    """The effect of holding some cells, and of setting them, where the expression matches."""

    cells: str
    held_bits: float
    """The cost of telling what is due from what is due elsewhere, with them held at their means."""
    follows: float
    """The fraction of places at which what is due elsewhere is likelier, with them set to their values there."""


@dataclass(frozen=True, repr=False)
class Decided(Finding):
    """The cells that decide what is due where an expression matches."""

    verdict: str
    cells: list[str]
    """The cells that decide; empty if none were found."""
    bits: float
    """The cost of telling what is due from what is due elsewhere, with no cell held: 0 if known, 1 if not."""
    chance: float
    """The largest change of the cost of a character, with the cells held, if the question is shifted along the text."""
    change: float
    """This change where the expression matches."""
    effects: list[Effect]
    """Those of the first few cells alone, and of all; last, limits that nine in ten random sets do not reach."""

    @property
    def caption(self) -> str:
        held, random = (each.held_bits for each in self.effects[-2:])
        return f"{self.verdict} (held: {held:.2f} bits; random: {random:.2f}; nothing held: {self.bits:.2f})"

    head = ("held at the mean: bits", "set to another's value: the answer follows", "where")

    def rows(self) -> list[tuple[str, ...]]:
        return [(f"{one.held_bits:.2f}", f"{one.follows:.0%}", one.cells) for one in self.effects]


class _Half:
    """A part of the text, places where something is due, and for each another place, where something else is."""

    def __init__(self, model: LanguageModel, text: str, due: Mask, random: np.random.Generator) -> None:
        self.network, self.trace = model.network(), model.gates(text)
        self.ids = ids = self.trace.ids
        self.state = "cell" if self.trace.has_gates else "hidden"
        self.read = np.array([model.tokenizer.end, *ids[:-1]])
        matches = np.flatnonzero(due[last_characters(text, model.tokenizer)])
        begin = max(STEPS, *matches[:1].tolist(), 0)  # before the first match, what decides may lie before the half
        self.due = matches[matches > begin]
        pairs = []
        for t in random.permutation(self.due)[:PAIRS]:
            others = self.due[ids[self.due] != ids[t]]
            if not len(others):  # the same is due everywhere: other places where the same character was read
                others = np.flatnonzero((self.read == self.read[t]) & (ids != ids[t]))
            pairs += [(t, random.choice(others))] if len(others := others[others > begin]) else []
        if len(pairs) < LEAST:
            found = f"in half of the text, {len(pairs)} places match and can be compared; {LEAST} are needed"
            raise OptionError(f"{found}: give another expression, or a longer text")
        places, others = np.array(pairs).T
        self.here, self.there = np.append(places, others), np.append(others, places)

    def held(self, means: Array, sets: Annotated[Cells, "B L H"]) -> tuple[Floats, Floats]:
        """Hold each set of cells at its `means` [L, H]. Return the bits of each token [B, T], and how many more
        what is due costs than what is due elsewhere [B, places]."""
        network, found = self._holding(np.where(sets, means, np.nan)), []
        state = network.start(len(sets))
        for first in range(0, len(self.ids), AT_ONCE):
            logits, state = network.read(np.tile(self.read[first : first + AT_ONCE], (len(sets), 1)), state)
            found.append(log_probabilities(logits).astype(np.float32))
        bits = np.concatenate(found, axis=1) / -np.log(2)
        own, other = (bits[:, self.here, self.ids[each]] for each in (self.here, self.there))
        return bits[:, np.arange(len(self.ids)), self.ids], own - other

    def follows(self, cells: Cells) -> float:
        """Return the fraction of places at which the answer follows the set of `cells`."""
        values, before = getattr(self.trace, self.state), self.here - STEPS - 1
        hidden, cell = (each[before].swapaxes(0, 1) for each in (self.trace.hidden, self.trace.cell))
        state = State(hidden, cell, [()] * len(before))
        for k in range(STEPS, 0, -1):
            held = np.where(cells, values[self.there - k], np.nan)
            logits, state = self._holding(held).step(self.ids[self.here - k], state)
        lanes = np.arange(len(before))
        return float((logits[lanes, self.ids[self.there]] > logits[lanes, self.ids[self.here]]).mean())

    def _holding(self, values: Annotated[Array, "B L H"]) -> Network:
        """Return the network with the cells of each lane held at `values`, where they are not NaN."""
        B, L, H = values.shape
        held = np.full((L, len(GATES_AND_STATES), B, H), np.nan, np.float32)
        held[:, GATES_AND_STATES.index(self.state)] = values.swapaxes(0, 1)
        return self.network.holding(held)


@suggests
def decides(model: LanguageModel, text: str, pattern: str, *, on_progress: OnProgress = ignore_progress) -> Decided:
    """Find the cells that decide what comes where the regular expression `pattern`, or its first group, matches.

    Of a large network, only the beginning of the text is read. Raises OptionError for an invalid expression, or if it
    matches too seldom, and as `model.gates` does.
    """
    if model.is_held or model.lines:
        why = "with nothing held: leave `hold` out" if model.is_held else "of running text, and this one reads lines"
        raise OptionError(f"cells can be found only in a model {why}")
    config, random = model.config, np.random.default_rng(0)
    most = int(MOST_WORK / (config.num_layers * config.hidden_size * config.parameters))
    text = beginning(model, model.tokenizer.normalise(text)[:most])
    due, cut = matching(pattern)(text), len(text) // 2
    first, second = (_Half(model, text[part], due[part], random) for part in (slice(cut), slice(cut, None)))
    means = getattr(first.trace, first.state).mean(axis=0)
    singles = np.eye(means.size, dtype=bool).reshape(-1, *means.shape)
    order = np.argsort(-first.held(means, singles)[1].mean(axis=1), kind="stable")  # how little they still differ
    on_progress(0.6)
    sizes = [k for k in SIZES if k <= max(1, means.size // 2)]
    best = np.array([singles[order[:k]].any(axis=0) for k in (0, *sizes)])
    costs = np.logaddexp2(0, first.held(means, best)[1]).mean(axis=1)
    enough = [k for k in range(1, len(best)) if costs[k] - costs[0] >= ENOUGH * (1 - costs[0])]
    chosen = next((k for k in enough if first.follows(best[k]) >= ENOUGH), [*enough, 0][0])
    k = [0, *sizes][chosen] or sizes[-1]
    alone, others = order[: min(k, SHOWN) * (k > 1)], [random.permutation(order[k:])[:k] for _ in range(RANDOM_SETS)]
    sets = np.array([best[0], *singles[alone], best[chosen or -1], *(singles[each].any(axis=0) for each in others)])
    bits, margins = second.held(means, sets)
    held = np.logaddexp2(0, margins).mean(axis=1)  # log2 (1 + 2^d): the cost of telling one from the other
    follows, n, T = np.array([*map(second.follows, sets)]), len(alone) + 1, bits.shape[1]
    shifted = (second.due + T * np.arange(SHIFTS + 1)[:, None] // (SHIFTS + 1)) % T
    change, *chances = (bits[n] - bits[0])[shifted].mean(axis=1).tolist()
    names = [f"l{layer}.u{unit}" for layer, unit in (np.argwhere(singles[one])[0] for one in order[:k])]
    labels = [*names[: n - 1], f"{k} together" if k > 1 else names[0]]
    effects = [*map(Effect, labels, held[1 : n + 1].tolist(), follows[1 : n + 1].tolist())]
    limits = [float(np.quantile(each[n + 1 :], NINE_OF_TEN)) for each in (held, follows)]
    effects.append(Effect(f"{k} random: nine of ten sets do less", *limits))
    worth, cost = 1 - held[0], held - held[0]
    is_found = chosen and worth >= LEAST_WORTH and cost[n] > worth / 2 and held[n] > limits[0] and change > max(chances)
    those = f"these {k} cells" if k > 1 else "this cell"
    verdict = f"{those} {'do' if k > 1 else 'does'} it"
    if not is_found:
        names, verdict = [], f"not found: the network knows {max(0, worth):.0%} of what is due"
    elif not follows[n] >= SURE > limits[1]:
        verdict = f"{those} {'are' if k > 1 else 'is'} needed, but cannot set the answer"
    elif k > 1 and cost[1:n].max() < worth / 2:
        verdict = f"no single cell does it; {those} together do"
    return Decided(verdict, names, float(held[0]), max(chances), change, effects)
