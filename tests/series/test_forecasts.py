"""Forecasts: the kind of table that came, bands around a median, a backtest that sees no future, the better method."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import polars
import pytest

import afterword
from afterword.errors import InputError, ModelError, OptionError, TableError
from afterword.language_model import LanguageModel
from afterword.runs.loop import train_run
from afterword.runs.run import Run
from afterword.series import classical
from afterword.series import forecasts as module
from afterword.series import futures as drawn
from afterword.series.forecasts import Forecast, ForecastSettings, band, forecasts
from afterword.series.futures import Forecaster
from afterword.series.table import Columns
from tests.seasons import HORIZON, LENGTH, SEASON, SERIES, begin_small, long_csv, seasonal, train_small
from tests.tiny import save_tiny

LEVELS = (1.0, 80.0, 95.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel.load(train_small(tmp_path_factory.mktemp("series")))


@pytest.fixture(autouse=True)
def _no_classical(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the methods of statsforecast, which take seconds to import."""
    monkeypatch.setattr(drawn, "classical_quantiles", lambda *given: {})


def table(folder: Path, values: Any) -> Path:
    path = folder / "sales.csv"
    path.write_text(long_csv(values))
    return path


def found(source: Any, model: LanguageModel | None, levels: tuple[float, ...] = LEVELS, **options: Any) -> Forecast:
    return forecasts(source, ForecastSettings(**options), Columns(), levels, model)


def same_bits(one: Forecast, other: Forecast) -> bool:
    return all(np.array_equal(one.rows[name], other.rows[name]) for name in one.rows)


@pytest.mark.parametrize("kind", ["csv", "pandas", "polars"])
def test_forecasts_return_as_the_kind_of_table_that_came(kind: str, model: LanguageModel, tmp_path: Path) -> None:
    path = table(tmp_path, seasonal())
    source = {"csv": lambda _: path, "pandas": pandas.read_csv, "polars": polars.read_csv}[kind](path)
    answer = afterword.forecast(source, model=model)
    if kind == "csv":
        assert isinstance(answer, str)
        answer = pandas.read_csv(io.StringIO(answer))
    assert type(answer).__module__.partition(".")[0] == ("polars" if kind == "polars" else "pandas")
    assert " ".join(answer.columns) == "unique_id ds mean median lo-80 hi-80 lo-95 hi-95 method"
    assert (len(answer), list(answer["ds"])[:2]) == (SERIES * HORIZON, ["2020-01-01", "2020-02-01"])


@pytest.mark.parametrize("method", ["lstm", "naive"])
def test_bands_lie_around_the_median_and_wider_ones_around_narrower_ones(method: str, model: LanguageModel) -> None:
    rows = found(pandas.read_csv(io.StringIO(long_csv(seasonal()))), model, method=method).rows
    assert set(rows["method"]) == {method}
    for one, other in pairwise(["lo-95", "lo-80", "lo-1", "median", "hi-1", "hi-80", "hi-95"]):
        assert (rows[one] <= rows[other]).all(), (one, other)
    assert (rows["lo-95"] < rows["hi-95"]).all()


