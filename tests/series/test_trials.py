"""Trials: cut-offs in time order, candidates that suit the values, weights, bands that hold, and measures."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.series import candidates
from afterword.series.bands import offsets
from afterword.series.calendars import Calendar
from afterword.series.candidates import METHODS, cycle_of, fixed_phases, seasonal, why_missing
from afterword.series.measures import average, coverage, mase, smape, weighted_quantile_loss
from afterword.series.table import read_table
from afterword.series.trials import NOISE, SURE, USUAL, Trials, combined

Floats = NDArray[np.float64]


@pytest.fixture
def random() -> np.random.Generator:
    """The random numbers of one test."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_library(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "library" not in request.node.name:
        monkeypatch.setattr(candidates, "MOST_FITTED", 0)


run = Trials.run


@pytest.mark.parametrize(
    ("calendar", "length", "seasons"),
    [
        (Calendar("second", 3600, 24), 400, [24, 168]),
        (Calendar("second", 3600, 24), 300, [24]),
        (Calendar("second", 1800, 48), 700, [48, 336]),
        (Calendar("second", 86400, 7), 800, [7, 365]),
        (Calendar("second", 604800, 52), 2000, [52]),
        (Calendar("month", 1, 12), 100, [12]),
        (Calendar("month", 12, 1), 100, []),
    ],
)
def test_a_calendar_has_all_usual_seasons_that_fit_twice(calendar: Calendar, length: int, seasons: list[int]) -> None:
    assert calendar.seasons_for(length) == seasons


def test_each_cut_off_is_followed_by_the_values_that_it_forecasts(random: np.random.Generator) -> None:
    values = random.normal(size=80)
    trials = run([values, values[-20:]], [12], 6)
    assert trials.cuts == [6, 12, 18, 24, 30, 36]
    for place, cut in enumerate(trials.cuts):
        np.testing.assert_array_equal(trials.actual[0, place], values[80 - cut :][:6])
        np.testing.assert_array_equal(trials.past[0, 0, place], np.repeat(values[80 - cut - 1], 6))
    assert np.isnan(trials.actual[1, 3:]).all()
    np.testing.assert_array_equal(trials.future[0, 0], np.repeat(values[-1], 6))


@pytest.mark.parametrize("length", [2, 3, 5, 13, 14, 26])
def test_short_series_have_forecasts(length: int, random: np.random.Generator) -> None:
    trials = run([random.normal(size=length)], [12], 1)
    assert np.isfinite(trials.future).all()


def test_the_best_candidate_has_the_largest_share_and_a_forecast_is_their_mean(random: np.random.Generator) -> None:
    season = np.tile([5.0, 9, 1, 4], 20)
    trials = run([season + random.normal(size=80) for _ in range(5)], [4], 4)
    shares = trials.shares()
    assert trials.names == ["last", "naive 4", "average 4"]
    assert (shares.argmax(axis=0) == 2).all()
    assert ((shares > 0).sum(axis=0) == 2).all()
    assert ((trials.shares(1.0) > 0).sum(axis=0) == 1).all()
    both = combined(shares, trials.future)
    low, high = np.sort(trials.future[1:], axis=0)
    assert ((low <= both) & (both <= high)).all()
    assert not np.array_equal(shares, trials.shares(without=0))


def test_the_weights_of_a_cut_off_do_not_come_from_its_own_values(random: np.random.Generator) -> None:
    series = [random.normal(size=60) for _ in range(3)]
    trials = run(series, [4], 4)
    shifted = [np.concatenate([values[:-4], values[-4:] + 50]) for values in series]
    other = run(shifted, [4], 4)
    np.testing.assert_allclose(trials.backtested(rule=USUAL)[:, 0], other.backtested(rule=USUAL)[:, 0])


def test_shares_follow_a_series_itself_where_series_differ_and_the_table_where_they_do_not(
    random: np.random.Generator,
) -> None:
    seasonal = [np.resize(random.normal(size=4), 80) + 0.3 * random.normal(size=80) for _ in range(60)]
    walks = [np.cumsum(random.normal(size=80)) for _ in range(20)]
    mixed = run([*seasonal, *walks], [4], 4)
    assert mixed.rule[0] < USUAL[0]
    chosen, usual = (mixed.errors(mixed.backtested(rule=rule)).mean() for rule in (mixed.rule, USUAL))
    assert chosen < usual
    alike = run([np.resize([5.0, 9, 1, 4], 80) + random.normal(size=80) for _ in range(80)], [4], 4)
    assert alike.rule[0] >= USUAL[0]
    assert alike.rule[1] > USUAL[1]  # the average of seasons is best for all
    assert run(seasonal[:1], [4], 4).rule == USUAL


