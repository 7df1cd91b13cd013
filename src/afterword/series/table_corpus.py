"""A table as a corpus: each series is a line of characters, whose last values are held out.

A run learns from it as from any lines of text, in steps that suit values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Self

from msgspec import Meta

from afterword.errors import ModelError, TextError
from afterword.model.folder.saved import SavedModel
from afterword.planning.training_plan import NONE, TrainingSettings
from afterword.planning.tuning import Limit, lines_per_step
from afterword.records import as_record
from afterword.series.table import Table
from afterword.series.tokens import CHARACTERS, Floats, scale_of, to_text
from afterword.text.corpus import Corpus, Split, TextSettings, in_parts
from afterword.text.documents import Source, counted

LEAST_VALUES = 500  # to learn from
STEPS_PER_PASS = 25  # at least: few values would else be learned from in a hundred steps
SEASON_HELP = "the number of values after which a pattern repeats (default: from the dates, such as 24 for hourly ones)"


@dataclass(frozen=True)
class SeriesFacts:
    """The kind of series that a model has learned to forecast. It is saved with the model."""

    season: Annotated[int, Meta(ge=1, le=1_000_000)]
    horizon: Annotated[int, Meta(ge=1, le=1_000_000)]
    frequency: str

    @staticmethod
    def of(saved: SavedModel) -> SeriesFacts:
        """Return what the model of a forecast has learned. Raises ModelError for a damaged one."""
        try:
            return as_record(SeriesFacts, saved.about["series"])
        except ValueError as error:
            raise ModelError(f"the model is damaged: its series: {error}; take a fresh copy") from None

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

    Raises TextError if there is too little to learn.
    """
    parts = lines_of([one.values for one in table.series], facts)
    learned = parts["training"]
    if (values := sum(map(len, learned))) < LEAST_VALUES:
        has = f"{name} has {counted(values, 'value')} to learn from, after those held out"
        raise TextError(f"{has}; at least {LEAST_VALUES} are needed: give more, or use forecast `method` naive")
    if len(set("".join(learned))) < 2:
        raise TextError(f"{name} changes always by the same amount: there is nothing to learn")
    left = len(table.series) - len(learned)
    notes = [f"{left:,} of {len(table.series):,} series are too short or constant: not learned from"] if left else []
    training, held_out = (sum(map(len, lines)) + len(lines) for lines in parts.values())
    return Corpus(
        [name],
        notes,
        lines=True,
        labels={},
        characters=CHARACTERS,
        training_characters=training,
        validation_characters=held_out,
        pieces=partial(in_parts, parts),
        kind="table",
        unit="value",
    )
