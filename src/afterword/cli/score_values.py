"""`score` with a model of series: the cost of a table, of each of its series, or of each value, and the odd values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afterword.bars import waiting
from afterword.cli.options import Combination
from afterword.cli.output import Row, aligned, note, readable, say, shown, strict_json
from afterword.cli.scorers import Asked, Scorers
from afterword.language_model import LanguageModel
from afterword.model.folder.calibration import Normal
from afterword.series.futures import rounded
from afterword.series.readings import SeriesReading, read_source
from afterword.series.table import ID, TIME, VALUE, Columns, Table
from afterword.text.documents import counted, source_name

ODD = ("--false-alarms", "--flag", "--fail")
RULES_OF_VALUES = (
    Combination("--lines", excludes=("--per-character", "--top", *ODD)),
    Combination("--per-character", excludes=("--top", *ODD)),
)
BAND = ("lo-80", "median", "hi-80")  # columns, as `forecast` names them
LEFT = ("file", ID, TIME)  # aligned columns


def show_values(asked: Asked, scorers: Scorers, columns: Columns) -> bool:
    """Print the costs of the tables, and return whether any of the printed values is odd."""
    rows: list[Row] = []
    for file in asked.files:
        table, readings = read_values(scorers.model, file, columns)
        if asked.by_line:
            found = [{ID: one.name, **_figures([one])} for one in readings]
        elif asked.per_character or asked.top is not None or asked.rate is not None:
            found = _values(asked, scorers, table, readings)
        else:
            found = [{"series": len(readings), **_figures(readings)}]
        rows += [{"file": source_name(file), **row} for row in found] if len(asked.files) > 1 else found
    if asked.as_json:
        for row in rows:
            print(strict_json({**row, **scorers.facts}))
    elif rows:
        cells = [[_cell(name, value) for name, value in row.items()] for row in rows]
        head = [name.replace("bits_per_value", "bits per value").replace("p_value", "p-value") for name in rows[0]]
        print(aligned([head, *cells], "".join("<" if name in LEFT else ">" for name in rows[0])))
    return any(row.get("odd") for row in rows)


def read_values(model: LanguageModel, file: str, columns: Columns) -> tuple[Table, list[SeriesReading]]:
    """Return the table in `file` and the reading of each series that the model can read; print the notes."""
    with waiting(f"reading {file}") as on_progress:
        table, readings = read_source(model, file, columns, on_progress)
    note(*table.notes)
    return table, readings


def _figures(readings: list[SeriesReading]) -> Row:
    values, bits = sum(len(one.bits) for one in readings), sum(float(one.bits.sum()) for one in readings)
    return {"values": values, "bits": bits, "bits_per_value": bits / values}


def _values(asked: Asked, scorers: Scorers, table: Table, readings: list[SeriesReading]) -> list[Row]:
    """Return a row per value: the costliest ones, the odd ones, or all."""
    costs = Normal.joined([one.costs() for one in readings]).costs
    chosen, key, judged = np.arange(len(costs.bits)), costs.bits, dict[str, NDArray[np.generic]]()
    if asked.rate is not None:
        calibration = scorers.model.check_calibrated(asked.rate)
        key = calibration.figure(costs)
        p_values = calibration.p_values(key)
        flags = p_values <= asked.rate
        parts = np.split(flags, np.cumsum([len(one.bits) for one in readings])[:-1])
        odd = np.concatenate([one.without_echoes(part) for one, part in zip(readings, parts, strict=True)])
        judged = {"figure": key, "p_value": p_values, "odd": odd}
        say(f"{counted(int(odd.sum()), 'odd value')} of {len(odd):,}, at a false-alarm rate of {asked.rate:g}")
        if echoes := int(flags.sum() - odd.sum()):
            note(f"not counted: {counted(echoes, 'value')} flagged only because of the odd value one season before")
        if asked.only_odd:
            chosen = np.flatnonzero(odd)
    if asked.top is not None:
        chosen = chosen[np.argsort(-key[chosen], kind="stable")[: asked.top]]
    quantiles = np.concatenate([one.quantiles for one in readings], axis=1)
    found = {
        ID: [name for one in readings for name in [one.name] * len(one.bits)],
        TIME: np.concatenate([one.dates for one in readings]),
        VALUE: np.concatenate([one.values for one in readings]),
        **dict(zip(BAND, rounded(quantiles), strict=True)),
        "bits": costs.bits,
        **judged,
    }
    found = {name: np.asarray(each)[chosen] for name, each in found.items()}
    found = {name: table.form.dates.write(each) if name == TIME else each.tolist() for name, each in found.items()}
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _cell(name: str, value: object) -> str:
    if name in LEFT:
        return shown(str(value))
    if isinstance(value, float):
        return f"{value:.6g}" if name in (VALUE, *BAND) else f"{value:.4f}"
    return readable(value)
