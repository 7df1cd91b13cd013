"""Laws of a run on a table of numbers: those of a run on a text."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import InputError, OptionError, TableError, TextError
from afterword.language_model import LanguageModel
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, preview, repeat
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.series.table_corpus import SeriesFacts, SeriesSettings, corpus_settings, recorded_settings
from afterword.settings import made
from afterword.text.corpus import TextSettings
from tests.bases.small import save
from tests.seasons import HORIZON, LENGTH, SEASON, SERIES, SETTINGS, begin_small, long_csv, seasonal
from tests.torture.runs import outcome


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(long_csv(seasonal()))
    return path


def finish(run: Run) -> None:
    for _ in train_run(run):
        pass


@pytest.mark.parametrize("stop", [1, 7])
def test_a_run_on_series_that_was_stopped_and_resumed_ends_with_the_same_bits(
    table: Path, tmp_path: Path, stop: int
) -> None:
    finish(begin_small(table, tmp_path / "whole", steps=12))
    parted = begin_small(table, tmp_path / "parted", steps=12)
    asked = iter(range(1, 10**9))
    for _ in train_run(parted, lambda: next(asked) >= stop):
        pass
    if stop == 1:
        table.unlink()  # the run has all that it needs
    same = [] if stop == 1 else [table]
    finish(resume(parted.folder.path, sources=same, settings_of=recorded_settings))
    assert outcome(parted.folder.path) == outcome(tmp_path / "whole")


def test_a_run_on_series_is_repeated_with_the_same_bits(table: Path, tmp_path: Path) -> None:
    finish(begin_small(table, tmp_path / "one", steps=6))
    finish(repeat(tmp_path / "one", tmp_path / "two"))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_the_same_table_makes_the_same_model_in_any_layout(table: Path, tmp_path: Path) -> None:
    values = seasonal()
    months = [line.split(",")[1] for line in long_csv(values[:1]).splitlines()[1:]]
    wide = ["ds," + ",".join(f"s{k}" for k in range(SERIES))]
    wide += [f"{month},{','.join(map(str, row))}" for month, row in zip(months, values.T, strict=True)]
    (tmp_path / "wide.csv").write_text("\n".join(wide) + "\n")
    one, two = begin_small(table, tmp_path / "one"), begin_small(tmp_path / "wide.csv", tmp_path / "two")
    assert one.encoded.training.tolist() == two.encoded.training.tolist()
    assert one.encoded.validation.tolist() == two.encoded.validation.tolist()


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
        ({"vocabulary": "byte"}, "vocabulary= does not suit a table of numbers: leave it out"),
        ({"series": False}, "horizon= needs series=: give series= too"),
    ],
)
def test_settings_of_text_and_of_tables_exclude_each_other(options: dict[str, object], says: str) -> None:
    values = {"series": True, "horizon": HORIZON, **options}
    with pytest.raises(OptionError) as caught:
        corpus_settings(made(TextSettings, values), made(SeriesSettings, values))
    assert str(caught.value) == says


def test_a_run_on_series_begins_from_nothing_and_is_not_classic(table: Path, tmp_path: Path) -> None:
    for training, says in (
        (TrainingSettings(steps=1, recipe="classic"), "the classic recipe learns from text"),
        (TrainingSettings(steps=1, base=str(save(tmp_path / "base"))), "a model of series begins from scratch"),
    ):
        with pytest.raises(OptionError, match=says):
            begin([table], tmp_path / "run", SETTINGS, training)
    assert not (tmp_path / "run").exists()


def test_a_run_on_text_does_not_begin_from_a_model_of_series(table: Path, tmp_path: Path) -> None:
    finish(begin_small(table, tmp_path / "series", steps=1))
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The {k}th line of this book, and no more.\n" for k in range(120)))
    with pytest.raises(InputError, match="learned series of numbers, not text"):
        begin([book], tmp_path / "run", TextSettings(), TrainingSettings(steps=1, base=str(tmp_path / "series")))


def test_too_few_values_and_several_tables_are_refused(table: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text(long_csv(seasonal(series=2)))
    with pytest.raises(TextError, match=r"few\.csv has 192 values to learn from, after those held out; at least 500"):
        begin([few], tmp_path / "run", SETTINGS, TrainingSettings(steps=1))
    with pytest.raises(TextError, match="series come from one table, not 2 files: name one"):
        begin([table, few], tmp_path / "run", SETTINGS, TrainingSettings(steps=1))
    few.write_text("no table at all\n")
    with pytest.raises(TableError):
        begin([few], tmp_path / "run", SETTINGS, TrainingSettings(steps=1))
    assert not (tmp_path / "run").exists()


def test_a_plan_for_series_names_a_table_and_no_expectation(table: Path) -> None:
    found = preview([table], SETTINGS, TrainingSettings(epochs=3, threads=1))
    assert found.plan.expected is None
    assert found.plan.reasons["steps"].endswith("passes over the table")
    assert found.recipe.ngram == 0
    assert found.base_name is None
