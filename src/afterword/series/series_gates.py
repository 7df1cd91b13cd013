"""The gates of a forecast's network while it reads a series: values and their dates in place of characters."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from afterword.errors import OptionError
from afterword.inspection.trace import Trace
from afterword.series.kept import load_kept
from afterword.series.table import BY_NAME, Columns, Table, read_table
from afterword.series.table_corpus import SeriesFacts
from afterword.series.tokens import BINS, CHARACTERS, changes_of, scale_of, to_text
from afterword.text.tokenizer import Tokenizer

UNREADABLE = "every series is constant, or has no more values than a season of {:,}"


def gates_of(
    model: str | os.PathLike[str],
    source: Any,
    name: str | None = None,
    part: slice = slice(None),
    columns: Columns = BY_NAME,
) -> Trace:
    """Return the gates of the network that `forecast` kept in `model`, while it reads a series of the table `source`.

    It reads a `part` of the values after the first season, of the series `name` or the first one.
    """
    network, facts = load_kept(model)
    line = SeriesLine.of(table_for(facts, source, columns), facts, name, part)
    return line.named(network.gates(line.text), network.tokenizer)


def check_frequency(table: Table, facts: SeriesFacts) -> None:
    """Raise OptionError if the table's frequency is not the one that the model has learned. Numbered dates suit all."""
    names = (facts.frequency, table.calendar.name)
    if len({*names}) > 1 and not any("number" in name for name in names):
        raise OptionError(
            f"the table is {names[1]}, and this model has learned {names[0]} series: give a table like these"
        )


def table_for(facts: SeriesFacts, source: Any, columns: Columns) -> Table:
    """Return a table with those series that a model can read, neither constant nor too short; a note counts the others.

    Raises TableError; OptionError if the table has another frequency, or nothing to read.
    """
    table = read_table(source, columns, facts.season)
    check_frequency(table, facts)
    usable = tuple(one for one in table.series if scale_of(one.values, facts.season))
    if not usable:
        raise OptionError(f"{UNREADABLE.format(facts.season)}: give longer ones")
    if left := len(table.series) - len(usable):
        note = f"{left:,} of {len(table.series):,} series are constant, or no longer than a season: left out"
        return replace(table, series=usable, notes=(*table.notes, note))
    return table


@dataclass(frozen=True)
class SeriesLine:
    """Some values of a series as a line of n characters, with their values and dates as people read them."""

    title: str
    text: str
    values: list[str]
    dates: list[str]

    @staticmethod
    def of(table: Table, facts: SeriesFacts, name: str | None, part: slice) -> SeriesLine:
        """Return a `part` of the values after the first season, of the series `name` or the first of a `table_for`.

        Raises OptionError for a name that the table does not have.
        """
        series = next((one for one in table.series if name in (None, one.name)), None)
        if series is None:
            raise OptionError(
                f"no series is named {str(name)[:60]!r}, or it is constant or too short: give another `series`"
            )
        season, form = facts.season, table.form.dates
        text = to_text(series.values, season, scale_of(series.values, season))[part]
        values = [f"{value:.4g} " for value in series.values[season:][part]]
        return SeriesLine(series.name, text, values, form.write(series.dates[season:][part]))

    def named(self, trace: Trace, tokenizer: Tokenizer) -> Trace:
        """Return the `trace` of the line with values as tokens, and changes in scales as rows."""
        starts = tokenizer.starts(self.text)
        rows = tokenizer.encode(CHARACTERS)
        changes = dict(zip(rows.tolist(), changes_of(np.arange(BINS), np.full(BINS, 0.5)), strict=True))
        return replace(
            trace,
            tokens=[self.values[k] if new else "" for k, new in zip(starts, np.diff(starts, prepend=-1), strict=True)],
            rows=[f"{changes[row]:+.2f}" if row in changes else name for row, name in enumerate(trace.rows)],
            title=self.title,
            unit="value",
            places=[self.dates[k] for k in starts],
        )
