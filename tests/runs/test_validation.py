"""What a run measures itself by is what the saved model costs, of LSTMs and of plain networks."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import afterword
from afterword.learning.validation import TIE, Best, Measured
from afterword.runs.loop import train_run
from tests.runs.conftest import begin_in
from tests.runs.test_run import finish


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lines")
    (place / "book.txt").write_text("".join(f"the {k % 7}th line of {k % 3}\n" for k in range(90)))
    (place / "other.txt").write_text("the 3th line of 1\nthe end\nline 9\n")
    finish(begin_in(place, lines=True, validation=str(place / "other.txt"), steps=30, dropout=0.0))
    return place


def test_the_recorded_costs_are_those_of_the_saved_model(finished: Path) -> None:
    model = afterword.load(finished / "run")
    scores = model.score_lines((finished / "other.txt").read_text().splitlines())
    characters = sum(score.characters for score in scores)
    recorded = model.about["validation"]
    assert sum(score.nats for score in scores) / characters == pytest.approx(recorded["nats_per_character"], rel=1e-4)
    for name in ("lstm", "ngram"):
        cost = sum(score.apart[name] * score.characters for score in scores) / characters
        assert cost == pytest.approx(recorded[name], rel=1e-4)
    assert recorded["nats_per_character"] <= min(recorded["lstm"], recorded["ngram"]) + 1e-6


def test_one_part_alone_scores_as_the_whole_says_of_it(finished: Path) -> None:
    whole = afterword.load(finished / "run").score("the line")
    assert set(whole.apart) == {"lstm", "ngram", "both"}
    assert whole.nats_per_character == pytest.approx(whole.apart["both"])
    for using in ("lstm", "ngram"):
        alone = afterword.load(finished / "run", using=using).score("the line")
        assert alone.nats_per_character == pytest.approx(whole.apart[using])


def test_a_run_without_an_n_gram_has_none(tmp_path: Path) -> None:
    model = afterword.load(finish(begin_in(tmp_path, steps=5, ngram=0)).folder.path)
    assert model.info()["ngram"] is None
    assert not model.score("The").apart


COSTS = st.floats(0.5, 0.505)  # so that many lie within the tie


@given(st.lists(COSTS, min_size=1), st.lists(COSTS, min_size=1))
def test_the_kept_look_is_the_lowest_or_in_a_tie_of_the_best_lstm(costs: list[float], lstms: list[float]) -> None:
    def best_of(looks: list[Measured]) -> Best:
        return functools.reduce(Best.after, looks[1:], Best(looks[0], looks[0].cost))

    looks = [Measured(cost, lstm, 0.6, 0.9) for cost, lstm in zip(costs, lstms, strict=False)]
    best = best_of(looks)
    assert best.lowest == min(look.cost for look in looks)
    assert best.kept in looks
    assert best.kept.cost <= best.lowest + TIE
    assert best_of([Measured(0.5, lstm, 0.6, 0.9) for lstm in lstms]).kept.lstm == min(lstms)
    assert best_of([Measured(cost, cost, None, 0.0) for cost in costs]).kept.cost == min(costs)


def test_a_text_that_the_n_gram_alone_predicts_still_gets_a_trained_lstm_and_it_is_said(tmp_path: Path) -> None:
    sums = [f"{a} and {b} is {a + b}." for a in range(20) for b in range(20)]
    (tmp_path / "book.txt").write_text("\n".join(sums))
    reports = list(train_run(begin_in(tmp_path, lines=True, steps=40, hidden_size=24, batch_size=16, dropout=None)))
    looks = [report for report in reports if report.validation is not None]
    assert all(report.validation == pytest.approx(looks[0].validation, abs=TIE) for report in looks)
    kept = afterword.load(tmp_path / "run").about
    assert kept["validation"]["nats_per_character"] == reports[-1].best
    assert kept["training"]["steps"] == [report.step for report in reports if report.improved][-1]
    assert kept["validation"]["lstm"] == min(report.lstm for report in looks if report.lstm is not None)
    assert kept["training"]["steps"] > 20
    [note] = [note for report in reports for note in report.notes if note.startswith("the n-gram makes 1")]
    assert "would gain from more text or a base (`base`) or more training" in note


def test_a_plain_recurrent_network_is_not_called_an_lstm_that_inspect_shows(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("one and one is two.\n" * 100)
    run = begin_in(tmp_path, steps=2, batch_size=4, cell="rnn")
    [note] = [note for report in train_run(run) for note in report.notes if "n-gram makes" in note]
    assert "the RNN alone needs" in note
    assert "--base" not in note
