"""The horizon of a network: how much a character k steps back still changes its next prediction.

A character of the text is replaced by another one, drawn from the same text, and the network reads on. After each
further step its prediction is compared with the one for the true text: the Kullback-Leibler divergence
D(true ‖ replaced). One replacement answers for every k at once, so a curve over 1,000 steps costs little. If PyTorch is
installed, the gradient is measured too. The error bars are standard errors over the places that are measured.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import KW_ONLY, dataclass
from itertools import chain
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.gates import carried_network
from afterword.language_model import LanguageModel
from afterword.model.arrays import Floats, Ids
from afterword.model.network.network import Network, log_probabilities
from afterword.settings import (
    LAST_SEED,
    OnProgress,
    Settings,
    ignore_progress,
    setting,
    settings_class,
    suggests,
    takes,
)
from afterword.text.tokenizer import Tokenizer, check_text
from afterword.wings.lesson.finding import Finding
from afterword.wings.lesson.matches import last_characters, matching

WARM_UP = 200  # tokens that are read before the replaced one, if the text has as many
LEAST_TOKENS = 20
MOST_FIGURES = 10_000_000  # places × steps, all of which are kept
PLACES_AT_ONCE = 64
STEPS_AT_ONCE = 16
LOGITS_AT_ONCE = 4_000_000  # lanes × steps × rows


@settings_class()
class HorizonOf(Settings):
    """A text whose horizon is measured, and how."""

    text: str
    _: KW_ONLY
    on_progress: OnProgress = ignore_progress
    steps: int = setting("measure up to this many characters back", default=1000, minimum=1, maximum=10_000)
    places: int = setting("measure at this many places of the text", default=64, minimum=2, maximum=10_000)
    seed: int = setting("seed of the replacement characters", default=0, minimum=0, maximum=LAST_SEED)
    gradient: bool | None = setting("also measure the gradient, with PyTorch (default: if installed)", default=None)
    at: str | None = setting(
        "replace only characters that this expression, or its first group, matches; by other matches",
        default=None,
        metavar="REGEX",
        excludes=("gradient",),
    )


class MeasuredText(NamedTuple):
    """A text, and the network that reads it."""

    network: Network
    tokenizer: Tokenizer
    ids: Ids
    chosen: NDArray[np.intp]
    """The tokens that may be replaced."""


def measured(model: LanguageModel, text: str, at: str | None = None) -> MeasuredText:
    """Return `text` in tokens, and those that may be replaced: where the expression `at` matches. Raises OptionError
    for an invalid one, or for a model of lines."""
    if model.lines:
        raise OptionError("only a model that reads a whole text has a horizon; this one reads lines")
    network, tokenizer = carried_network(model), model.tokenizer  # an n-gram looks back only a few characters
    read = tokenizer.normalise(text)
    ids = tokenizer.encode(read)
    matched = True if at is None else matching(at)(read)[last_characters(read, tokenizer)]
    return MeasuredText(network, tokenizer, ids, np.flatnonzero(np.full(len(ids), matched)))


def changes_by_replacing(
    text: MeasuredText, settings: HorizonOf, on_progress: OnProgress = ignore_progress
) -> Annotated[Floats, "N K"]:
    """Return how much replacing a character at each of N places changes up to K `steps` later, in bits.

    Short texts are measured over fewer steps. Raises TextError for a text that is too short or has only one distinct
    character, OptionError for too many figures.
    """
    places, K = choose_places(text, settings)
    pool = text.ids[text.chosen]
    pool = pool if len(set(pool.tolist())) > 1 else text.ids
    others = replacements(pool, text.ids[places], np.random.default_rng(settings.seed))
    before, network = min(WARM_UP, int(places[0])), text.network
    changes = np.empty((len(places), before + K))
    for first in range(0, len(places), PLACES_AT_ONCE):
        some = slice(first, first + PLACES_AT_ONCE)
        true = text.ids[places[some, None] + np.arange(-before, K)]
        changed = true.copy()
        changed[:, before] = others[some]
        read = np.concatenate([true, changed])
        _, state = network.step(np.full(len(read), text.tokenizer.end), network.start(len(read)))
        at_once = max(1, min(STEPS_AT_ONCE, LOGITS_AT_ONCE // (len(read) * network.config.vocabulary_size)))
        for begin in range(0, before + K, at_once):
            logits, state = network.read(read[:, begin : begin + at_once], state)
            expected, other = np.split(log_probabilities(logits), 2)
            now = (np.exp(expected) * (expected - other)).sum(axis=-1)
            changes[some, begin : begin + at_once] = now
            on_progress((first * (before + K) + len(true) * (begin + now.shape[1])) / changes.size)
    return np.maximum(changes[:, before:], 0) / math.log(2)


def choose_places(text: MeasuredText, settings: HorizonOf) -> tuple[Annotated[NDArray[np.intp], "N"], int]:
    """Return the places of replaced characters, spread evenly over the text, and the number of steps after each."""
    if len(text.ids) < LEAST_TOKENS:
        raise TextError(f"the text has {len(text.ids)} tokens; at least {LEAST_TOKENS} are needed: give a longer text")
    if len(set(text.network.rows(text.ids).tolist())) < 2:
        raise TextError("the text has only one distinct character: give a text with more, to replace it with another")
    length = len(text.ids)
    K = min(settings.steps, max(1, length * 3 // 4))
    within = (text.chosen >= min(WARM_UP, (length - K) // 2)) & (text.chosen <= length - K)
    places = _spread(text.chosen[within], settings.places)
    if len(places) < 2:
        matches = f"the text matches at {len(places)} places that have {K:,} characters after them"
        raise OptionError(f"{matches}, and 2 are needed: give a longer text, or fewer steps")
    if len(places) * K > MOST_FIGURES:
        needed = f"{len(places):,} places × {K:,} steps need too much memory"
        raise OptionError(f"{needed}: give at most {MOST_FIGURES // K:,} places, or fewer steps")
    return places, K


def _spread(places: NDArray[np.intp], number: int) -> NDArray[np.intp]:
    """Return `number` of the `places`, spread evenly over them, or all if there are fewer."""
    return places[np.linspace(0, len(places) - 1, min(number, len(places))).astype(np.intp)]


def sequences(text: MeasuredText, steps: int, positions: int) -> Annotated[Ids, "N T"]:
    """Return the sequences for the gradient: tokens, evenly over the text, of which the last is predicted.

    Each begins with the boundary token. Then come the tokens that replacing would read as warm-up, and `steps` more.
    """
    before = min(steps + WARM_UP, len(text.ids) - 1)
    ends = _spread(np.arange(before, len(text.ids)), positions)
    read: NDArray[np.integer[Any]] = text.ids[ends[:, None] + np.arange(-before, 1)]
    return np.concatenate([np.full((len(read), 1), text.tokenizer.end, read.dtype), read], axis=1)


def replacements(
    ids: Annotated[Ids, "T"], there: Annotated[Ids, "N"], random: np.random.Generator
) -> Annotated[Ids, "N"]:
    """Draw another token for each one `there`, with the frequencies of `ids`."""
    order = np.argsort(ids, kind="stable")
    first, last = (np.searchsorted(ids[order], there, side) for side in ("left", "right"))
    others = []
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        same = order[begin:end]  # the places of this token, in ascending order
        k = random.integers(len(ids) - len(same))  # the k-th of all the others
        others.append(ids[k + np.searchsorted(same - np.arange(len(same)), k, side="right")])
    return np.array(others, ids.dtype)


SHOWN_STEPS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)
WIDTH = 1.1  # the figure at k is the mean from k / 1.1 to k · 1.1, since single steps scatter
FADED = 0.01  # of what the last character changes: a character that changes less is forgotten


@dataclass(frozen=True, repr=False)
class Horizon(Finding):
    """The change of the prediction by a character k = 1 … K steps back."""

    name: str
    changes: Annotated[Floats, "N K"]
    """The change by replacing it at each of N places, in bits."""
    gradients: Annotated[Floats, "_ K"] | None = None
    """The size of d log P(next) / d input, in nats, per place; None if it was not measured."""
    unit: str = "character"
    """What is replaced, and what k counts: "token" if the model's tokens are not characters."""
    where: str | None = None
    """The expression that matches where tokens were replaced, if not everywhere."""

    @property
    def steps(self) -> list[int]:
        """The k that are shown."""
        return [k for k in SHOWN_STEPS if k <= self.changes.shape[1]]

    def at(self, k: int, values: Annotated[Floats, "N K"] | None = None) -> tuple[float, float]:
        """Return the mean and standard error at `k` of `values`, by default of the changes by replacing.

        The standard error of a single place is NaN.
        """
        values = self.changes if values is None else values
        each = _around(k, values).mean(axis=1)
        return float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else math.nan

    @property
    def reach(self) -> int:
        """The largest k at which a character still changes 1 % of what the last one changes (smoothed as in `at`).

        For chosen characters, such as brackets, it is 1 % of their largest change, which can come later.
        """
        means = self.changes.mean(axis=0)
        smooth = np.array([_around(k, means).mean() for k in range(1, len(means) + 1)])
        least = FADED * (smooth[0] if self.where is None else smooth.max())
        return int(np.flatnonzero(smooth >= least).max(initial=-1)) + 1

    @property
    def caption(self) -> str:
        beyond = " and beyond" if self.reach == self.changes.shape[1] else ""
        of = "what the last one does" if self.where is None else "its largest effect"
        where = "" if self.where is None else f" that matches {self.where[:60]!r}"
        what = f"a {self.unit}{where} changes 1 % of {of} up to {self.reach:,} steps back{beyond}"
        return f"{self.name}: {len(self.changes)} places; {what}"

    @property
    def head(self) -> list[str]:
        gradient = [] if self.gradients is None else ["gradient", "±"]
        return ["k", f"{self.name}: bits", "±", *gradient, "bits, two blocks per power of ten"]

    def figures(self, k: int) -> list[tuple[float, float]]:
        """Return the mean and the standard error at `k` of the changes, and of the gradients if they were measured."""
        return [self.at(k, values) for values in (self.changes, self.gradients) if values is not None]

    def rows(self) -> list[list[str]]:
        rows = []
        for k in self.steps:
            figures = self.figures(k)
            shown = (f"{mean:.2g} {'–' if math.isnan(error) else f'{error:.1g}'}".split() for mean, error in figures)
            rows.append([f"{k:,}", *chain(*shown), _bar(figures[0][0])])
        return rows

    def to_dict(self) -> dict[str, Any]:
        names = ("k", "bits", "error", "gradient", "gradient_error")
        steps = [dict(zip(names, (k, *chain(*self.figures(k))), strict=False)) for k in self.steps]
        return {"model": self.name, "places": len(self.changes), "reach": self.reach, "steps": steps}