@pytest.mark.parametrize("method", ["lstm", "naive"])
def test_a_series_that_was_never_below_zero_is_not_forecast_there(
    method: str, model: LanguageModel, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    sales = np.maximum(0, np.round(random.normal(0, 3, (SERIES, LENGTH))))  # half of them are 0
    rows = found(table(tmp_path, sales), model, method=method).rows
    assert min(rows[name].min() for name in ("mean", "median", "lo-80", "lo-95")) == 0
    below = found(table(tmp_path, sales - 1), model, method=method).rows
    assert below["lo-95"].min() < -1


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(model: LanguageModel, tmp_path: Path) -> None:
    path = table(tmp_path, seasonal())
    one, again, other = (found(path, model, method="lstm", seed=seed) for seed in (1, 1, 2))
    assert same_bits(one, again)
    assert not same_bits(one, other)


def test_a_model_that_is_kept_forecasts_as_the_one_that_the_command_trains(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(sources: Any, out: Path, text: Any, training: Any) -> Run:
        assert (text.season, text.horizon, training.minutes) == (SEASON, HORIZON, 5.0)
        return begin_small(sources[0], out, text)

    def to_its_end(run: Run) -> None:
        for _ in train_run(run):
            pass

    monkeypatch.setattr(module, "begin", begin)
    path = table(tmp_path, seasonal())
    trained = forecasts(path, ForecastSettings(horizon=HORIZON, method="lstm"), Columns(), LEVELS, None, to_its_end)
    assert same_bits(trained, found(path, model, method="lstm"))


def test_the_better_method_of_the_backtest_is_used_and_named(model: LanguageModel, tmp_path: Path) -> None:
    noisy = found(table(tmp_path, seasonal()), model)
    assert noisy.backtest is not None
    figures = noisy.backtest.figures
    assert set(figures) == {"lstm", "naive"}
    better = min(figures, key=lambda name: figures[name].mase)
    assert set(noisy.methods) == {better}
    assert f"its MASE is {figures[better].mase:.3f}" in noisy.reason
    steady = np.tile(seasonal()[:, :SEASON], LENGTH // SEASON)
    steady[:, SEASON : 2 * SEASON] += 1  # a scale; from here on the naive forecast is exact
    for method, used, ends in [("auto", "naive", "it is used"), ("lstm", "lstm", "give --method naive")]:
        exact = found(table(tmp_path, steady), model, method=method)
        assert set(exact.methods) == {used}
        assert exact.reason.startswith("the seasonal naive forecast is better than the LSTM: its MASE is 0.000, not ")
        assert exact.reason.endswith(ends)


def test_the_backtest_does_not_see_the_values_that_it_forecasts(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    forecast = Forecaster.lstm

    def remembering(self: Forecaster, model: LanguageModel, series: Any) -> Any:
        answer = forecast(self, model, series)
        seen.append((answer.mean, *answer.quantiles.values()))
        return answer

    monkeypatch.setattr(Forecaster, "lstm", remembering)
    values = seasonal()
    found(table(tmp_path, values), model, method="lstm")
    changed = values.copy()
    changed[:, -HORIZON:] = np.random.default_rng(5).normal(500, 90, (SERIES, HORIZON))
    found(table(tmp_path, changed), model, method="lstm")
    before, future, before_too, other_future = seen  # a backtest and a forecast each
    assert all(np.array_equal(*pair) for pair in zip(before, before_too, strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(future, other_future, strict=True))


def test_training_does_not_see_the_values_that_the_backtest_forecasts(tmp_path: Path) -> None:
    values = seasonal()
    (tmp_path / "one.csv").write_text(long_csv(values))
    changed = values.copy()
    changed[:, -HORIZON:] += 40
    (tmp_path / "two.csv").write_text(long_csv(changed))
    one, two = (begin_small(tmp_path / f"{name}.csv", tmp_path / name) for name in ("one", "two"))
    np.testing.assert_array_equal(one.encoded.training, two.encoded.training)
    assert not np.array_equal(one.encoded.validation, two.encoded.validation)


def test_many_series_are_tested_by_a_spread_of_them_and_all_are_forecast(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TESTED", 3)
    monkeypatch.setattr(drawn, "GROUP", 2)
    answer = found(table(tmp_path, seasonal()), model, method="lstm")
    assert answer.backtest is not None
    assert answer.backtest.series == 3
    assert answer.methods == ["lstm"] * SERIES
    assert np.isfinite(answer.futures.mean).all()


def test_a_series_alone_and_among_others_have_the_same_naive_forecast(tmp_path: Path) -> None:
    values = seasonal()
    values[1] = 7.0  # constant
    many = found(table(tmp_path, values), None, horizon=HORIZON, method="naive")
    assert (many.futures.quantiles[0.1][1] == 7).all()
    np.testing.assert_array_equal(many.futures.median, many.naive)
    np.testing.assert_array_equal(many.naive[0], values[0, -SEASON : -SEASON + HORIZON])


def test_constant_and_short_series_are_naive_beside_others_that_are_not(model: LanguageModel, tmp_path: Path) -> None:
    values = seasonal()
    values[1] = 7.0
    path = table(tmp_path, values)
    path.write_text(path.read_text() + "short,2010-01-01,3\nshort,2010-02-01,5\n")
    answer = found(path, model, method="lstm")
    assert answer.methods == ["lstm", "naive", *["lstm"] * 6, "naive"]
    assert answer.notes == ["2 of 9 series are constant, or no longer than a season: their forecasts are naive"]
    assert (answer.futures.median[1] == 7).all()
    np.testing.assert_array_equal(answer.futures.median[8], answer.naive[8])


FEW = "an LSTM needs 500 values to learn from, and 192 are left after 12 are held out"
UNREADABLE = "every series is constant, or has no more values than a season of 12"
LITTLE = [(seasonal(series=2), FEW), (seasonal(series=2, length=11), UNREADABLE), (np.full((3, 60), 4.0), UNREADABLE)]


@pytest.mark.parametrize(("values", "why"), LITTLE)
def test_what_is_too_little_for_an_lstm_is_forecast_naively_with_the_reason(
    values: Any, why: str, tmp_path: Path
) -> None:
    path = table(tmp_path, values)
    answer = found(path, None, horizon=HORIZON)
    assert (set(answer.methods), len(answer.rows["mean"])) == ({"naive"}, len(values) * HORIZON)
    assert answer.reason.startswith(f"{why}: the seasonal naive forecast is used")
    with pytest.raises(OptionError, match=f"{why}: give method= naive"):
        found(path, None, horizon=HORIZON, method="lstm")


def test_a_model_forecasts_series_that_are_too_short_to_learn_from(model: LanguageModel, tmp_path: Path) -> None:
    answer = found(table(tmp_path, seasonal(seed=7, series=1, length=30)), model, method="lstm")
    assert answer.methods == ["lstm"]


def test_values_of_no_learned_kind_are_read_as_the_nearest_that_is(model: LanguageModel, tmp_path: Path) -> None:
    values = seasonal(seed=3)
    values[:, 40] *= 1000  # far beyond the changes in training
    assert np.isfinite(found(table(tmp_path, values), model, method="lstm").rows["mean"]).all()


def test_another_horizon_than_the_model_has_learned_is_forecast_and_a_longer_one_has_a_note(
    model: LanguageModel, tmp_path: Path
) -> None:
    path = table(tmp_path, seasonal())
    assert found(path, model).horizon == HORIZON
    short, long = found(path, model, horizon=2), found(path, model, horizon=20)
    assert (len(short.rows["mean"]), len(long.rows["mean"]), short.notes) == (2 * SERIES, 20 * SERIES, [])
    (note,) = long.notes
    assert note.startswith("the model has learned from all but the last 12 values of its own table:")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"season": 7}, "season 7 is not this model's, which is 12: leave it out"),
        ({"horizon": LENGTH}, f"a horizon of {LENGTH} is too long: the longest series has {LENGTH} values; "),
        ({"horizon": 0}, "horizon"),
        ({"method": "best"}, "method"),
        ({"levels": (80, 100)}, "a level must be above 0 and below 100 per cent, not 100"),
        ({"levels": 80}, 'levels must be numbers above 0 and below 100, as in "80 95", not 80'),
        ({"levels": ["wide"]}, "levels must be numbers above 0 and below 100"),
        ({"levels": [float("nan")]}, "a level must be above 0 and below 100 per cent, not nan"),
        ({"value_column": "price"}, "no column is named 'price': choose one of unique_id, ds, y"),
        ({"stride": 2}, "stride"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    options: dict[str, Any], says: str, model: LanguageModel, tmp_path: Path
) -> None:
    with pytest.raises((InputError, TypeError)) as caught:
        afterword.forecast(table(tmp_path, seasonal()), model=model, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_horizon_is_needed_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="missing horizon: give horizon="):
        afterword.forecast(table(tmp_path, seasonal()))


def test_a_model_forecasts_no_other_frequency_but_numbered_rows(model: LanguageModel, tmp_path: Path) -> None:
    days = pandas.DataFrame({"ds": pandas.date_range("2024-01-01", periods=60), "y": seasonal(series=1, length=60)[0]})
    with pytest.raises(OptionError, match="the table is daily, and this model has learned monthly series"):
        afterword.forecast(days, model=model)
    assert len(afterword.forecast(days.assign(ds=np.arange(60)), model=model)) == HORIZON


def test_models_of_text_and_missing_ones_do_not_forecast(tmp_path: Path) -> None:
    path = table(tmp_path, seasonal())
    with pytest.raises(ModelError, match="this is a model of text, which cannot forecast"):
        afterword.forecast(path, model=save_tiny(tmp_path / "tiny"))
    with pytest.raises(ModelError):
        afterword.forecast(path, model=tmp_path / "none")


def test_a_model_whose_facts_are_damaged_is_refused(tmp_path: Path, model: LanguageModel) -> None:
    model.save(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    assert '"season": 12' in config.read_text()
    shutil.copytree(tmp_path / "model", tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(config.read_text().replace('"season": 12', '"season": 0'))
    with pytest.raises(ModelError):
        afterword.forecast(table(tmp_path, seasonal()), model=tmp_path / "other")


@pytest.mark.parametrize("source", [None, 3, ["a.csv"], {"y": [1, 2]}, np.ones(9)])
def test_what_is_no_table_is_refused_in_one_line(source: Any, model: LanguageModel) -> None:
    with pytest.raises(TableError) as caught:
        afterword.forecast(source, model=model)
    assert "\n" not in str(caught.value)


def test_a_band_holds_its_share_between_two_quantiles_that_mirror_each_other() -> None:
    assert band(80) == (0.1, 0.9)
    assert band(95) == (0.025, 0.975)


class _Library:
    """A fake statsforecast: the columns are constants, and levels are written as a version writes them."""

    def __init__(self, write: Callable[[float], str]) -> None:
        self._write = write
        self.models = SimpleNamespace(AutoETS=lambda **_: "AutoETS", AutoTheta=lambda **_: "AutoTheta")

    def StatsForecast(self, models: list[str], freq: int) -> Any:
        (name,) = models

        def forecast(df: Any, h: int, level: list[float]) -> Any:
            if name == "AutoTheta" and len(df) < 9:
                raise NotImplementedError("tiny datasets")
            bands = {
                "": 0.0,
                **{f"-lo-{self._write(q)}": -q for q in level},
                **{f"-hi-{self._write(q)}": q for q in level},
            }
            rows = h * df["unique_id"].nunique()
            return pandas.DataFrame({f"{name}{ending}": [value] * rows for ending, value in bands.items()})

        return SimpleNamespace(forecast=forecast)


@pytest.mark.parametrize("write", [str, "{:g}".format, np.float64], ids=["95.0", "95", "numpy"])
def test_bands_of_other_methods_are_found_however_a_version_writes_levels(
    write: Callable[[float], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", _Library(write))
    monkeypatch.setattr(classical, "is_installed", lambda: True)
    found = classical.classical_quantiles([np.arange(9.0)] * 2, 1, 3, [0.025, 0.1, 0.5, 0.9995, 0.9])
    assert list(found) == ["AutoETS", "AutoTheta"]
    assert {q: set(values.ravel()) for q, values in found["AutoTheta"].items()} == {
        0.025: {-95.0}, 0.1: {-80.0}, 0.5: {0.0}, 0.9995: {99.9}, 0.9: {80.0}
    }  # fmt: skip


def test_a_method_that_cannot_forecast_a_series_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", _Library(str))
    monkeypatch.setattr(classical, "is_installed", lambda: True)
    assert list(classical.classical_quantiles([np.arange(8.0)], 1, 3, [0.1, 0.5])) == ["AutoETS"]


def test_the_installed_statsforecast_finds_bands_around_its_medians() -> None:
    pytest.importorskip("statsforecast")
    series = list(seasonal(series=2, length=60))
    found = classical.classical_quantiles(series, SEASON, HORIZON, [0.025, 0.1, 0.5, 0.9, 0.975])
    assert list(found) == list(classical.CLASSICAL)
    for quantiles in found.values():
        lowest, low, median, high, highest = quantiles.values()
        assert median.shape == (2, HORIZON)
        assert ((lowest < low) & (low < median) & (median < high) & (high < highest)).all()
