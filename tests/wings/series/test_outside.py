"""What is known besides the values: columns that matter win, bounds hold, and a candidate of one's own competes."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas
import pytest

import afterword
from afterword.errors import OptionError
from afterword.wings.series.forecasts import ForecastSettings, Futures, forecasts
from afterword.wings.series.methods import METHODS
from afterword.wings.series.table import read_table
from afterword.wings.series.trials import seasonal_scale
from tests.wings.series.seasons import long_csv, seasonal

HORIZON, LENGTH = 14, 180


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """Try simple methods and the regression: those of libraries take seconds to import."""
    own = {name: one for name, one in METHODS.items() if not one.library}
    with patch.dict(METHODS, own, clear=True):  # puts all of them back in their order
        yield


def found(source: Any, **options: Any) -> Futures:
    return forecasts(source, ForecastSettings(**{"horizon": HORIZON, **options}))


def sold(seed: int, effect: float) -> pandas.DataFrame:
    """Return the daily sales of two shops with a column `promo`, by which they change; the last y are empty."""
    random, frames = np.random.default_rng(seed), []
    for shop in ("a", "b"):
        promo = (random.random(LENGTH + HORIZON) < 0.3).astype(int)
        week = 10 * np.sin(2 * np.pi * np.arange(LENGTH + HORIZON) / 7)
        y = 50 + week + effect * promo + random.normal(0, 2, LENGTH + HORIZON)
        days = pandas.date_range("2024-01-01", periods=LENGTH + HORIZON)
        frames.append(pandas.DataFrame({"unique_id": shop, "ds": days, "y": y, "promo": promo}))
    return pandas.concat(frames, ignore_index=True)


def with_future(frame: pandas.DataFrame) -> tuple[pandas.DataFrame, Any]:
    """Return the table with an empty y in the horizon, and the truth. [N, h]"""
    future = frame.groupby("unique_id").cumcount(ascending=False) < HORIZON
    return frame.assign(y=frame["y"].where(~future)), frame["y"][future].to_numpy().reshape(-1, HORIZON)


# ---- known columns


def test_a_column_that_matters_wins_and_one_that_does_not_is_left_out() -> None:
    for seed in range(3):
        table, truth = with_future(sold(seed, effect=20))
        ours, without = found(table), found(table.drop(columns="promo"))
        assert all("with columns" in method for method in ours.methods)
        [note] = ours.notes
        assert note.startswith("known columns: promo; MASE ")
        error, other = (np.abs(one.quantiles[0.5] - truth).mean() for one in (ours, without))
        assert error < 0.5 * other
        table, truth = with_future(sold(seed, effect=0))
        ours = found(table)
        assert not any("with columns" in method for method in ours.methods)
        assert ours.notes[0].startswith("known columns: promo: not used; MASE ")


def test_columns_that_no_method_uses_are_named() -> None:
    table, _ = with_future(sold(0, effect=20))
    for some, options in (
        (table, {"method": "naive"}),
        (table.groupby("unique_id").tail(12 + HORIZON), {"horizon": 7}),
    ):
        rest = some if not options.get("horizon") else some[some.groupby("unique_id").cumcount(ascending=False) >= 7]
        assert found(rest, **options).notes[0] == "known columns: promo: no method that is tested uses them"


def test_a_known_column_is_the_same_in_every_kind_of_table_and_flags_are_numbers(tmp_path: Path) -> None:
    frame, _ = with_future(sold(0, effect=20))
    path = tmp_path / "sales.csv"
    frame.assign(promo=frame["promo"].map({0: "false", 1: "TRUE"})).to_csv(path, index=False)
    expected = found(frame).rows
    for source in (path, frame.assign(promo=frame["promo"] == 1), frame.sample(frac=1, random_state=0)):
        rows = found(source).rows
        pandas.testing.assert_frame_equal(rows.sort_values(["unique_id", "ds"], ignore_index=True), expected)


def test_the_backtest_knows_columns_as_they_were_and_nothing_else_of_the_future() -> None:
    table, _ = with_future(sold(0, effect=20))
    changed = table.copy()
    ends = table.groupby("unique_id").cumcount(ascending=False)
    changed.loc[(ends >= HORIZON) & (ends < 2 * HORIZON), "y"] = 999.0
    one, other = found(table).trials, found(changed).trials
    assert one.names == other.names
    np.testing.assert_array_equal(one.past, other.past)


def test_a_column_with_a_gap_in_the_future_is_named_and_left_out() -> None:
    table, _ = with_future(sold(0, effect=20))
    table["rain"] = table["promo"].where(table.index != table.index[-1])
    table["weather"] = "dry"
    ours = found(table)
    assert "not used: weather: not all cells are numbers" in ours.table.notes
    assert "not used: rain: 'b' lacks 1 of 14 future values: give each in a row with an empty y" in ours.notes
    assert [*ours.table.columns] == ["promo"]
    early = table.drop(columns=["rain", "weather"]).dropna()
    assert "not used: promo: 'a' lacks 14 of 14 future values: give each in a row with an empty y" in found(early).notes


def test_a_gap_in_the_past_of_a_column_repeats_the_value_before() -> None:
    table, _ = with_future(sold(0, effect=20))
    gone = table.assign(promo=table["promo"].where(table.index % 50 != 7))
    filled = table.assign(promo=gone.groupby("unique_id")["promo"].ffill())
    pandas.testing.assert_frame_equal(found(gone).rows, found(filled).rows)


def test_holidays_of_a_country_are_a_column() -> None:
    pytest.importorskip("holidays")
    days = pandas.date_range("2021-01-01", "2024-04-20")
    easter = ["2021-04-02", "2021-04-05", "2022-04-15", "2022-04-18", "2023-04-07", "2023-04-10", "2024-03-29"]
    others = [f"{year}-{day}" for year in range(2021, 2025) for day in ("01-01", "05-01", "10-03", "12-25", "12-26")]
    moving = ["2024-04-01", *(["2021-05-13", "2021-05-24", "2022-05-26", "2022-06-06", "2023-05-18", "2023-05-29"])]
    free = days.isin(pandas.to_datetime([*easter, *others, *moving]))
    values = 40 + 60 * free + np.random.default_rng(0).normal(0, 2, len(days))
    frame = pandas.DataFrame({"ds": days, "y": values})
    ours = found(frame, holidays="DE", horizon=21)
    assert ours.notes[0].startswith("known columns: DE holidays; MASE ")
    assert np.flatnonzero(ours.quantiles[0.5][0] > 70).tolist() == [10, 18]  # 1 May and Ascension Day
    hours = pandas.DataFrame({"ds": pandas.date_range("2023-12-20", periods=400, freq="h"), "y": np.arange(400) % 24})
    weeks = pandas.DataFrame({"ds": pandas.date_range("2021-01-03", periods=150, freq="W"), "y": np.arange(150.0)})
    for table, country in ((hours, "de-by"), (weeks, "DE-Augsburg")):
        assert np.isfinite(found(table, holidays=country, horizon=7).mean).all()


@pytest.mark.parametrize(
    ("country", "says"),
    [
        ("Atlantis", "no holidays are known for 'Atlantis': choose one of AF, AX, AL, "),
        ("France", "no holidays are known for 'France': choose one of AF, AX, AL, "),
        ("DE-XY", "no holidays are known for 'DE-XY': choose one of DE-BB, DE-BE, "),
    ],
)
def test_an_unknown_country_gets_the_list_of_known_ones(country: str, says: str) -> None:
    pytest.importorskip("holidays")
    frame = pandas.DataFrame({"ds": pandas.date_range("2024-01-01", periods=60), "y": np.arange(60.0)})
    with pytest.raises(OptionError) as caught:
        found(frame, holidays=country)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    with pytest.raises(OptionError, match="holidays= needs dates, and the rows of this table are numbered"):
        found(frame.assign(ds=np.arange(60)), holidays="DE")


# ---- bounds


def cents(seed: int) -> pandas.DataFrame:
    random, days = np.random.default_rng(seed), np.arange(120)
    values = np.clip(92 + 12 * np.sin(days / 9) + random.normal(0, 6, 120), 0, 100)
    return pandas.DataFrame({"ds": pandas.date_range("2024-01-01", periods=120), "y": values})


def ends(answer: Futures) -> tuple[float, float]:
    numbers = answer.rows.drop(columns="ds").select_dtypes("number")
    assert {"mean", "median", "lo-95", "hi-95"} <= {*numbers}
    return float(numbers.min(axis=None)), float(numbers.max(axis=None))


def test_no_column_leaves_the_bounds() -> None:
    for seed in range(3):
        natural, free = found(cents(seed)), found(cents(seed), bounds="none")
        assert 0 <= ends(natural)[0] < ends(natural)[1] <= 100 < ends(free)[1]
        assert natural.notes == ["1 of 1 series look like per cents: kept from 0 to 100, unless you give `bounds` none"]
        assert free.notes == []
        assert np.nanmax(natural.trials.past) <= 100
        assert ends(found(cents(seed).assign(y=cents(seed)["y"] - 30)))[1] > 70  # which are no per cents
        own = found(cents(seed), bounds="0,100.5")
        assert ends(own)[1] == 100.5
    few = cents(0).assign(y=1 + np.random.default_rng(0).exponential(20, 120))
    assert found(few).notes == ["1 of 1 series have bands that end at 0: if values can be negative, give `bounds`"]
    assert ends(found(few, bounds="1,inf"))[0] == 1
    counts = pandas.DataFrame({"ds": range(90), "y": np.random.default_rng(0).poisson(1.5, 90).astype(float)})
    assert ends(found(counts))[0] == 0 > ends(found(counts, bounds="none"))[0]


def test_a_name_that_says_per_cent_is_enough() -> None:
    values = np.random.default_rng(0).uniform(60, 99, 90)
    frame = pandas.DataFrame({"ds": range(90), "occupancy %": values})
    assert ends(found(frame))[1] <= 100 < ends(found(frame.rename(columns={"occupancy %": "guests"})))[1]


# ---- candidates


class Mean:
    """The mean of the last values of each series."""

    def __init__(self, add: float = 0.0) -> None:
        self.add, self.seen = add, list[pandas.DataFrame]()

    def fit(self, frame: pandas.DataFrame) -> None:
        self.seen.append(frame)

    def predict(self, horizon: int) -> pandas.DataFrame:
        last = self.seen[-1].groupby("unique_id")
        dates = [pandas.date_range(one["ds"].max(), periods=horizon + 1)[1:] for _, one in last]
        names = np.repeat([name for name, _ in last], horizon)
        level = np.repeat([one["y"].tail(60).mean() + self.add for _, one in last], horizon)
        return pandas.DataFrame({"unique_id": names, "ds": np.concatenate(dates), "mine": level})


class Broken(Mean):
    def predict(self, horizon: int) -> pandas.DataFrame:
        if len(self.seen) > 2:
            raise RuntimeError("out of\nmemory")
        return super().predict(horizon)


def noise(shops: Sequence[str] = ("z", "b", "c")) -> pandas.DataFrame:
    random = np.random.default_rng(4)
    each = [pandas.DataFrame({"unique_id": k, "y": 50 + 9 * random.normal(size=LENGTH)}) for k in shops]
    return pandas.concat([one.assign(ds=pandas.date_range("2024-01-01", periods=LENGTH)) for one in each])


def test_a_candidate_competes_like_any_other_and_sees_no_future() -> None:
    good, bad = Mean(), Mean(add=500)
    ours = found(noise(), candidates=[good, bad], season=1)
    assert ours.backtest is not None
    figures = ours.backtest.methods
    assert figures["candidate 1 (Mean)"].cut_offs == figures["last"].cut_offs
    assert figures["candidate 1 (Mean)"].mase < figures["last"].mase < figures["candidate 2 (Mean)"].mase
    assert all("candidate 1 (Mean)" in method and "candidate 2" not in method for method in ours.methods)
    assert [len(frame) for frame in good.seen] == [3 * (LENGTH - cut) for cut in ours.trials.cuts] + [3 * LENGTH]
    assert list(good.seen[0].columns) == ["unique_id", "ds", "y"]
    levels = [one["y"].tail(60).mean() for _, one in noise().groupby("unique_id", sort=False)]
    np.testing.assert_allclose(ours.trials.future[ours.trials.names.index("candidate 1 (Mean)"), :, 0], levels)


@pytest.mark.parametrize(
    ("mine", "says"),
    [
        (Broken(), "candidate 1 (Broken) is left out: RuntimeError: out of memory"),
        (7, "candidate 1 (int) is left out: AttributeError: 'int' object has no attribute 'fit'"),
    ],
)
def test_a_candidate_that_fails_is_named_and_left_out(mine: Any, says: str) -> None:
    ours = found(noise(), candidates=[mine])
    assert ours.notes == [says]
    pandas.testing.assert_frame_equal(ours.rows, found(noise()).rows)


def test_a_forecast_for_other_dates_or_of_no_number_is_an_error_of_the_candidate() -> None:
    class Late(Mean):
        def predict(self, horizon: int) -> pandas.DataFrame:
            return super().predict(horizon + 1).iloc[1:]

    class Twice(Mean):
        def predict(self, horizon: int) -> pandas.DataFrame:
            return super().predict(horizon).assign(other=1.0)

    class Endless(Mean):
        def predict(self, horizon: int) -> pandas.DataFrame:
            return super().predict(horizon).assign(mine=np.inf)

    for mine in (Late(), Twice(), Endless()):
        [note] = found(noise(), candidates=mine).notes  # one alone needs no list
        assert "ValueError: predict(horizon) must return unique_id, ds and one column of numbers" in note


def test_a_forecaster_of_nixtla_is_a_candidate() -> None:
    if importlib.util.find_spec("statsforecast") is None:
        pytest.skip("needs statsforecast")
    from statsforecast import StatsForecast
    from statsforecast.models import HistoricAverage

    mine = StatsForecast([HistoricAverage()], freq="D")
    rows = afterword.forecast(noise(), horizon=HORIZON, season=1, candidates=[mine])
    assert "candidate 1 (StatsForecast)" in " ".join(rows["method"])


# ---- the file of the backtest


def test_a_file_of_no_backtest_is_refused(tmp_path: Path) -> None:
    few = pandas.DataFrame({"ds": range(3), "y": [1.0, 2, 3]})
    with pytest.raises(OptionError, match="too few values for a backtest: leave backtest= out"):
        afterword.forecast(few, horizon=2, backtest=tmp_path / "tested.csv")


def test_the_file_of_the_backtest_sums_to_the_printed_error(tmp_path: Path) -> None:
    table, path = tmp_path / "sales.csv", tmp_path / "tested.csv"
    values = seasonal(series=3, length=60)
    table.write_text(long_csv(values).replace("ds", "month", 1))
    given = afterword.forecast(table, horizon=6, time_column="month", backtest=path)
    ours = found(table, horizon=6, time_column="month")
    tested = pandas.read_csv(path)
    assert len(pandas.read_csv(io.StringIO(given))) == 3 * 6
    assert ours.backtest is not None
    names = ours.trials.names
    assert [*tested] == ["unique_id", "month", "cutoff", "y", *names, "used"]
    assert len(tested) == 3 * 6 * len(ours.trials.cuts)
    assert (tested["cutoff"] < tested["month"]).all()
    dates = read_table(table, ForecastSettings(time_column="month")).form.dates
    history = {one.name: dict(zip(dates.write(one.dates), one.values, strict=True)) for one in ours.table.series}
    assert all(history[row.unique_id][row.month] == row.y for row in tested.itertuples())
    scales = dict(zip(history, seasonal_scale([one[: -ours.trials.cuts[0]] for one in values], 12), strict=True))
    for name in ("used", *names):
        errors = (tested[name] - tested["y"]).abs() / tested["unique_id"].map(scales)
        assert errors.mean() == pytest.approx(ours.backtest.methods[name].mase, rel=1e-5)