@suggests
@takes(HorizonOf)
def horizon(model: LanguageModel, /, settings: HorizonOf) -> Horizon:
    """Measure how much a character up to `steps` back changes what the network predicts, at `places` places of `text`.

    With `gradient`, also measure the gradient, which needs PyTorch; None measures it if PyTorch is installed. A model
    with parts held at a value is measured only by replacing. Raises TextError for a text that is too short, OptionError
    for invalid numbers, ModelError for a classic model.
    """
    text, on_progress = settings.text, settings.on_progress
    check_text(text)
    torch_is_here = importlib.util.find_spec("torch") is not None
    if settings.gradient and not torch_is_here:
        raise OptionError("the gradient needs PyTorch, which is not installed: pip install 'afterword[train]'")
    wanted = torch_is_here and settings.at is None if settings.gradient is None else settings.gradient
    both = wanted and not model.is_held
    half = 0.5 if both else 1.0  # of the work
    read = measured(model, text, settings.at)
    changes = changes_by_replacing(read, settings, lambda fraction: on_progress(half * fraction))
    gradients: Floats | None = None
    if both:
        from afterword.learning.gradients import input_gradients

        ids = sequences(read, changes.shape[1], settings.places)
        gradients = np.empty((len(ids), changes.shape[1]))
        rows = read.network.rows(ids)
        for lanes, part in input_gradients(model.config, model.saved.weights, rows, changes.shape[1]):
            gradients[lanes] = part
            on_progress(half + (1 - half) * lanes.stop / len(ids))
    unit = "character" if model.tokenizer.kind == "char" else "token"
    return Horizon(model.config.cell, changes, gradients, unit, settings.at)


def _around(k: int, values: Floats) -> Floats:
    """Return the `values` [..., K] whose mean is the figure at `k`."""
    low, high = max(1, math.ceil(k / WIDTH)), min(values.shape[-1], math.floor(k * WIDTH))
    return values[..., low - 1 : high]


def _bar(bits: float) -> str:
    """Return a bar whose length is the logarithm of `bits`, from 10^-12, the limit of float32, to 10."""
    return ("█" * round(2 * (math.log10(max(bits, 1e-12)) + 12))).ljust(26, "·")
