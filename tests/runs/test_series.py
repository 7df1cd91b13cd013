"""Laws of a run on a table of numbers: those of a run on a text."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import InputError, OptionError, RunError, TableError, TextError
from afterword.language_model import LanguageModel
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, preview
from afterword.runs.resume import resume
from afterword.series.table_corpus import SeriesFacts, SeriesSettings, corpus_settings, recorded_settings
from afterword.settings import made
from afterword.text.corpus import TextSettings
from tests.runs.conftest import begin_in
from tests.runs.test_run import finish, stopped
from tests.seasons import HORIZON, LENGTH, SEASON, SERIES, SETTINGS, begin_small, long_csv, seasonal


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(long_csv(seasonal()))
    return path


def test_a_run_on_series_is_resumed_with_its_table_and_no_other(table: Path, tmp_path: Path) -> None:
    path = stopped(begin_small(table, tmp_path / "run")).folder.path
    resume(path, sources=[table], settings_of=recorded_settings).folder.unlock()
    table.write_text(long_csv(seasonal(seed=1)))
    with pytest.raises(RunError, match="but not the same"):
        resume(path, sources=[table], settings_of=recorded_settings)


def test_a_model_of_series_knows_what_it_has_learned(table: Path, tmp_path: Path) -> None:
    run = begin_small(table, tmp_path / "run", steps=2)
    finish(run)
    model = LanguageModel.load(tmp_path / "run")
    expected: dict[str, Any] = {"season": SEASON, "horizon": HORIZON, "frequency": "monthly"}
    assert model.about["series"] == model.info()["series"] == expected
    assert run.encoded.documents == SERIES
    ends = SERIES  # of lines
    assert run.encoded.training_characters == SERIES * (LENGTH - 2 * SEASON) + ends
    assert run.encoded.validation_characters == SERIES * SEASON + ends
    assert model.info()["ngram"] is None
    assert model.about["base"] is None
    text = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "afterword forecast . FILE" in text
    assert f"table.csv: monthly series, season 12, to forecast {HORIZON} values, " in text
    assert "text-generation" not in text
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert SeriesFacts.of(LanguageModel.load(tmp_path / "run")) == SeriesFacts(**expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizon": None}, "series= needs horizon=: give horizon= too"),
        ({"labels": True}, "labels= does not suit a table of numbers: leave it out"),
        ({"lowercase": True}, "lowercase= does not suit a table of numbers: leave it out"),
        ({"validation": "0.2"}, "validation= does not suit a table of numbers: leave it out"),
        ({"vocabulary": "words"}, "vocabulary= does not suit a table of numbers: leave it out"),
        ({"series": False}, "horizon= needs series=: give series= too"),
    ],
)
def test_settings_of_text_and_of_tables_exclude_each_other(options: dict[str, object], says: str) -> None:
    values = {"series": True, "horizon": HORIZON, **options}
    with pytest.raises(OptionError) as caught:
        corpus_settings(made(TextSettings, values), made(SeriesSettings, values))
    assert str(caught.value) == says


def test_a_run_on_text_does_not_begin_from_a_model_of_series(table: Path, tmp_path: Path) -> None:
    finish(begin_small(table, tmp_path / "series", steps=1))
    with pytest.raises(InputError, match="learned series of numbers, not text"):
        begin_in(tmp_path, base=str(tmp_path / "series"))


def test_too_few_values_and_several_tables_are_refused(table: Path, tmp_path: Path) -> None:
    few, no = tmp_path / "few.csv", tmp_path / "no.csv"
    few.write_text(long_csv(seasonal(series=2)))
    no.write_text("no table at all\n")
    for tables, error, says in (
        ([few], TextError, r"few\.csv has 192 values to learn from, after those held out; at least 500"),
        ([table, few], TextError, "series come from one table, not 2 files: name one"),
        ([no], TableError, ""),
    ):
        with pytest.raises(error, match=says or None):
            begin(tables, tmp_path / "run", SETTINGS, TrainingSettings(steps=1))
    assert not (tmp_path / "run").exists()


def test_a_plan_for_series_names_a_table_and_no_expectation(table: Path) -> None:
    found = preview([table], SETTINGS, TrainingSettings(epochs=3, threads=1))
    assert found.plan.expected is None
    assert found.plan.reasons["steps"].endswith("passes over the table")
    assert found.recipe.ngram == 0
    assert found.base_name is None