@pytest.mark.parametrize("slow", ["", "theta"])
def test_more_series_are_tested_as_far_as_there_is_time_to_fit(
    slow: str, monkeypatch: pytest.MonkeyPatch, random: np.random.Generator
) -> None:
    last = partial(candidates.seasonal, 1, 1)
    fitted: list[int] = []

    def found(series: Sequence[Floats], seasons: Sequence[int], fits: int) -> dict[str, candidates.Method]:
        fitted.append(fits)
        return {"last": last, **({slow: last} if slow else {})}

    monkeypatch.setattr("afterword.series.trials.candidates", found)
    series = [random.normal(size=length) for length in (39, 41) for _ in range(75)]
    for limit, tested in ((0, 100), (150 * 40 + 3 * 120 * 40, 120), (10**6, 150)):
        if slow:
            monkeypatch.setitem(candidates.AFFORDABLE, slow, 2 * limit)
        else:
            monkeypatch.setattr("afterword.series.trials.MOST_FITTED", limit)
        assert (~np.isnan(run(series, [], 4).actual[:, 0, 0])).sum() == tested
    assert {*fitted} == {150 * 40 + 3 * 100 * 40}  # testing more takes no candidate away


def test_too_few_trials_and_trials_that_overlap_choose_no_other_shares(random: np.random.Generator) -> None:
    for length, horizon in ((20, 12), (22, 12), (9, 4)):
        assert run([random.normal(size=length) for _ in range(30)], [], horizon).rule == USUAL


def test_the_simplest_candidate_that_is_better_by_more_than_noise_is_found(random: np.random.Generator) -> None:
    trials = run([np.cumsum(random.normal(size=60)) for _ in range(8)], [4], 4)
    assert trials.simplest(trials.past[0] + 5, -SURE) == 0
    assert trials.simplest(trials.past[0], NOISE) == 0
    assert trials.simplest(trials.past[0] * 0.999 + trials.actual * 0.001, -SURE) is None
    assert trials.simplest(trials.actual, NOISE) is None


def test_many_zeros_have_the_median_as_a_candidate(random: np.random.Generator) -> None:
    sold = (random.random((4, 200)) < 0.2) * 3.0
    assert "median" in run(list(sold), [7], 14).names
    assert "median" not in run(list(sold + 1), [7], 14).names


def test_days_that_are_always_zero_are_certain_and_others_that_are_so_by_chance_are_not(
    random: np.random.Generator,
) -> None:
    days = np.arange(140)
    open_days = np.where(days % 7 == 6, 0.0, 50 + random.normal(size=140)).astype(np.float64)
    found = fixed_phases(open_days, 7, 10)
    np.testing.assert_array_equal(found == 0, [False] * 6 + [True] + [False] * 3)
    rare = np.where(days % 7 == 2, 1.0 * (days % 5 == 0), 0.0)
    assert np.isnan(fixed_phases(rare.astype(np.float64), 7, 7)).all()
    assert np.isnan(fixed_phases(np.full(140, 3.0), 7, 7)).all()
    assert np.isnan(fixed_phases(days[:3].astype(np.float64), 7, 7)).all()


def test_a_cycle_is_found_in_values_without_dates_and_none_in_a_walk(random: np.random.Generator) -> None:
    wave: Floats = np.sin(2 * np.pi * np.arange(120) / 11) + 0.3 * random.normal(size=120)
    assert cycle_of([np.asarray(wave + 0.1 * np.arange(120))]) == 11
    assert cycle_of([random.normal(size=200).astype(np.float64)]) == 0
    assert cycle_of([np.ones(50)]) == cycle_of([np.arange(50.0)]) == cycle_of([np.ones(2)]) == 0


def test_bands_hold_their_share_of_errors_like_those_they_come_from(random: np.random.Generator) -> None:
    growth, sizes = np.sqrt(np.arange(1, 13)), random.uniform(1, 20, 60)[:, None, None]
    errors = random.normal(size=(60, 4, 12)) * growth * sizes
    low, high, _ = offsets(errors[:, 1:], [24, 36, 48], sizes[:, 0, 0], 1, [0.1, 0.9])
    within = (low <= errors[:, 0]) & (errors[:, 0] <= high)
    assert 0.74 < within.mean() < 0.88
    assert 0.65 < within[:, :3].mean() < 0.93
    assert 0.65 < within[:, -3:].mean() < 0.93


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_without_a_backtest_bands_come_from_the_usual_change() -> None:
    low, high = offsets(np.full((2, 0, 3), np.nan), [], np.array([2.0, 0.0]), 7, [0.1, 0.9])[:2]
    assert (high[0] - low[0] > 6).all()
    assert (np.diff(high[0]) > 1).all()
    assert (high[1] == low[1]).all()


