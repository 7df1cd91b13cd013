"""The measures of forecasts are those of M4 and GluonTS."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.series.candidates import seasonal
from afterword.series.measures import average, coverage, mase, smape, weighted_quantile_loss
from afterword.series.table import read_table

M4 = Path(__file__).parents[3] / "shared" / "data" / "series"
numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=2, max_size=12), st.integers(1, 30))
def test_seasonal_naive_is_exact_on_what_only_repeats(season: list[float], horizon: int) -> None:
    values = np.tile(season, 4)
    forecast = seasonal(len(season), 1, values, horizon)
    truth = np.tile(season, 30)[:horizon]
    np.testing.assert_array_equal(forecast, truth)
    noisy = np.append(values, season[0] + 1)  # so that the scale is not 0
    assert mase([forecast], [truth], [noisy], len(season)).tolist() == [0.0]
    assert smape([forecast], [truth]).tolist() == [0.0]


def test_mase_divides_by_the_seasonal_error_of_each_history() -> None:
    histories = [np.array([1.0, 2, 3, 6]), np.array([0.0, 10, 0, 10, 5])]
    forecast, actual = np.array([[1.0, 1], [2, 2]]), np.array([[2.0, 3], [2, 7]])
    np.testing.assert_allclose(mase(forecast, actual, histories, 2), [1.5 / 3, 2.5 / (5 / 3)])


@pytest.mark.parametrize("history", [[5.0, 5, 5, 5], [1.0, 2, 1, 2], [1.0], [1.0, 2]])
def test_mase_without_a_scale_is_skipped_by_averages(history: list[float]) -> None:
    values = mase([[1.0], [1.0]], [[2.0], [2.0]], [np.array(history), np.array([0.0, 0, 1, 2])], 2)
    assert np.isnan(values[0])
    assert average(values) == values[1]
    assert np.isnan(average(values[:1]))


def test_smape_is_in_per_cent_up_to_200() -> None:
    np.testing.assert_allclose(smape([[1.0, 0.0], [3.0, 3.0]], [[-1.0, 0.0], [1.0, 3.0]]), [100, 50])


def test_the_quantile_loss_of_the_median_is_the_weighted_absolute_error() -> None:
    forecast, actual = np.array([[1.0, 4], [2, 2]]), np.array([[2.0, 2], [2, 4]])
    assert weighted_quantile_loss(forecast[:, None], [0.5], actual) == pytest.approx(5 / 10)


def test_the_quantile_loss_of_a_level_is_steeper_on_one_side() -> None:
    assert weighted_quantile_loss([[8.0]], [0.9], [10.0]) == pytest.approx(2 * 0.9 * 2 / 10)
    assert weighted_quantile_loss([[12.0]], [0.9], [10.0]) == pytest.approx(2 * 0.1 * 2 / 10)
    assert weighted_quantile_loss([[8.0], [12.0]], [0.9, 0.9], [10.0]) == pytest.approx(0.2)
    assert np.isnan(weighted_quantile_loss([[1.0]], [0.9], [0.0]))


def test_coverage_counts_both_ends() -> None:
    assert coverage([0.0, 0, 0, 0], [1.0, 1, 1, 1], [0.0, 1, 2, -1]) == 0.5


@pytest.mark.parametrize("values", [[3.0], [3.0, 4.0]])
def test_less_than_a_season_repeats_the_last_value(values: list[float]) -> None:
    np.testing.assert_array_equal(seasonal(7, 1, np.array(values), 3), [values[-1]] * 3)


@pytest.mark.skipif(not M4.exists(), reason="needs the files of M4")
def test_seasonal_naive_on_m4_hourly_has_the_published_error() -> None:
    table = read_table(M4 / "hourly-train.csv")
    with open(M4 / "hourly-test.csv", newline="") as file:
        actual = np.array([row[1:] for row in csv.reader(file)][1:], dtype=float)
    forecast = np.array([seasonal(24, 1, one.values, 48) for one in table.series])
    histories = [one.values for one in table.series]
    assert average(mase(forecast, actual, histories, 24)) == pytest.approx(1.193, abs=0.001)  # of M4's organisers
    assert average(smape(forecast, actual)) == pytest.approx(13.912, abs=0.01)
