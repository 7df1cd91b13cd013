"""Trials: cut-offs in time order, candidates that suit the values, weights, bands that hold, and measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from afterword.wings.series.bands import offsets
from afterword.wings.series.dates import Calendar
from afterword.wings.series.methods import METHODS, Candidate
from afterword.wings.series.trials import (
    AUTO,
    USUAL,
    Trials,
    bias_of,
    combine,
    coverage,
    weighted_quantile_loss,
)
from benchmarks.series import average, mase
from tests.wings.series.seasons import leave_out_slow

Floats = NDArray[np.float64]


@pytest.fixture
def random() -> np.random.Generator:
    """The random numbers of one test."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_slow(monkeypatch)


run = Trials.run


def test_a_calendar_has_all_usual_seasons_that_fit_twice() -> None:
    for calendar, length, seasons in (
        (Calendar("second", 3600, 24), 400, [24, 168]),
        (Calendar("second", 3600, 24), 300, [24]),
        (Calendar("second", 1800, 48), 700, [48, 336]),
        (Calendar("second", 86400, 7), 800, [7, 365]),
        (Calendar("second", 604800, 52), 2000, [52]),
        (Calendar("month", 1, 12), 100, [12]),
        (Calendar("month", 12, 1), 100, []),
    ):
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


def test_short_series_have_forecasts(random: np.random.Generator) -> None:
    for length in (2, 3, 5, 13, 14, 26):
        assert np.isfinite(run([random.normal(size=length)], [12], 1).future).all()


def test_the_best_candidate_has_the_largest_share_and_a_forecast_is_their_mean(random: np.random.Generator) -> None:
    season = np.tile([5.0, 9, 1, 4], 20)
    trials = run([season + random.normal(size=80) for _ in range(5)], [4], 4)
    shares = trials.shares()
    assert trials.names == ["last", "naive 4", "average 4"]
    assert (shares.argmax(axis=0) == 2).all()
    assert ((shares > 0).sum(axis=0) == 2).all()
    assert ((trials.shares(1.0) > 0).sum(axis=0) == 1).all()
    both = combine(shares, trials.future)
    low, high = np.sort(trials.future[1:], axis=0)
    assert ((low <= both) & (both <= high)).all()
    assert not np.array_equal(shares, trials.shares(without=0))


def test_the_weights_of_a_cut_off_do_not_come_from_its_own_values(random: np.random.Generator) -> None:
    series = [random.normal(size=60) for _ in range(3)]
    trials = run(series, [4], 4)
    shifted = [np.concatenate([values[:-4], values[-4:] + 50]) for values in series]
    other = run(shifted, [4], 4)
    np.testing.assert_allclose(trials.backtested(rule=USUAL)[:, 0], other.backtested(rule=USUAL)[:, 0])


def test_shares_follow_a_series_itself_where_series_differ(random: np.random.Generator) -> None:
    seasonal = [np.resize(random.normal(size=4), 80) + 0.3 * random.normal(size=80) for _ in range(60)]
    walks = [np.cumsum(random.normal(size=80)) for _ in range(20)]
    mixed = run([*seasonal, *walks], [4], 4)
    assert mixed.rule[0] < USUAL[0]
    chosen, usual = (mixed.errors(mixed.backtested(rule=rule)).mean() for rule in (mixed.rule, USUAL))
    assert chosen < usual
    alike = run([np.resize([5.0, 9, 1, 4], 80) + random.normal(size=80) for _ in range(80)], [4], 4)
    assert alike.rule[0] >= USUAL[0]
    assert alike.rule[1] > USUAL[1]  # the average of seasons is best for all
    for length, horizon in ((20, 12), (22, 12), (9, 4)):  # too few trials, or trials that overlap
        assert run([random.normal(size=length) for _ in range(30)], [], horizon).rule == USUAL
    assert run(seasonal[:1], [4], 4).rule == USUAL


def test_more_series_are_tested_as_far_as_there_is_time_to_fit(
    monkeypatch: pytest.MonkeyPatch, random: np.random.Generator
) -> None:
    last = Candidate(METHODS["last"], (), 1)
    fitted: list[int] = []

    def found(
        series: Sequence[Floats], seasons: Sequence[int], fits: int, seconds: float, columns: bool
    ) -> dict[str, Candidate]:
        fitted.append(fits)
        return {"last": last, "other": last._replace(method=last.method._replace(cost=5.0))}

    monkeypatch.setattr("afterword.wings.series.trials.candidates", found)
    monkeypatch.setattr("afterword.wings.series.trials.MOST", 10**9)
    series = [random.normal(size=length) for length in (39, 41) for _ in range(75)]
    for values, tested in ((0, 100), (150 * 80 + 3 * 120 * 80, 120), (10**6, 150)):
        monkeypatch.setattr("afterword.wings.series.trials.SECONDS", values / 1000)  # the cost is 0.2 × 5 ms per value
        assert (~np.isnan(run(series, [], 4).actual[:, 0, 0])).sum() == tested
    assert {*fitted} == {150 * 80 + 3 * 100 * 80}  # testing more takes no candidate away


