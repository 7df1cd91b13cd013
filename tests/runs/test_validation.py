"""What a run measures itself by is what the saved model costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import afterword
from afterword.planning.rules import dropout
from afterword.planning.settings import TrainingSettings
from afterword.runs.opening import begin
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings

LINES = "".join(f"the {k % 7}th line of {k % 3}\n" for k in range(90))


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    (tmp_path / "lines.txt").write_text(LINES)
    (tmp_path / "other.txt").write_text("the 3th line of 1\nthe end\nline 9\n")
    text = TextSettings(lines=True, validation=str(tmp_path / "other.txt"))
    training = TrainingSettings(steps=30, hidden_size=16, threads=1)
    for _ in begin([tmp_path / "lines.txt"], tmp_path / "run", text, training).train():
        pass
    return tmp_path


def test_the_recorded_costs_are_those_of_the_saved_model(finished: Path) -> None:
    model = afterword.load(finished / "run")
    scores = model.score_lines((finished / "other.txt").read_text().splitlines())
    characters = sum(score.characters for score in scores)
    recorded = model.about["validation"]
    assert sum(score.nats for score in scores) / characters == pytest.approx(recorded["nats_per_character"], rel=1e-4)
    for name in ("lstm", "ngram"):
        cost = sum(score.apart[name] * score.characters for score in scores) / characters
        assert cost == pytest.approx(recorded[name], rel=1e-4)


def test_the_mixture_costs_less_than_either_of_its_parts(finished: Path) -> None:
    recorded = afterword.load(finished / "run").about["validation"]
    assert recorded["nats_per_character"] <= min(recorded["lstm"], recorded["ngram"]) + 1e-6


def test_one_part_alone_scores_as_the_whole_says_of_it(finished: Path) -> None:
    whole = afterword.load(finished / "run").score("the line")
    assert set(whole.apart) == {"lstm", "ngram", "both"}
    assert whole.nats_per_character == pytest.approx(whole.apart["both"])
    for using in ("lstm", "ngram"):
        alone = afterword.load(finished / "run", using=using).score("the line")
        assert alone.nats_per_character == pytest.approx(whole.apart[using])


def test_a_run_without_an_n_gram_has_none(begin_run: Callable[..., Run], tmp_path: Path, text_file: Path) -> None:
    training = TrainingSettings(steps=5, hidden_size=12, threads=1, ngram=0)
    for _ in begin([text_file], tmp_path / "plain", TextSettings(), training).train():
        pass
    model = afterword.load(tmp_path / "plain")
    assert model.info()["ngram"] is None
    assert not model.score("The").apart
    with pytest.raises(afterword.AfterwordError, match="no n-gram"):
        afterword.load(tmp_path / "plain", using="ngram")


def test_dropout_grows_with_the_passes_over_the_text() -> None:
    found = [dropout(epochs) for epochs in (0.01, 1, 3.3, 8, 30, 1e6)]
    assert found == sorted(found)
    assert found[0] == 0
    assert found[2] == 0.2
    assert found[-1] == 0.6
