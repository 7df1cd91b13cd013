"""The gates of a forecast's network while it reads a series, and the tables that it can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.series.series_gates import gates_of, table_for
from afterword.series.table import BY_NAME
from afterword.series.table_corpus import SeriesFacts
from tests.tiny import hourly, long_csv, save_tiny_series

FACTS = SeriesFacts(24, 24, "hourly")


def test_a_series_is_read_by_its_values_and_dates(tmp_path: Path) -> None:
    values = hourly(0)
    (tmp_path / "table.csv").write_bytes(long_csv(values))
    model = save_tiny_series(tmp_path / "model")
    trace = gates_of(model, tmp_path / "table.csv", "south", slice(270, 280))
    assert (trace.unit, trace.title) == ("value", "south")
    assert np.allclose([float(token) for token in trace.tokens], values["south"][294:304], rtol=1e-3)
    with pytest.raises(OptionError, match="no series is named 'east'"):
        gates_of(model, tmp_path / "table.csv", "east")
    assert trace.places[0] == "2024-01-13 06:00:00"
    assert len(trace.places) == len(trace.tokens) == 10
    assert trace.bits_per_character == pytest.approx(trace.bits.sum() / 10)
    assert {trace.rows[0][0], trace.rows[-2][0]} == {"-", "<"} or trace.rows[0].startswith("-")


def test_series_that_a_model_cannot_read_are_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(long_csv({"flat": np.ones(480), **hourly(0)}))
    table = table_for(FACTS, tmp_path / "table.csv", BY_NAME)
    assert [one.name for one in table.series] == ["north", "south"]
    assert table.notes == ("1 of 3 series are constant, or no longer than a season: left out",)


def test_a_table_that_a_model_cannot_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(long_csv(hourly(0), "D"))
    with pytest.raises(OptionError, match="the table is daily, and this model has learned hourly series"):
        table_for(FACTS, path, BY_NAME)
    path.write_bytes(long_csv({"a": np.ones(60)}))
    with pytest.raises(OptionError, match="every series is constant, or has no more values than a season of 24"):
        table_for(FACTS, path, BY_NAME)
