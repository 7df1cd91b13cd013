"""What values cost, and what was expected in their place, against the costs and predictions of the tokens."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import load_model, save_model
from afterword.series.futures import lstm_forecasts
from afterword.series.readings import QUANTILES, SeriesLine, read_series, smoothed, table_for
from afterword.series.table import BY_NAME, Series, Table
from afterword.series.table_corpus import SeriesFacts
from afterword.series.tokens import CHARACTERS, EDGES, SHARPNESS, scale_of, to_text
from tests.tiny import hourly, long_csv, save_tiny_series

FACTS = SeriesFacts(24, 24, "hourly")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(save_tiny_series(tmp_path_factory.mktemp("series") / "model"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    values = hourly(0)
    values["south"] = values["south"][:150]
    values["north"][300] = 900
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_bytes(long_csv(values))
    return table_for(FACTS, path, BY_NAME)


@pytest.fixture(scope="module")
def series(table: Table) -> tuple[Series, ...]:
    return table.series


def line_of(one: Series) -> str:
    return to_text(one.values, 24, scale_of(one.values, 24))


def test_the_bits_of_values_are_nearly_those_of_their_characters(
    model: LanguageModel, series: tuple[Series, ...]
) -> None:
    for one, reading in zip(series, read_series(model, FACTS, series), strict=True):
        [score] = model.score_lines([line_of(one)])
        assert len(reading.bits) == len(reading.values) == len(one.values) - 24
        assert reading.bits.sum() == pytest.approx(score.token_nats[:-1].sum() / math.log(2), rel=0.05)  # but the end


def test_smoothed_probabilities_add_up_and_leave_no_bin_out() -> None:
    likely = np.zeros((2, 256))
    likely[0, 100::2] = 1 / 78
    likely[1, 0] = 1
    found = smoothed(likely)
    assert found.sum(axis=-1) == pytest.approx(1)
    assert found[0, 151] > found[0, 150] / 30  # unseen, but between two that are likely
    assert (found > 0).all()
    assert found[1].argmax() == 0


def test_what_was_never_learned_about_a_bin_changes_nothing(tmp_path: Path, series: tuple[Series, ...]) -> None:
    saved, card = load_model(save_tiny_series(tmp_path / "model")), ""
    saved.unseen = sorted({*range(1, 256, 2), *saved.unseen})  # as after learning from whole numbers
    found = []
    for change in (0.0, 100.0):
        saved.weights["embedding.weight"][1:256:2] += change
        save_model(tmp_path / "model", saved, card)
        model = load(tmp_path / "model")
        forecast = lstm_forecasts(model, 24, 6, 1, [series[0].values])
        found.append([read_series(model, FACTS, series)[0].bits, forecast])
    for before, after in zip(*found, strict=True):
        assert np.array_equal(before, after)


def test_a_far_value_costs_most(model: LanguageModel, series: tuple[Series, ...]) -> None:
    assert read_series(model, FACTS, series)[0].bits.argmax() == 300 - 24


def test_series_cost_the_same_alone_and_together(model: LanguageModel, series: tuple[Series, ...]) -> None:
    for one, reading in zip(series, read_series(model, FACTS, series), strict=True):
        [alone] = read_series(model, FACTS, [one])
        for name in ("bits", "expected_bits", "quantiles"):
            assert np.allclose(getattr(alone, name), getattr(reading, name), rtol=1e-4), name


def test_the_quantiles_are_those_of_the_predictions(model: LanguageModel, series: tuple[Series, ...]) -> None:
    one = series[1]
    [reading] = read_series(model, FACTS, [one])
    trace = model.gates(line_of(one))
    assert len(trace.tokens) == len(reading.values)  # all its characters are known
    before = np.concatenate([trace.expected_first[None], trace.log_probabilities[:-1]])
    rows = [trace.rows.index(character) for character in CHARACTERS]
    edges = np.sinh(EDGES) / SHARPNESS
    for t in (0, 7, 100):
        sums = np.concatenate([[0], np.cumsum(smoothed(np.exp(before[t, rows])))])
        # within a bin, places are even in asinh
        changes = np.sinh(np.interp(np.array(QUANTILES) * sums[-1], sums, np.arcsinh(SHARPNESS * edges))) / SHARPNESS
        expected = np.maximum(one.values[t] + changes * scale_of(one.values, 24), 0)
        assert np.allclose(reading.quantiles[:, t], expected, rtol=1e-4)


def test_a_line_is_named_by_its_values_and_dates(model: LanguageModel, table: Table) -> None:
    line = SeriesLine.of(table, FACTS, None, slice(270, 280))
    trace = line.named(model.gates(line.text), model.tokenizer)
    assert "".join(trace.tokens).split() == [f"{value:.4g}" for value in table.series[0].values[294:304]]
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
