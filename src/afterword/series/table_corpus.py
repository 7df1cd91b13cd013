"""A table as a corpus: each series is a line of characters, whose last values are held out.

`SeriesSettings` read one for a run, as `TextSettings` read a text; `corpus_settings` chooses between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from msgspec import Meta

from afterword.errors import ModelError, OptionError, TextError
from afterword.language_model import LanguageModel
from afterword.planning.training_plan import AUTO, NONE, CorpusSettings, TrainingSettings
from afterword.records import as_record
from afterword.series.table import Columns, Table, read_table
from afterword.series.tokens import CHARACTERS, Floats, scale_of, to_text
from afterword.settings import made, setting
from afterword.text.corpus import Corpus, Split, TextSettings, in_parts
from afterword.text.documents import Source, counted, source_name

LEAST_VALUES = 500  # to learn from
SEASON_HELP = "the number of values after which a pattern repeats (default: from the dates, such as 24 for hourly ones)"


@dataclass(frozen=True)
class SeriesFacts:
    """The kind of series that a model has learned to forecast. It is saved with the model."""

    season: Annotated[int, Meta(ge=1, le=1_000_000)]
    horizon: Annotated[int, Meta(ge=1, le=1_000_000)]
    frequency: str

    @staticmethod
    def of(model: LanguageModel) -> SeriesFacts:
        """Return what `model` has learned to forecast. Raises ModelError for a model of text, or a damaged one."""
        if model.unit == "character":
            raise ModelError(
                "this is a model of text, which cannot forecast: train one with afterword train TABLE --series"
            )
        try:
            return as_record(SeriesFacts, model.about["series"])
        except ValueError as error:
            raise ModelError(f"the model is damaged: its series: {error}; take a fresh copy") from None

    @property
    def held_out(self) -> int:
        """The number of values at the end of each series from which the model has not learned."""
        return max(self.horizon, self.season)


@dataclass(frozen=True, kw_only=True)
class SeriesSettings(Columns):
    """Settings for learning from a table of numbers."""

    series: bool = setting(False, "read a table of numbers, to forecast it", needs="horizon")
    horizon: int | None = setting(None, "the number of values to forecast", minimum=1, maximum=100_000, needs="series")
    season: int | None = setting(None, SEASON_HELP, minimum=1, maximum=100_000, needs="series")

    lines: ClassVar[bool] = True
    lowercase: ClassVar[bool] = False
    vocabulary: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in fields(Columns):
            if not self.series and getattr(self, field.name):
                raise OptionError(f"`{field.name}` belongs to a table of numbers: give `series` too")

    def suited(self, training: TrainingSettings) -> TrainingSettings:
        """Return `training` without a base. Raises OptionError if a base or the classic recipe is given."""
        if training.recipe == "classic":
            raise OptionError("the classic recipe learns from text: leave it or `series` out")
        if training.base not in (AUTO, NONE):
            raise OptionError(
                f"`base` {training.base}: a model of series begins from scratch; leave it or `series` out"
            )
        return replace(training, base=NONE)

    def holding_out(self, fraction: str) -> Self:
        """Return these settings: the end of each series is held out."""
        return self

    def read(self, sources: Sequence[Source], seed: int = 0) -> Corpus:
        """Read the table that is the only source. Raises TableError, and TextError for one with too little to learn."""
        if len(sources) != 1:
            raise TextError(f"series come from one table, not {len(sources)} files: name one")
        table = read_table(sources[0], self, self.season)
        corpus = corpus_of(table, self.horizon or 1, source_name(sources[0]))
        return replace(corpus, notes=[*table.notes, *corpus.notes])


class InMemory(SeriesSettings):
    """Settings for learning from a table that has been read already, and whose notes are known."""

    _table: Table

    def __init__(self, table: Table, facts: SeriesFacts) -> None:
        super().__init__(series=True, horizon=facts.horizon, season=facts.season)
        object.__setattr__(self, "_table", table)  # no field: it is not recorded

    def read(self, sources: Sequence[Source], seed: int = 0) -> Corpus:
        return corpus_of(self._table, self.horizon or 1, source_name(sources[0]))


def corpus_settings(text: TextSettings, table: SeriesSettings) -> CorpusSettings:
    """Return `table` if it asks for series, else `text`. Raises OptionError for settings of text with a table."""
    if not table.series:
        return text
    for name in ("labels", "lowercase", "validation", "vocabulary"):
        if getattr(text, name):
            raise OptionError(f"`{name}` does not suit a table of numbers: leave it out")
    if text.unwrap == "yes":
        raise OptionError("`unwrap` does not suit a table of numbers: leave it out")
    return table


def recorded_settings(recorded: Mapping[str, Any]) -> CorpusSettings:
    """Return the settings of the text or table that a run has `recorded`."""
    return (
        made(SeriesSettings, recorded) if recorded.get("series") else made(TextSettings, {"unwrap": "no", **recorded})
    )


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


def corpus_of(table: Table, horizon: int, name: str) -> Corpus:
    """Return the series of `table` as lines. The last horizon of each is held out, and at least a season.

    Raises TextError if there is too little to learn.
    """
    facts = SeriesFacts(table.calendar.season, horizon, table.calendar.name)
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
        about={"series": asdict(facts)},
    )
