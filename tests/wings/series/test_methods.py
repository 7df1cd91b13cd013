"""Methods of forecasts: the laws that each one in the table keeps, and a new one too."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import OptionError
from afterword.settings import kinds_of
from afterword.wings.series.forecasts import ForecastSettings, forecasts
from afterword.wings.series.methods import (
    LIBRARY,
    METHODS,
    Candidate,
    Method,
    Seasons,
    candidates,
    cycle_of,
    fixed_phases,
    of_library,
    regression,
    seasonal,
)
from afterword.wings.series.table import Floats
from afterword.wings.series.trials import AUTO, LSTM, Trials
from benchmarks.series import mase
from tests.wings.series import seasons

WAVE: Floats = seasons.seasonal(series=1, length=72)[0]
RARE: Floats = np.where(np.random.default_rng(0).random(72) < 0.3, 2.0, 0.0)  # sold now and then
HORIZON = 7


def tried(name: str) -> Iterator[tuple[Floats, Candidate]]:
    """The values that suit the method `name`, and what it is tried with."""
    values = RARE if METHODS[name].zeros else WAVE
    for title, one in candidates([values], [12], 0, 600).items():
        if title.split()[0] == name:
            yield values, one


@pytest.mark.parametrize("name", METHODS)
def test_a_method_forecasts_finite_values_that_suit_the_series(name: str) -> None:
    if METHODS[name].library:
        pytest.importorskip(METHODS[name].library)
    each = [*tried(name)]
    assert len(each) == 1 + METHODS[name].logs
    for values, one in each:
        found = one(values, HORIZON)
        assert found.shape == (HORIZON,)
        assert np.isfinite(found).all()
        assert np.abs(found - np.median(values)).max() < 2 * np.ptp(values)
        if METHODS[name].tried != "once":
            assert np.abs(found - values[-12:][:HORIZON]).mean() < 6  # the noise is 4
        if METHODS[name].library:
            assert not np.array_equal(found, seasonal(one.season, 1, values, HORIZON))  # it has not failed


def fail(wrong: float | None, values: Floats, horizon: int, seasons: Seasons) -> Floats:
    if wrong is None:
        raise ZeroDivisionError
    return np.full(horizon, wrong)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_fails_repeats_the_last_season(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    for values, one in tried(name):
        for wrong in (np.nan, 1e9, None):
            fails = partial(fail, wrong)
            found = one._replace(method=one.method._replace(forecast=fails))(values, 2 * HORIZON)
            np.testing.assert_array_equal(found, np.resize(values[-one.season :], 2 * HORIZON))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_tried_or_refused_for_what_it_lacks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = METHODS[name]
    for has_library, known, length, zeros in product((False, True), ([], [4]), (13, 60), (False, True)):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, found=has_library: name if found else None)
        values = np.arange(length, dtype=np.float64) % 5 + 1
        values[::2] *= not zeros
        lacks = {
            "statsforecast": bool(method.library) and not has_library,
            "are 0": method.zeros and not zeros,
            "season": method.tried in ("each", "some", "all") and not known,
        }
        if not any(lacks.values()):
            names = Trials.run([values], known, 8, name).names
            assert {one.split()[0] for one in names} == {name}
            continue
        with pytest.raises(OptionError, match=name) as refused:
            Trials.run([values], known, 8, name)
        assert [what for what in lacks if what in str(refused.value)] == [what for what in lacks if lacks[what]][:1]


def test_a_method_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    for method in METHODS.values():
        if method.cost and not method.zeros:
            most = int(600_000 / method.cost)
            assert method.lacks([WAVE], most) == ""
            assert method.lacks([WAVE], 9 * most).startswith("takes too long: about 90 minutes to fit ")
            assert method.lacks([WAVE], most, seconds=300) != ""


def test_the_methods_that_take_least_are_tried_while_the_time_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    tried, before = list[str](), set[str]()
    for seconds in (0, 1, 10, 60, 200, 2000):
        found = candidates([WAVE, RARE], [12], 80_000, seconds)
        assert sum(one.cost for one in found.values()) * 80 <= seconds
        assert before <= {*found}
        before = {*found}
        tried.append(" ".join(found))
    assert tried[0] == "last naive 12 average 12 median mean"
    assert ("regression 12" in tried[1], "ets 12" in tried[2], "ets 12" in tried[3], "arima 12" in tried[5]) == (
        True,
        False,
        True,
        True,
    )


def test_a_regression_follows_seasons_of_any_length_and_a_slope() -> None:
    random, steps = np.random.default_rng(0), np.arange(900)
    for season in (7, 12, 365):
        values: Floats = 50 + 9 * np.sin(2 * np.pi * steps / season) + 0.05 * steps + random.normal(0, 1, 900)
        truth = 50 + 9 * np.sin(2 * np.pi * (900 + np.arange(28)) / season) + 0.05 * (900 + np.arange(28))
        assert np.abs(regression(values, 28, (season,)) - truth).mean() < 1.5
        np.testing.assert_allclose(regression(9 * values, 28, (season,)), 9 * regression(values, 28, (season,)))
    constant = regression(np.full(30, 7.0), 5, (12,))
    np.testing.assert_allclose(constant, 7, rtol=0.01)


@pytest.mark.parametrize("name", [name for name, one in METHODS.items() if one.columns])
def test_a_method_that_takes_columns_follows_one_that_explains_the_values(name: str) -> None:
    if METHODS[name].library:
        pytest.importorskip(METHODS[name].library)
    random = np.random.default_rng(0)
    column = random.normal(size=(120 + HORIZON, 1))
    values: Floats = 50 + 9 * column[:, 0] + random.normal(0, 0.3, 120 + HORIZON)
    for season in ([], [12]):
        tried = candidates([values], season, 0, 600, known=True)
        those = [one for title, one in tried.items() if title.split()[0] == name and one.columns]
        assert those
        for one in those:
            assert np.abs(one(values[:120], HORIZON, column) - values[120:]).mean() < 1
            assert np.abs(one._replace(columns=False)(values[:120], HORIZON, column) - values[120:]).mean() > 3


def test_a_method_that_is_added_is_tried_with_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = Method("the mean of the last values", lambda values, h, _: np.full(h, values[-9:].mean()))
    if importlib.util.find_spec(LIBRARY):
        new = Method("Theta, with the best of its parameters", of_library("OptimizedTheta"), "short", library=LIBRARY)
    monkeypatch.setitem(METHODS, "new", new)
    test_a_method_forecasts_finite_values_that_suit_the_series("new")
    (tmp_path / "sales.csv").write_text(seasons.long_csv(seasons.seasonal(series=2, length=60)))
    found = forecasts(tmp_path / "sales.csv", ForecastSettings(horizon=HORIZON))
    assert found.backtest is not None
    assert {"last", "naive", "average", "new"} <= {name.split()[0] for name in found.backtest.methods}


def test_each_method_is_a_choice_and_the_page_says_what_it_is_and_needs() -> None:
    [method] = [field.metadata for field, _ in kinds_of(ForecastSettings) if field.name == "method"]
    assert method["choices"] == (AUTO, LSTM, *METHODS)
    page = (Path(__file__).parents[3] / "docs" / "forecast.md").read_text(encoding="utf-8")
    rows = []
    for name, one in METHODS.items():
        needs = [one.library, "a season" * (one.tried in ("each", "some", "all")), "many zeros" * one.zeros]
        rows.append(f"| `{name}` | {one.about} | {', '.join(filter(None, needs))} |".replace("|  |", "| |"))
    assert re.findall(r"(?m)^\| `[\w-]+` \|.*$", page.partition("## Methods")[2].partition("\n## ")[0]) == rows


def test_days_that_are_always_zero_are_certain_and_others_that_are_so_by_chance_are_not() -> None:
    days = np.arange(140.0)
    open_days = np.where(days % 7 == 6, 0.0, 50 + np.random.default_rng(0).normal(size=140))
    np.testing.assert_array_equal(fixed_phases(open_days, 7, 10) == 0, [False] * 6 + [True] + [False] * 3)
    rare = np.where(days % 7 == 2, 1.0 * (days % 5 == 0), 0.0)
    for values in (rare, np.full(140, 3.0), days[:3]):
        assert np.isnan(fixed_phases(values, 7, 7)).all()


def test_a_cycle_is_found_in_values_without_dates_and_none_in_a_walk() -> None:
    random = np.random.default_rng(0)
    wave: Floats = np.sin(2 * np.pi * np.arange(120) / 11) + 0.3 * random.normal(size=120)
    assert cycle_of([np.asarray(wave + 0.1 * np.arange(120))]) == 11
    assert cycle_of([random.normal(size=200).astype(np.float64)]) == 0
    assert cycle_of([np.ones(50)]) == cycle_of([np.arange(50.0)]) == cycle_of([np.ones(2)]) == 0


numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=2, max_size=12), st.integers(1, 30))
def test_seasonal_naive_is_exact_on_what_only_repeats(season: list[float], horizon: int) -> None:
    values = np.tile(season, 4)
    forecast = seasonal(len(season), 1, values, horizon)
    truth = np.tile(season, 30)[:horizon]
    np.testing.assert_array_equal(forecast, truth)
    noisy = np.append(values, season[0] + 1)  # so that the scale is not 0
    assert mase(forecast[None], truth[None], [noisy], len(season)).tolist() == [0.0]
    np.testing.assert_array_equal(seasonal(len(season) + 1, 1, np.array(season), 3), [season[-1]] * 3)  # too few
