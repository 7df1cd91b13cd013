"""Laws of a table that a run learns from, and of the network that is kept of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import ModelError, OptionError, RunError, TextError
from afterword.language_model import load
from afterword.model.folder.saved import load_model
from afterword.runs.resume import resume
from afterword.series.kept import load_kept
from afterword.series.table_corpus import OnValues, SeriesFacts, values_per_step
from tests.runs.conftest import begin_in
from tests.runs.test_run import finish, stopped
from tests.seasons import (
    FACTS,
    HORIZON,
    LENGTH,
    SEASON,
    SERIES,
    begin_small,
    learned_from,
    long_csv,
    seasonal,
    train_small,
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(long_csv(seasonal()))
    return path


def test_a_kept_network_knows_what_it_has_learned(tmp_path: Path) -> None:
    kept = train_small(tmp_path, steps=2)
    network, facts = load_kept(kept)
    assert facts == FACTS == SeriesFacts(SEASON, HORIZON, "monthly")
    assert network.info()["ngram"] is None
    assert network.about["base"] is None
    ends = SERIES  # of lines
    parts = {part: network.about["corpus"][part]["characters"] for part in ("training", "validation")}
    assert parts == {"training": SERIES * (LENGTH - 2 * SEASON) + ends, "validation": SERIES * SEASON + ends}
    text = (kept / "README.md").read_text()
    assert "afterword forecast . FILE" in text
    assert f"table.csv: monthly series, season 12, to forecast {HORIZON} values, " in text
    assert "text-generation" not in text


def test_a_kept_network_is_loaded_as_a_forecast_alone(tmp_path: Path) -> None:
    kept = train_small(tmp_path, steps=1)
    assert load_model(kept, learned=None).about["series"]
    with pytest.raises(ModelError, match="learned series of numbers, not text: use afterword forecast"):
        load(kept)
    with pytest.raises(OptionError, match="base: this model has learned series of numbers, not text"):
        begin_in(tmp_path, "text", base=str(kept))


def test_too_few_values_are_refused(table: Path) -> None:
    table.write_text(long_csv(seasonal(series=2)))
    with pytest.raises(TextError, match=r"table\.csv has 192 values to learn from, after those held out; at least 500"):
        learned_from(table)


def test_a_run_on_values_has_no_expectation_and_at_most_16_passes(table: Path, tmp_path: Path) -> None:
    corpus = learned_from(table)
    run = finish(begin_small(corpus, tmp_path / "run", steps=2))
    assert run.record.expected is None
    assert (run.recipe.ngram, run.base_name, run.recipe.weight_dropout) == (0, None, 0.0)
    assert not [note for note in run.notes if "few" in note]
    assert run.encoded.documents == SERIES
    asked = OnValues.of(corpus, minutes=1, seed=3)
    assert (asked.batch_size, asked.seq_length) == values_per_step(corpus.training_characters, LENGTH - 2 * SEASON + 1)
    assert asked.limit.passes == 16


def test_a_run_of_an_older_version_on_a_table_is_refused_in_one_line(table: Path, tmp_path: Path) -> None:
    path = stopped(begin_small(learned_from(table), tmp_path / "run")).folder.path
    record: dict[str, Any] = json.loads((path / "run.json").read_text())
    record["asked"] |= {"series": True, "horizon": HORIZON}
    (path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"is on a table: the last version of Afterword that continues it is 0\.3"):
        resume(path)


@pytest.mark.parametrize(
    ("tokens", "length", "found"),
    [(286_000, 700, (8, 256)), (9_000, 850, (2, 128)), (40_000, 1000, (8, 128)), (100_000, 100, (16, 256))],
)
def test_few_values_are_learned_in_more_and_smaller_steps(tokens: int, length: float, found: tuple[int, int]) -> None:
    assert values_per_step(tokens, length) == found