def test_bands_are_wide_where_the_phase_of_the_season_has_large_errors(random: np.random.Generator) -> None:
    phase = np.where(np.arange(14) % 7 == 3, 10.0, 1.0)
    errors = random.normal(size=(30, 3, 14)) * phase
    low, high, _ = offsets(errors, [14, 28, 42], np.ones(30), 7, [0.1, 0.9])
    width = (high - low).mean(axis=0)
    assert width[3] > 4 * width[2]
    assert width[10] > 4 * width[9]


def test_one_candidate_that_fails_repeats_its_last_season() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    np.testing.assert_array_equal(candidates._fitted(fail, 4, False, np.arange(12.0), 6), [8, 9, 10, 11, 8, 9])


def test_every_candidate_of_the_library_forecasts(random: np.random.Generator) -> None:
    pytest.importorskip("statsforecast")
    wave: Floats = 20 + 5 * np.sin(2 * np.pi * np.arange(72) / 12) + random.normal(size=72)
    trials = run([wave], [12], 6)
    assert {"ets 12", "theta 12", "ces 12", "arima 12", "mstl 12", "mstl 12 of logs"} <= {*trials.names}
    assert np.abs(trials.future[trials.names.index("mstl 12")] - wave[-12:-6]).mean() < 3
    zeros: Floats = ((random.random(200) < 0.3) * 2.0).astype(np.float64)
    assert {"croston", "median"} <= {*run([zeros], [7], 6).names}


NEEDS = {"statsforecast": "ets theta ces arima croston mstl", "are 0": "median croston", "season": "naive average mstl"}


@pytest.mark.parametrize("has_library", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_tried_or_refused_for_what_it_lacks_with_the_library_and_without(
    method: str, has_library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_library:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    elif importlib.util.find_spec("statsforecast") is None:
        pytest.skip("statsforecast is missing: make test-extras")
    for seasons, length, zeros in product(([], [4]), (13, 60), (False, True)):
        values = np.arange(length, dtype=np.float64) % 5 + 1
        values[::2] *= not zeros
        lacks = {
            "statsforecast": not has_library,
            "are 0": not zeros,
            "season": not seasons or length == 13,  # of which the horizon takes 8
        }
        lacking = [what for what, methods in NEEDS.items() if lacks[what] and method in methods.split()]
        if not lacking:
            names = Trials.run([values], seasons, 8, method).names
            assert {name.split()[0] for name in names} == {method}
            continue
        with pytest.raises(OptionError, match=method) as refused:
            Trials.run([values], seasons, 8, method)
        assert [what for what in NEEDS if what in str(refused.value)] == lacking[:1]


def test_a_method_that_takes_too_long_with_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert "takes too long: it would be fitted to 10,001 values, and at most 10,000" in why_missing(
        "arima", [np.ones(30)], [7], 8, 10_001
    )


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
    # less than a season repeats the last value
    np.testing.assert_array_equal(seasonal(len(season) + 1, 1, np.array(season), 3), [season[-1]] * 3)


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


def test_the_quantile_loss_of_a_level_is_steeper_on_one_side_and_coverage_counts_both_ends() -> None:
    forecast, actual = np.array([[1.0, 4], [2, 2]]), np.array([[2.0, 2], [2, 4]])
    assert weighted_quantile_loss(forecast[:, None], [0.5], actual) == pytest.approx(5 / 10)  # the absolute error
    assert weighted_quantile_loss([[8.0]], [0.9], [10.0]) == pytest.approx(2 * 0.9 * 2 / 10)
    assert weighted_quantile_loss([[12.0]], [0.9], [10.0]) == pytest.approx(2 * 0.1 * 2 / 10)
    assert weighted_quantile_loss([[8.0], [12.0]], [0.9, 0.9], [10.0]) == pytest.approx(0.2)
    assert np.isnan(weighted_quantile_loss([[1.0]], [0.9], [0.0]))
    assert coverage([0.0, 0, 0, 0], [1.0, 1, 1, 1], [0.0, 1, 2, -1]) == 0.5


@pytest.mark.skipif(not M4.exists(), reason="needs the files of M4")
def test_seasonal_naive_on_m4_hourly_has_the_published_error() -> None:
    table = read_table(M4 / "hourly-train.csv")
    with open(M4 / "hourly-test.csv", newline="") as file:
        actual = np.array([row[1:] for row in csv.reader(file)][1:], dtype=float)
    forecast = np.array([seasonal(24, 1, one.values, 48) for one in table.series])
    histories = [one.values for one in table.series]
    assert average(mase(forecast, actual, histories, 24)) == pytest.approx(1.193, abs=0.001)  # of M4's organisers
    assert average(smape(forecast, actual)) == pytest.approx(13.912, abs=0.01)
