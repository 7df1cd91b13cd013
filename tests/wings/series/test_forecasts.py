"""Forecasts: the kind of table that came, bands around a median, a backtest that sees no future, and what is kept."""

from __future__ import annotations

import io
import json
import shutil
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pytest

import afterword
from afterword.errors import InputError, ModelError, OptionError, RunError
from afterword.language_model import load
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.wings.series import forecasts as module
from afterword.wings.series import series_network as drawn
from afterword.wings.series import trials
from afterword.wings.series.forecasts import ForecastSettings, Futures, forecasts
from afterword.wings.series.series_network import load_kept
from afterword.wings.series.trials import Trials
from afterword.wings.series.value_text import OnValues, SeriesFacts, values_per_step
from tests.runs.conftest import begin_in
from tests.runs.test_run import finish, stopped
from tests.wings.series.seasons import (
    FACTS,
    HORIZON,
    LENGTH,
    SEASON,
    SERIES,
    begin_small,
    learned_from,
    leave_out_slow,
    long_csv,
    seasonal,
    train_small,
)

LEVELS = (1.0, 80.0, 95.0)
DAYS = pandas.DataFrame({"ds": pandas.date_range("2024-01-01", periods=60), "y": seasonal(series=1, length=60)[0]})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("series"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few futures, and leave out the methods that are not simple, which take seconds to import."""
    monkeypatch.setattr(drawn, "PATHS", (200, 200))
    leave_out_slow(monkeypatch)


def table(folder: Path, values: Any) -> Path:
    path = folder / "sales.csv"
    path.write_text(long_csv(values))
    return path


def found(source: Any, model: Path | None, levels: tuple[float, ...] = LEVELS, **options: Any) -> Futures:
    return forecasts(source, ForecastSettings(levels=levels, model=model, **options))


def same_bits(one: Futures, other: Futures) -> bool:
    return all(np.array_equal(one.rows[name], other.rows[name]) for name in one.rows)


def test_forecasts_return_as_the_kind_of_table_that_came(model: Path, tmp_path: Path) -> None:
    path = table(tmp_path, seasonal())
    for source in (path, pandas.read_csv(path), polars.read_csv(path)):
        given = afterword.forecast(source, model=model)
        assert type(given) is (str if source is path else type(source))
        answer: Any = pandas.read_csv(io.StringIO(given)) if isinstance(given, str) else given
        assert " ".join(answer.columns) == "unique_id ds mean median lo-80 hi-80 lo-95 hi-95 method"
        assert (len(answer), list(answer["ds"])[:2]) == (SERIES * HORIZON, ["2020-01-01", "2020-02-01"])


@pytest.mark.parametrize("method", ["lstm", "naive"])
def test_bands_are_in_order_and_not_below_zero_without_need(method: str, model: Path, tmp_path: Path) -> None:
    rows = found(pandas.read_csv(io.StringIO(long_csv(seasonal()))), model, method=method).rows
    assert {name.split()[0] for name in rows["method"]} == {method}
    for one, other in pairwise(["lo-95", "lo-80", "lo-1", "median", "hi-1", "hi-80", "hi-95"]):
        assert (rows[one] <= rows[other]).all(), (one, other)
    assert (rows["lo-95"] < rows["hi-95"]).all()
    sales = np.maximum(0, np.round(np.random.default_rng(0).normal(0, 3, (SERIES, LENGTH))))  # half of them are 0
    rows = found(table(tmp_path, sales), model, method=method).rows
    assert min(rows[name].min() for name in ("mean", "median", "lo-80", "lo-95")) == 0  # as it never was below
    assert found(table(tmp_path, sales - 1), model, method=method).rows["lo-95"].min() < -1


def test_a_model_that_is_kept_forecasts_as_the_one_that_the_command_trains_and_another_seed_otherwise(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(sources: Any, out: Path, text: Any, training: Any) -> Run:
        assert ([Path(source).name for source in sources], training.minutes) == (["sales.csv"], 5.0)
        return begin_small(text.read(sources), out)

    def to_its_end(run: Run, facts: SeriesFacts) -> None:
        assert facts == FACTS
        for _ in train_run(run):
            pass

    monkeypatch.setattr(module, "begin", begin)
    path = table(tmp_path, seasonal())
    kept = tmp_path / "kept"
    settings = ForecastSettings(horizon=HORIZON, method="lstm", levels=LEVELS, keep=kept)
    trained = forecasts(path, settings, to_its_end)
    assert same_bits(trained, found(path, model, method="lstm"))
    assert same_bits(trained, found(path, kept, method="lstm"))
    assert not same_bits(trained, found(path, kept, method="lstm", seed=1))


def test_the_best_few_of_the_backtest_are_used_and_named(model: Path, tmp_path: Path) -> None:
    noisy = found(table(tmp_path, seasonal()), model)
    assert noisy.backtest is not None
    names = [*noisy.backtest.methods]
    assert (names[0], set(names[1:])) == ("used", {"last", "naive 12", "average 12", "lstm"})
    assert noisy.backtest.methods["lstm"].cut_offs == 1
    assert noisy.backtest.methods["average 12"].cut_offs == 5
    assert "average 12" in noisy.methods[0]
    mase = noisy.backtest.methods["used"].mase
    assert noisy.reason.startswith(f"tested at 5 cut-offs of 8 series, the error is {mase:.3f} times that of repeating")


def test_a_method_is_used_alone_where_it_is_much_better(tmp_path: Path) -> None:
    walks = np.cumsum(1 + np.random.default_rng(3).normal(size=(SERIES, LENGTH)), axis=1)
    noise = np.random.default_rng(3).normal(size=(SERIES, LENGTH))
    rising = np.tile(np.arange(LENGTH) % SEASON, (SERIES, 1)) + np.arange(SERIES)[:, None]
    for values, alone, says in (
        (walks, {"last"}, "; last is used"),
        (noise, None, "; last+naive 12+average 12 is used"),
        (rising, {"naive 12"}, "the backtest has no errors: naive 12 is used"),
        (np.full((3, 60), 7.0), {"last"}, "the backtest has no errors: last is used"),
    ):
        answer = found(table(tmp_path, values), None, horizon=HORIZON)
        assert answer.reason.endswith(says)
        assert alone in (None, {*answer.methods})


def test_the_backtest_does_not_see_the_values_that_it_forecasts(model: Path, tmp_path: Path) -> None:
    values = seasonal()
    changed = values.copy()
    changed[:, -HORIZON:] = np.random.default_rng(5).normal(500, 90, (SERIES, HORIZON))

    def run(values: Any) -> Trials:
        draw = partial(drawn.lstm_forecasts, load_kept(model)[0], SEASON, HORIZON, 0)
        trials = Trials.run(list(values), [SEASON], HORIZON, beside=True)
        return trials.adding(["lstm"], lambda some, before: draw(before)[None], latest=1)

    one, other = run(values), run(changed)
    np.testing.assert_array_equal(one.past, other.past)
    assert not np.isnan(one.past[-1, :, 0]).any()
    assert np.isnan(one.past[-1, :, 1:]).all()  # the model has learned from these values
    for k in (0, -1):  # the last value, and the network
        assert not np.array_equal(one.future[k], other.future[k])


def test_many_series_are_tested_by_some_of_them(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TESTED", 3)
    answer = found(table(tmp_path, seasonal()), model, method="lstm")
    assert answer.backtest is not None
    assert answer.backtest.series == 3
    assert answer.methods == ["lstm"] * SERIES
    assert np.isfinite(answer.mean).all()


def test_a_last_value_far_from_the_others_is_unusual_and_few_others_are(model: Path, tmp_path: Path) -> None:
    most = 0
    for seed in range(5):
        values = seasonal(seed)
        most += len(found(table(tmp_path, values), None, horizon=HORIZON).unusual)
        values[3, -2] += 90
        answer = found(table(tmp_path, values), None, horizon=HORIZON, levels=(80,))
        odd = answer.unusual[answer.unusual["unique_id"] == "s3"]
        (row,) = odd[odd["ds"] == np.datetime64("2019-11-01")].to_dict("records")
        assert row["y"] == values[3, -2] > row["hi-99"] > row["lo-99"]
    assert most <= 0.02 * 5 * SERIES * HORIZON
    values[3, -2] = 900  # what one cut-off alone could tell is not unusual, nor is anything among constants
    assert not len(found(table(tmp_path, values), model, method="lstm").unusual)
    assert not len(found(table(tmp_path, np.full((3, 60), 4.0)), None, horizon=HORIZON).unusual)


def test_the_mean_of_rare_sales_is_their_mean_and_bands_contain_mean_and_median() -> None:
    random = np.random.default_rng(1)
    sold = np.where(random.random((30, 300)) < 0.12, random.poisson(2, (30, 300)) + 1.0, 0.0)
    frame = pandas.DataFrame(sold.T).assign(ds=pandas.date_range("2024-01-01", periods=300))
    for values in (frame, DAYS):
        answer = found(values, None, levels=(10.0, 80.0), horizon=28)
        rows = answer.rows
        for one in ("mean", "median"):
            for level in (10, 80):
                assert (rows[f"lo-{level}"] <= rows[one]).all()
                assert (rows[one] <= rows[f"hi-{level}"]).all()
        assert answer.backtest is not None
        bias = answer.backtest.methods["used"].bias
        assert abs(bias) < 0.15
    assert found(frame, None, horizon=28).notes == [
        "the median is 0 in 90% of the rows, because most values are 0: use the column mean"
    ]
    assert found(frame, None, horizon=28).mean.sum() == pytest.approx(sold[:, -28:].sum(), rel=0.2)


def test_a_season_that_is_known_but_too_long_to_be_tested_is_assumed() -> None:
    days = pandas.date_range("2024-01-01", periods=40)
    for length, horizon in ((8, 7), (13, 7), (20, 5)):
        frame = pandas.DataFrame(
            {"ds": days[:length], "y": 50.0 + 30 * (np.arange(length) % 7 == 5) + np.arange(length)}
        )
        answer = found(frame, None, horizon=horizon)
        assert "no errors" not in answer.reason
        if length < 14:
            assert {*answer.methods} == {"naive 7"}  # and a regression, if there is time
            np.testing.assert_array_equal(answer.quantiles[0.5][0], frame["y"].to_numpy()[-7:])


def test_constant_series_have_no_bands_and_others_always_have(tmp_path: Path) -> None:
    values = seasonal()
    values[1], values[2] = 7.0, np.tile(values[2, :SEASON], LENGTH // SEASON)
    rows = found(table(tmp_path, values), None, horizon=HORIZON, method="naive").rows
    width = (rows["hi-80"] - rows["lo-80"]).to_numpy().reshape(SERIES, HORIZON)
    assert (width[1] == 0).all()
    assert (np.delete(width, 1, axis=0) > 0).all()
    medians = rows["median"].to_numpy().reshape(SERIES, HORIZON)
    np.testing.assert_allclose(medians[0], values[0, -SEASON : -SEASON + HORIZON])


def test_constant_and_short_series_are_naive_beside_others_that_are_not(model: Path, tmp_path: Path) -> None:
    values = seasonal()
    values[1] = 7.0
    path = table(tmp_path, values)
    with path.open("a") as file:
        file.write("short,2010-01-01,3\nshort,2010-02-01,5\n")
    answer = found(path, model, method="lstm")
    assert answer.methods == ["lstm", "naive 12", *["lstm"] * 6, "naive 12"]
    assert answer.notes == ["2 of 9 series are constant, or no longer than a season: they are forecast by naive 12"]
    assert (answer.quantiles[0.5][1] == 7).all()
    assert (answer.quantiles[0.5][8] == 5).all()
    # a model forecasts what is too short to learn from, and reads changes far beyond those in training as the largest
    other = seasonal(seed=7, series=1, length=30)
    other[:, 20] *= 1000
    answer = found(table(tmp_path, other), model, method="lstm")
    assert answer.methods == ["lstm"]
    assert np.isfinite(answer.mean).all()


FEW = "an LSTM needs 500 values to learn from, and 192 are left after 12 are held out"
UNREADABLE = "every series is constant, or has no more values than a season of 12"


@pytest.mark.parametrize(
    ("values", "why"),
    [(seasonal(series=2), FEW), (seasonal(series=2, length=11), UNREADABLE), (np.full((3, 60), 4.0), UNREADABLE)],
)
def test_what_is_too_little_for_an_lstm_is_forecast_by_others(values: Any, why: str, tmp_path: Path) -> None:
    path = table(tmp_path, values)
    kept = tmp_path / "kept"
    answer = forecasts(path, ForecastSettings(horizon=HORIZON, keep=kept))
    assert len(answer.rows["mean"]) == len(values) * HORIZON
    assert "lstm" not in "".join(answer.methods)
    assert f"no network is kept in {kept}: {why}" in answer.notes
    assert not kept.exists()
    with pytest.raises(OptionError, match=f"{why}: give another method="):
        found(path, None, horizon=HORIZON, method="lstm")


def test_a_longer_horizon_than_the_model_has_learned_has_a_note(model: Path, tmp_path: Path) -> None:
    path = table(tmp_path, seasonal())
    short, long = found(path, model, horizon=2), found(path, model, horizon=20)
    assert (len(short.rows["mean"]), len(long.rows["mean"]), short.notes) == (2 * SERIES, 20 * SERIES, [])
    (note,) = long.notes
    assert note.startswith("the model has learned from all but the last 12 values of its own table:")
    assert len(afterword.forecast(DAYS.assign(ds=np.arange(60)), model=model)) == HORIZON  # of any frequency


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "damaged"}, "the model at damaged is damaged: config.json"),
        ({"source": DAYS}, "the table is daily, and this model has learned monthly series"),
        ({"source": None}, "give a path, or a frame"),
        ({"source": np.ones(9)}, "give a path, or a frame"),
    ],
)
def test_what_cannot_be_forecast_is_refused_in_one_line(
    options: dict[str, Any], says: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Path(shutil.copytree(model, "damaged")) / "config.json"
    config.write_text(config.read_text().replace('"season": 12', '"season": 0'))
    with pytest.raises(InputError) as caught:
        afterword.forecast(**{"source": table(tmp_path, seasonal()), "model": model} | options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_kept_network_knows_what_it_has_learned_and_is_a_forecast_alone(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="learned series of numbers, not text: use afterword forecast"):
        load(model)
    with pytest.raises(OptionError, match="base: this model has learned series of numbers, not text"):
        begin_in(tmp_path, "text", base=str(model))
    network, facts = load_kept(model)
    assert facts == FACTS == SeriesFacts(SEASON, HORIZON, "monthly")
    assert (network.info()["ngram"], network.about["base"]) == (None, None)
    characters = [network.about["corpus"][part]["characters"] for part in ("training", "validation")]
    assert characters == [SERIES * (LENGTH - 2 * SEASON) + SERIES, SERIES * SEASON + SERIES]  # with the ends of lines
    card = (model / "README.md").read_text("utf-8")
    assert 'pipeline_tag: "time-series-forecasting"' in card
    assert f"table.csv: monthly series, season 12, to forecast {HORIZON} values, " in card


def test_a_run_on_values_has_no_expectation_and_at_most_16_passes(tmp_path: Path) -> None:
    corpus = learned_from(table(tmp_path, seasonal()))
    run = finish(begin_small(corpus, tmp_path / "run", steps=2))
    assert run.record.expected is None
    assert (run.recipe.ngram, run.base_name, run.recipe.weight_dropout) == (0, None, 0.0)
    assert not [note for note in run.notes if "few" in note]
    assert run.encoded.documents == SERIES
    asked = OnValues.of(corpus, minutes=1, seed=3)
    assert (asked.batch_size, asked.seq_length) == values_per_step(corpus.training_characters, LENGTH - 2 * SEASON + 1)
    assert asked.limit.passes == 16


def test_a_run_of_an_older_version_on_a_table_is_refused_in_one_line(tmp_path: Path) -> None:
    path = stopped(begin_small(learned_from(table(tmp_path, seasonal())), tmp_path / "run")).folder.path
    record: dict[str, Any] = json.loads((path / "run.json").read_text())
    record["asked"] |= {"series": True, "horizon": HORIZON}
    (path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"is on a table: the last version of Afterword that continues it is 0\.3"):
        resume(path)


def test_few_values_are_learned_in_more_and_smaller_steps() -> None:
    given = [(286_000, 700), (9_000, 850), (40_000, 1000), (100_000, 100)]
    for one, sizes in zip(given, [(8, 256), (2, 128), (8, 128), (16, 256)], strict=True):
        assert values_per_step(*one) == sizes
