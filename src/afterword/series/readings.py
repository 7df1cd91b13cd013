"""Readings of a table by a model of series: the cost of each value, and what was expected in its place.

table ──each series as a line──► tokens ──network──► predictions ──► the bits of each value, its median and its band
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from afterword.errors import OptionError
from afterword.inspection.trace import Trace
from afterword.language_model import LanguageModel
from afterword.model.arrays import Ids
from afterword.model.folder.calibration import Costs, Normal
from afterword.scoring.costs import read_lines, stretches
from afterword.series.calendars import Dates
from afterword.series.futures import bounded, learned_bins, read_as_ids
from afterword.series.table import Columns, Series, Table, read_table
from afterword.series.table_corpus import SeriesFacts
from afterword.series.tokens import BINS, CHARACTERS, Floats, bins_of, changes_in, changes_of, scale_of, to_text
from afterword.settings import OnProgress, ignore_progress
from afterword.text.tokenizer import Tokenizer

QUANTILES = (0.1, 0.5, 0.9)  # the median, and the band of 80 %
SPREAD = 0.1  # the part of each bin's probability that its neighbours get
NEIGHBOURS = 4  # bins on each side


UNREADABLE = "every series is constant, or has no more values than a season of {:,}"


@dataclass(frozen=True, eq=False)
class SeriesReading:
    """The n values of a series after its first season, and how well each was predicted from those before it."""

    name: str
    dates: Dates
    values: Floats
    bits: Floats
    expected_bits: Floats
    """The entropies of the predictions."""
    quantiles: Floats
    """The low end of the band of 80 %, the median and the high end, [3, n]."""
    season: int

    def costs(self, part: slice = slice(None)) -> Normal:
        """Return the costs of some of the values, for a calibration in which each counts as a line of one character."""
        bits = self.bits[part]
        return Normal(Costs(bits, self.expected_bits[part], bits, np.ones_like(bits)), bits)


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


def read_source(
    model: LanguageModel, source: Any, columns: Columns, on_progress: OnProgress = ignore_progress
) -> tuple[Table, list[SeriesReading]]:
    """Return the table of `source`, as `table_for` does, and the reading of each of its series."""
    facts = SeriesFacts.of(model)
    table = table_for(facts, source, columns)
    return table, read_series(model, facts, table.series, on_progress)


def read_series(
    model: LanguageModel, facts: SeriesFacts, series: Sequence[Series], on_progress: OnProgress = ignore_progress
) -> list[SeriesReading]:
    """Return the reading of each of `series`, which are those of a `table_for` the model.

    Each is read from a fresh state. A value's bits are those of its bin, given that a value follows, with probabilities
    that are `smoothed`. A bin that training has never seen is read as the nearest one that it has.
    """
    season, tokenizer, network = facts.season, model.tokenizer, model.predictor
    scales = [scale_of(one.values, season) for one in series]
    bins = [bins_of(changes_in(one.values, season, scale)) for one, scale in zip(series, scales, strict=True)]
    read_as, rows = read_as_ids(*learned_bins(model)), tokenizer.encode(CHARACTERS)
    ids = [read_as[each] for each in bins]
    # of each value: its nats, the expected ones, and the quantiles of its change
    figures = [np.empty((2 + len(QUANTILES), len(one))) for one in ids]

    def read(batch: list[int], padded: Ids, done: Callable[[int], None]) -> None:
        for stretch in stretches(network, tokenizer.end, padded):
            likely = smoothed(np.exp(stretch.expected()[..., rows]).astype(np.float64))
            expected = np.stack([-(likely * np.log(likely)).sum(axis=-1), *_quantiles(likely)])
            for lane, index in enumerate(batch):
                place = slice(stretch.place.start, min(stretch.place.stop, len(ids[index])))
                count = max(0, place.stop - place.start)
                figures[index][0, place] = -np.log(likely[lane, np.arange(count), bins[index][place]])
                figures[index][1:, place] = expected[:, lane, :count]
                done(count)

    read_lines(network, ids, read, on_progress)
    found = []
    for one, scale, each in zip(series, scales, figures, strict=True):
        dates, values, (bits, expected_bits) = one.dates[season:], one.values[season:], each[:2] / math.log(2)
        quantiles = bounded(one.values, one.values[:-season] + each[2:] * scale)
        found.append(SeriesReading(one.name, dates, values, bits, expected_bits, quantiles, season))
    return found


def smoothed(likely: Floats) -> Floats:
    """Return the probabilities of bins [..., A] with a tenth spread over up to four neighbours on each side.

    The bins of whole numbers alternate with bins that training has never seen: without this, a value between two
    likely ones would be the oddest of all.
    """
    weights = np.arange(1, NEIGHBOURS + 2)
    kernel = np.concatenate([weights, weights[-2::-1]]) / (NEIGHBOURS + 1) ** 2
    padded = np.pad(likely, [*[(0, 0)] * (likely.ndim - 1), (NEIGHBOURS, NEIGHBOURS)])
    around = sum(share * padded[..., k : k + likely.shape[-1]] for k, share in enumerate(kernel))
    spread = (1 - SPREAD) * likely + SPREAD * around + 1e-12  # so that every bin has a cost
    return np.asarray(spread / spread.sum(axis=-1, keepdims=True))


def _quantiles(likely: Floats) -> Iterator[Floats]:
    """Yield the `QUANTILES` of changes that lie in the bins with probabilities `likely` [B, t, 256]."""
    sums = likely.cumsum(axis=-1)
    for quantile in QUANTILES:
        wanted = quantile * sums[..., -1:]
        index = np.minimum((sums < wanted).sum(axis=-1, keepdims=True), BINS - 1)
        above, inside = (np.take_along_axis(each, index, axis=-1) for each in (sums, likely))
        yield changes_of(index, 1 - (above - wanted) / np.maximum(inside, 1e-300))[..., 0]


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
