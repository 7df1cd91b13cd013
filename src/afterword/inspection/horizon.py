"""How far a network remembers: how much a character k steps back still changes what it expects next.

A character of the text is replaced by another one, drawn from the same text, and the network reads on. After each
further step its prediction is compared with the one that it makes of the true text: the Kullback-Leibler divergence
D(true ‖ replaced), in bits. One replacement answers for every k at once, so a curve over 1,000 steps costs little. The
error bars are standard errors over the places where characters were replaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.tables import as_html, as_text
from afterword.model.network import Network, State, log_probabilities
from afterword.settings import check, setting
from afterword.text.tokenizer import Tokenizer

WARM_UP = 200  # tokens that are read before the replaced one, where the text has them
LEAST_TOKENS = 20
MOST_FIGURES = 10_000_000  # places × steps, one figure each, which are all kept
PLACES_AT_ONCE = 64
AT_ONCE = 16  # steps
LOGITS_AT_ONCE = 4_000_000  # lanes × steps × rows
SHOWN = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
WIDTH = 1.1  # the figure at k is the mean from k / 1.1 to k · 1.1, since single steps scatter
FADED = 0.01  # of what the last character changes: what changes less is called forgotten

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HorizonSettings:
    """How `measure` measures."""

    steps: int = setting(1000, "how far to look back, in characters", minimum=1, maximum=10_000)
    places: int = setting(64, "at how many places of the text", minimum=2, maximum=10_000)
    seed: int = setting(0, "of the characters that are put in", minimum=0, maximum=2**64 - 1)
    gradient: bool | None = setting(None, "also by gradient, which needs PyTorch (if it is there)")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Horizon:
    """How much a character k = 1 … K steps back changes the prediction."""

    name: str
    changes: Array
    """By replacing it: bits, [N places, K]."""
    gradients: Array | None = field(default=None)
    """By gradient: the size of d log P(next) / d input, in nats, [N places, K]; None where torch is not at hand."""

    @property
    def steps(self) -> list[int]:
        """The k that are shown."""
        return [k for k in SHOWN if k <= self.changes.shape[1]]

    def at(self, k: int, values: Array | None = None) -> tuple[float, float]:
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

    def to_dict(self) -> dict[str, Any]:
        """What `horizon --json` prints."""
        record: dict[str, Any] = {"model": self.name, "places": len(self.changes), "reach": self.reach, "steps": []}
        for k in self.steps:
            bits, error = self.at(k)
            row = {"k": k, "bits": bits, "error": error}
            if self.gradients is not None:
                row["gradient"], row["gradient_error"] = self.at(k, self.gradients)
            record["steps"].append(row)
        return record

    def __str__(self) -> str:
        return table([self])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, rows = _cells([self])
        return as_html(f"{self.name}: how much a character k steps back changes the prediction", head, rows)


def measure(
    network: Network,
    tokenizer: Tokenizer,
    text: str,
    settings: HorizonSettings,
    name: str = "model",
    on_progress: Callable[[float], object] = lambda fraction: None,
) -> Horizon:
    """Replace a character at each of the places of `text` and see what changes up to `steps` later.

    Shorter texts are measured over fewer steps. `on_progress` is called with the fraction that is done. Raises
    TextError for a text that is too short or holds only one character, OptionError for too many figures.
    """
    ids = tokenizer.encode(text)
    places, K = choose_places(network, ids, settings)
    others = replacements(ids, places, np.random.default_rng(settings.seed))
    before = min(WARM_UP, int(places[0]))
    changes = np.empty((len(places), K))
    for first in range(0, len(places), PLACES_AT_ONCE):
        some = slice(first, first + PLACES_AT_ONCE)
        state = warmed_up(network, tokenizer, ids, places[some], before)
        for begin, part in _changes(network, ids, places[some], others[some], state, K):
            end = begin + part.shape[1]
            changes[some, begin:end] = part
            on_progress((first * K + len(part) * end) / changes.size)
    return Horizon(name, np.maximum(changes, 0) / math.log(2))


def _changes(
    network: Network, ids: NDArray[Any], places: NDArray[np.intp], others: NDArray[Any], state: State, K: int
) -> Iterator[tuple[int, Array]]:
    """What `others` at `places` [N] change at the K steps from there on, in nats, piece by piece: first step, [N, ≤ K].

    `state` is what was read before each place.
    """
    N = len(places)
    at_once = max(1, min(AT_ONCE, LOGITS_AT_ONCE // (2 * N * network.config.vocabulary_size)))
    both = network.side_by_side(state, state)
    for first in range(0, K, at_once):
        true = ids[places[:, None] + np.arange(first, min(K, first + at_once))]
        read = np.concatenate([true, true])
        if first == 0:
            read[N:, 0] = others
        logits, both = network.read(read, both)
        expected, changed = np.split(log_probabilities(logits), 2)
        yield first, (np.exp(expected) * (expected - changed)).sum(axis=-1)


def _around(k: int, values: Array) -> Array:
    """Those of `values` [..., K] whose mean is the figure at `k`."""
    low, high = max(1, math.ceil(k / WIDTH)), min(values.shape[-1], math.floor(k * WIDTH))
    return values[..., low - 1 : high]


def choose_places(network: Network, ids: NDArray[Any], settings: HorizonSettings) -> tuple[NDArray[np.intp], int]:
    """Where characters are replaced, evenly over the text, and for how many steps it is then read on."""
    if len(ids) < LEAST_TOKENS:
        raise TextError(f"the text has {len(ids)} tokens: at least {LEAST_TOKENS} are needed to look back over")
    if len(set(network.rows(ids).tolist())) < 2:
        raise TextError("the text holds only one character: there is none to put in its place")
    K = min(settings.steps, max(1, len(ids) * 3 // 4))
    first = min(WARM_UP, (len(ids) - K) // 2)
    places = np.unique(np.linspace(first, len(ids) - K, min(settings.places, len(ids) - K - first + 1)).astype(np.intp))
    if len(places) * K > MOST_FIGURES:
        raise OptionError(
            f"{len(places):,} places × {K:,} steps are too many to keep: give at most {MOST_FIGURES // K:,} places, "
            "or fewer steps"
        )
    return places, K


def sequences(
    network: Network, tokenizer: Tokenizer, ids: NDArray[Any], steps: int, positions: int
) -> NDArray[np.integer[Any]]:
    """Where the gradient is measured: tokens [N, T] whose last one is predicted, from evenly over the text.

    Each begins as every reading does, with the boundary token, where there is one; then come `steps` tokens and as
    many before them as replacing reads, but no more than the network's context.
    """
    before = int(min(network.context_length, steps + WARM_UP, len(ids) - 1))
    ends = np.unique(np.linspace(before, len(ids) - 1, min(positions, len(ids) - before)).astype(np.intp))
    read: NDArray[np.integer[Any]] = ids[ends[:, None] + np.arange(-before, 1)]
    if tokenizer.end is None:
        return read
    return np.concatenate([np.full((len(read), 1), tokenizer.end, read.dtype), read], axis=1)


def replacements(ids: NDArray[Any], places: NDArray[np.intp], random: np.random.Generator) -> NDArray[Any]:
    """For each place a token of the text, as frequent as it is there, that is another one than stands there."""
    order = np.argsort(ids, kind="stable")
    first, last = (np.searchsorted(ids[order], ids[places], side) for side in ("left", "right"))
    others = []
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        same = order[begin:end]  # where this token stands, in ascending order
        k = random.integers(len(ids) - len(same))  # the k-th of all the others
        others.append(ids[k + np.searchsorted(same - np.arange(len(same)), k, side="right")])
    return np.array(others, ids.dtype)


def warmed_up(
    network: Network, tokenizer: Tokenizer, ids: NDArray[Any], places: NDArray[np.intp], before: int
) -> State:
    """The state just before each place, after the `before` tokens that stand there."""
    state = network.start(len(places))
    if tokenizer.end is not None:
        _, state = network.step(np.full(len(places), tokenizer.end), state)
    columns = ids[places[:, None] - before + np.arange(before)]
    at_once = max(1, min(AT_ONCE, LOGITS_AT_ONCE // (len(places) * network.config.vocabulary_size)))
    for first in range(0, before, at_once):
        _, state = network.read(columns[:, first : first + at_once], state)
    return state


def table(horizons: Sequence[Horizon]) -> str:
    """The curves side by side, with a bar of each for the eye."""
    head, rows = _cells(horizons)
    reach = "\n".join(
        f"{one.name}: {len(one.changes)} places; a character changes 1 % of what the last one does up to "
        f"{one.reach:,} steps back" + (" and beyond" if one.reach == one.changes.shape[1] else "")
        for one in horizons
    )
    return f"{as_text(head, rows)}\n{reach}"


def _cells(horizons: Sequence[Horizon]) -> tuple[list[str], list[list[str]]]:
    head, longest = ["k"], max(horizons, key=lambda one: len(one.steps))
    for one in horizons:
        head += [f"{one.name}: bits", "±"] + (["gradient", "±"] if one.gradients is not None else [])
    rows = []
    for k in longest.steps:
        row, bars = [f"{k:,}"], []
        for one in horizons:
            columns = [one.changes] + ([one.gradients] if one.gradients is not None else [])
            for values in columns:
                known = k <= values.shape[1]
                mean, error = one.at(k, values) if known else (math.nan, math.nan)
                row += [f"{mean:.2g}" if known else "–", "–" if math.isnan(error) else f"{error:.1g}"]
            bars.append(_bar(one.at(k)[0]) if k in one.steps else "")
        rows.append([*row, "  ".join(bars)])
    return [*head, "bits, two blocks a power of ten"], rows


def _bar(bits: float) -> str:
    """A bar whose length is the logarithm of `bits`, from 10^-12, where float32 ends, to 10."""
    return ("█" * round(2 * (math.log10(max(bits, 1e-12)) + 12))).ljust(26, "·")
