"""Values as text: a series is a line of characters that the network learns like any other, and a table is a corpus.

Each character says how far a value is from the one a season before, in units of the series' usual distance:

    value ──minus the value a season before, ÷ scale──► change ──asinh, into 256 equal bins──► character

The first season has no characters. Bins are narrow near 0 and wide far from it. A change beyond ±`FURTHEST` scales is
in the outermost bin. A character is read back as a change at a place drawn evenly from its bin. The last values of each
series are held out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.planning.training_plan import NONE, TrainingSettings
from afterword.planning.tuning import Limit, lines_per_step
from afterword.text.corpus import Corpus, Split, TextSettings, in_parts
from afterword.text.documents import Source
from afterword.wings.series.table import Floats, Table

BINS = 256
FIRST = 0x2800  # the first of Unicode's 256 Braille patterns, which take one column each and are not letters
FURTHEST, SHARPNESS = 12.0, 2.0  # scales; near 0, bins are about this many times as narrow as without asinh
EDGES = np.linspace(-1, 1, BINS + 1) * math.asinh(SHARPNESS * FURTHEST)  # [257], of asinh(SHARPNESS · change)
CHARACTERS = "".join(map(chr, range(FIRST, FIRST + BINS)))


def scale_of(values: Floats, season: int) -> float:
    """Return the mean distance between values a season apart; 0 without such values."""
    return float(np.abs(values[season:] - values[:-season]).mean()) if len(values) > season else 0.0


def changes_in(values: Floats, season: int, scale: float) -> Floats:
    """Return the changes of `values`, from the second season on, in scales. [n] -> [n - season]"""
    return (values[season:] - values[:-season]) / scale


def bins_of(changes: Floats) -> NDArray[np.int64]:
    """Return the bins, from 0 to 255, of changes [...] in scales."""
    return np.asarray(np.clip(np.searchsorted(EDGES, np.arcsinh(SHARPNESS * changes), side="right") - 1, 0, BINS - 1))


def changes_of(bins: NDArray[np.integer[Any]], within: Floats) -> Floats:
    """Return the changes in scales that lie at `within`, from 0 to 1, in their bins. [...], [...] -> [...]"""
    return np.asarray(np.sinh(EDGES[bins] + within * (EDGES[1] - EDGES[0])) / SHARPNESS)


def to_text(values: Floats, season: int, scale: float) -> str:
    """Return the characters of `values` from the second season on. [n] -> n - season characters"""
    return (bins_of(changes_in(values, season, scale)) + FIRST).astype("<u4").tobytes().decode("utf-32-le")


LEAST_VALUES = 500  # to learn from
STEPS_PER_PASS = 25  # at least: few values would else be learned from in a hundred steps


@dataclass(frozen=True)
class SeriesFacts:
    """The kind of series that a model has learned to forecast. It is saved with the model."""

    season: Annotated[int, Meta(ge=1, le=1_000_000)]
    horizon: Annotated[int, Meta(ge=1, le=1_000_000)]
    frequency: str

    @property
    def held_out(self) -> int:
        """The number of values at the end of each series from which the model has not learned."""
        return max(self.horizon, self.season)


class TableText(TextSettings):
    """A table that has been read already, as the text of a run."""

    _corpus: Corpus

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(lines=True)
        object.__setattr__(self, "_corpus", corpus)  # no field: it is not recorded

    def holding_out(self, fraction: str) -> Self:
        """Return these settings: the end of each series is held out."""
        return self

    def read(self, sources: Sequence[Source], seed: int = 0) -> Corpus:
        return self._corpus


class OnValues(TrainingSettings):
    """Settings of a training on the values of a table."""

    limit: ClassVar = Limit(16, 0, 16)
    few: ClassVar = 0

    @staticmethod
    def of(corpus: Corpus, minutes: float, seed: int) -> OnValues:
        """Return the settings for `corpus`. It has no n-gram: the same values rarely follow one another twice."""
        tokens = corpus.training_characters
        lines = sum(text.count("\n") for part, text in corpus.pieces() if part == "training")
        batch_size, seq_length = values_per_step(tokens, tokens / lines)
        return OnValues(base=NONE, ngram=0, batch_size=batch_size, seq_length=seq_length, minutes=minutes, seed=seed)


def values_per_step(tokens: int, mean_length: float) -> tuple[int, int]:
    """Return the number of lines per step, and of values of each, by the number of all and of each on average."""
    (lines, _), wanted = lines_per_step(mean_length), tokens / STEPS_PER_PASS
    if wanted >= lines * min(256, mean_length):
        return lines, 256
    return max(2, min(lines, int(wanted / min(128, mean_length)))), 128


def lines_of(series: Sequence[Floats], facts: SeriesFacts) -> dict[Split, list[str]]:
    """Return `series`, arrays of values, as lines, except for those that are too short or constant."""
    season, held = facts.season, facts.held_out
    parts: dict[Split, list[str]] = {"training": [], "validation": []}
    for values in series:
        known = values[:-held]
        if scale := scale_of(known, season):
            parts["training"].append(to_text(known, season, scale))
            parts["validation"].append(to_text(values[-held - season :], season, scale))
    return parts


def corpus_of(table: Table, facts: SeriesFacts, name: str) -> Corpus:
    """Return the series of `table` as lines. The last horizon of each is held out, and at least a season.

    Raises TextError if there is nothing to learn.
    """
    parts = lines_of([one.values for one in table.series], facts)
    learned = parts["training"]
    if len(set("".join(learned))) < 2:
        raise TextError(f"{name} changes always by the same amount: there is nothing to learn")
    left = len(table.series) - len(learned)
    notes = [f"{left:,} of {len(table.series):,} series are too short or constant: not learned from"] if left else []
    training, held_out = (sum(map(len, lines)) + len(lines) for lines in parts.values())
    counts = {"training_characters": training, "validation_characters": held_out}
    about: Any = {"labels": {}, "characters": CHARACTERS, "kind": "table", "unit": "value", **counts}
    return Corpus([name], notes, lines=True, pieces=partial(in_parts, parts), **about)