def test_a_simple_candidate_is_used_alone_if_it_is_exact_or_surely_better_in_enough_trials(
    random: np.random.Generator,
) -> None:
    for series, surely in ((8, 0), (1, None)):
        trials = run([np.cumsum(random.normal(size=60)) for _ in range(series)], [4], 4)
        last, actual = trials.past[0], trials.actual
        for past, found in ((last + 5, surely), (last * 0.999 + actual * 0.001, None), (actual, None)):
            assert trials.simplest(past) == [found] * (found is not None)
    exact = run([np.full(60, 3.0)], [4], 4)
    assert exact.simplest(exact.past[0] + 1) == [0]


def test_bands_hold_their_share_of_errors_like_those_they_come_from(random: np.random.Generator) -> None:
    growth, sizes = np.sqrt(np.arange(1, 13)), random.uniform(1, 20, 60)[:, None, None]
    errors = random.normal(size=(60, 4, 12)) * growth * sizes
    low, high, _ = offsets(errors[:, 1:], [24, 36, 48], sizes[:, 0, 0], 1, [0.1, 0.9], 0, 2.0)
    within = (low <= errors[:, 0]) & (errors[:, 0] <= high)
    assert 0.74 < within.mean() < 0.88
    for some in (within[:, :3], within[:, -3:]):
        assert 0.65 < some.mean() < 0.93


def test_without_a_backtest_bands_come_from_the_usual_change() -> None:
    low, high = offsets(np.full((2, 0, 3), np.nan), [], np.array([2.0, 0.0]), 7, [0.1, 0.9], 0, 2.0)[:2]
    assert (high[0] - low[0] > 6).all()
    assert (np.diff(high[0]) > 1).all()
    assert (high[1] == low[1]).all()


def test_bands_are_wide_where_the_phase_of_the_season_has_large_errors(random: np.random.Generator) -> None:
    phase = np.where(np.arange(14) % 7 == 3, 10.0, 1.0)
    errors = random.normal(size=(30, 3, 14)) * phase
    low, high, _ = offsets(errors, [14, 28, 42], np.ones(30), 7, [0.1, 0.9], 0, 2.0)
    width = (high - low).mean(axis=0)
    assert (width[[3, 10]] > 4 * width[[2, 9]]).all()


def test_mase_divides_by_the_seasonal_error_of_each_history_and_averages_skip_it_without_one() -> None:
    histories = [np.array([1.0, 2, 3, 6]), np.array([0.0, 10, 0, 10, 5])]
    forecast, actual = np.array([[1.0, 1], [2, 2]]), np.array([[2.0, 3], [2, 7]])
    np.testing.assert_allclose(mase(forecast, actual, histories, 2), [1.5 / 3, 2.5 / (5 / 3)])
    for history in ([5.0, 5, 5, 5], [1.0, 2, 1, 2], [1.0], [1.0, 2]):  # without a scale: averages skip it
        values = mase(np.ones((2, 1)), np.full((2, 1), 2.0), [np.array(history), np.array([0.0, 0, 1, 2])], 2)
        assert np.isnan(values[0])
        assert average(values) == values[1]
        assert np.isnan(average(values[:1]))


def test_a_mean_of_rare_sales_sums_to_what_is_sold_and_comes_from_earlier_values(random: np.random.Generator) -> None:
    sold = [np.where(random.random(400) < rate, random.poisson(2, 400) + 1.0, 0.0) for rate in (0.1, 0.2) * 20]
    steady = random.normal(50, 9, 400)
    for method in (AUTO, "median"):
        trials = run([*sold, steady], [7], 28, method)
        assert bias_of(trials.past[trials.names.index("median"), :40], trials.actual[:40]) < -0.5
        each = np.stack([trials.means(k) for k in range(len(trials.cuts))], axis=1)
        assert abs(bias_of(each[:40], trials.actual[:40])) < 0.1
        assert np.isnan(trials.means()[40]).all()  # its median says enough
        changed = run([*[np.concatenate([one[:-28], 9 * one[:28]]) for one in sold], steady], [7], 28, method)
        np.testing.assert_allclose(changed.means(0)[:40], each[:40, 0], rtol=0.05)
        if method == "median":  # no other method: the mean so far
            np.testing.assert_allclose(trials.means(0)[0], sold[0][:-28].mean())


def test_a_bias_compares_sums_where_both_are_known() -> None:
    actual = np.array([[1.0, 3, np.nan]])
    assert bias_of(np.array([[2.0, 3, 9]]), actual) == 0.25
    for values in (np.zeros(3), np.array([-1.0, 3, 4])):
        assert np.isnan(bias_of(np.ones((1, 3)), values[None]))


def test_the_quantile_loss_of_a_level_is_steeper_on_one_side_and_coverage_counts_both_ends() -> None:
    def loss(forecast: list[float], levels: list[float], actual: float) -> float:
        return weighted_quantile_loss(np.array(forecast)[:, None], levels, np.array([actual]))

    forecast, actual = np.array([[1.0, 4], [2, 2]]), np.array([[2.0, 2], [2, 4]])
    assert weighted_quantile_loss(forecast[:, None], [0.5], actual) == pytest.approx(5 / 10)  # the absolute error
    assert loss([8.0], [0.9], 10.0) == pytest.approx(2 * 0.9 * 2 / 10)
    assert loss([12.0], [0.9], 10.0) == pytest.approx(2 * 0.1 * 2 / 10)
    assert loss([8.0, 12.0], [0.9, 0.9], 10.0) == pytest.approx(0.2)
    assert np.isnan(loss([1.0], [0.9], 0.0))
    assert coverage(np.zeros(4), np.ones(4), np.array([0.0, 1, 2, -1])) == 0.5
