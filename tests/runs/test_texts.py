"""What the model of a run knows of its text: what it costs, the labels of its lines, and how its prose was joined."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import afterword
from afterword.errors import OptionError, RunError
from afterword.language_model import LanguageModel, load
from afterword.learning.validation import TIE, Best, Measured
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, repeat
from afterword.runs.folder import RunFolder
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings
from tests.runs.conftest import begin_in
from tests.runs.test_run import finish, stopped
from tests.text.test_unwrap import VERSE, paragraphs, wrapped


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lines")
    (place / "book.txt").write_text("".join(f"the {k % 7}th line of {k % 3}\n" for k in range(90)))
    (place / "other.txt").write_text("the 3th line of 1\nthe end\nline 9\n")
    finish(begin_in(place, lines=True, validation=str(place / "other.txt"), steps=30, dropout=0.0))
    return place


def test_the_recorded_costs_are_those_of_the_saved_model(place: Path) -> None:
    model = load(place / "run")
    lines = (place / "other.txt").read_text().splitlines()
    scores = model.score_lines(lines)
    characters = sum(score.characters for score in scores)
    recorded = model.about["validation"]
    assert sum(score.nats for score in scores) / characters == pytest.approx(recorded["nats_per_character"], rel=1e-4)
    for name in ("lstm", "ngram"):
        cost = sum(score.apart[name] * score.characters for score in scores) / characters
        assert cost == pytest.approx(recorded[name], rel=1e-4)
        alone = load(place / "run", using=name).score_lines(lines)
        assert sum(score.nats for score in alone) / characters == pytest.approx(cost)
    assert recorded["nats_per_character"] <= min(recorded["lstm"], recorded["ngram"]) + 1e-6


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
    kept = load(tmp_path / "run").about
    assert kept["validation"]["nats_per_character"] == reports[-1].best
    assert kept["training"]["steps"] == [report.step for report in reports if report.improved][-1]
    assert kept["validation"]["lstm"] == min(report.lstm for report in looks if report.lstm is not None)
    assert kept["training"]["steps"] > 20
    [note] = [note for report in reports for note in report.notes if note.startswith("the n-gram makes 1")]
    assert "would gain from more text or a base (`base`) or more training" in note


# --- labels -----------------------------------------------------------------------------------------------------------

KINDS = {"vowel": "aeio", "other": "bcdf"}


def begin_labelled(place: Path, name: str = "run", **asked: Any) -> Run:
    """Begin a run on two kinds of lines, which a small network tells apart after some hundred steps."""
    words = ((kind, "".join(word)) for kind in KINDS for word in itertools.product(KINDS[kind], repeat=4))
    (place / "book.txt").write_text("".join(f"{kind}\t{word}\n" for kind, word in words))
    sizes = {} if "base" in asked else {"base": "none", "hidden_size": 32, "learning_rate": 0.03}
    chosen: dict[str, Any] = {"labels": True, "steps": 120, "batch_size": 32, "dropout": 0.0} | sizes
    return begin_in(place, name, **chosen | asked)


def finished(run: Run) -> LanguageModel:
    return load(finish(run).folder.path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return finished(begin_labelled(tmp_path_factory.mktemp("labels")))


def test_what_is_written_under_a_label_is_of_its_kind_and_scoring_finds_it(model: LanguageModel) -> None:
    assert model.labels.keys() == KINDS.keys() == model.info()["labels"].keys()
    for label, letters in KINDS.items():
        written = [str(one) for one in model.samples(num=50, label=label, seed=1)]
        assert sum(set(line) <= set(letters) for line in written) > 40
        found = [one.label for one in model.classify(written)]
        assert found.count(label) > 40
        given = model.classify([f"{label}\t{line}" for line in written])
        assert [(one.given_label, one.label) for one in given] == [(label, one) for one in found]
    drawn = [str(one) for one in model.samples(num=50, seed=1, temperature=0.5)]  # with a label before each line
    assert sum(line.partition("\t")[0] in KINDS for line in drawn) > 40


def test_a_label_is_read_with_the_prompt(model: LanguageModel) -> None:
    with pytest.raises(OptionError, match="give the label to read"):
        model.generate(model.read("a"), label="vowel")
    assert model.generate(model.read("a", label="vowel"), seed=1) == model.generate("a", label="vowel", seed=1)


def test_a_stopped_and_a_repeated_run_keep_the_labels(tmp_path: Path) -> None:
    labelled, run = tmp_path / "book.txt", tmp_path / "run"
    begun = begin_labelled(tmp_path, "whole", steps=12)
    assert sum(begun.encoded.origin["labels"].values()) == begun.encoded.documents
    whole = finished(begun)
    stopped(begin_labelled(tmp_path, steps=12))
    resumed = finished(resume(run, {"labels": True, "lines": True}, [labelled]))
    for model in (resumed, finished(repeat(run, tmp_path / "other"))):
        assert model.about == whole.about
        assert model.classify(["aei"])[0].probabilities == whole.classify(["aei"])[0].probabilities
    with pytest.raises(OptionError, match=r"^labels= is true in the run"):
        resume(run, {"labels": False})
    labelled.write_text(labelled.read_text().replace("vowel\taeie", "vowel\tbeie"))
    with pytest.raises(RunError, match="but not the same"):
        resume(run, {}, [labelled])


@pytest.mark.parametrize("settings", [{"vocabulary": "words"}, {"lowercase": True}, {"base": True}, {"ngram": 4}])
def test_every_vocabulary_has_labels_and_a_run_from_a_base_too(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = begin_labelled(tmp_path, steps=3, **settings)
    assert run.recipe.ngram == settings.get("ngram", 0)  # one does not see the label, and has to be asked for
    model = finished(run)
    assert (model.info()["base"] is not None) == ("base" in settings)
    assert set(model.labels) == set(KINDS)
    assert model.generate(label="Vowel" if "lowercase" in settings else "vowel", seed=1, max_tokens=5).prompt == ""
    assert sum(model.classify(["aei"])[0].probabilities.values()) == pytest.approx(1)


# --- joined prose -----------------------------------------------------------------------------------------------------

SMALL = TrainingSettings(steps=4, hidden_size=8, threads=1, base="none", ngram=0, batch_size=2, seq_length=16)
NOVEL = paragraphs(60)
DRAFT = paragraphs(4, seed=9)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unwrap") / "novel.txt"
    path.write_text(wrapped(NOVEL), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(book: Path) -> Path:
    return trained(book, "run")


def trained(book: Path, name: str, text: TextSettings = TextSettings()) -> Path:  # noqa: B008
    return finish(begin([book], book.parent / name, text, SMALL)).folder.path


def test_run_and_model_record_what_was_decided_and_are_those_of_the_joined_text(run: Path, book: Path) -> None:
    assert RunFolder(run).read_record().text["unwrap"] == "yes"
    model = load(run)
    assert model.unwraps
    joined = wrapped(NOVEL).count("\n") - NOVEL.count("\n")
    assert model.about["unwrapped"] == model.info()["unwrapped"] == joined
    for name, text, lines in (("novel", wrapped(NOVEL), joined), ("poem", f"{VERSE}\n\n" * 40, None)):
        (place := book.with_name(f"{name}.txt")).write_text(text, encoding="utf-8")
        assert afterword.plan([place], steps=4, base="none", threads=1).text["unwrapped"] == lines
    book.with_name("plain.txt").write_text(NOVEL, encoding="utf-8")
    other = trained(book.with_name("plain.txt"), "plain")
    assert not load(other).unwraps
    assert RunFolder(other).read_record().fingerprint == RunFolder(run).read_record().fingerprint


def test_texts_and_prompts_are_read_as_the_models_own_text_was(run: Path, tmp_path: Path) -> None:
    (folded := tmp_path / "folded.txt").write_text(wrapped(DRAFT), encoding="utf-8")
    (joined := tmp_path / "joined.txt").write_text(DRAFT, encoding="utf-8")
    call: dict[str, Any] = {name: getattr(afterword, name) for name in ("score", "compare", "surprises", "generate")}
    found = []
    for file in (folded, joined):
        [scored] = call["score"](run, [file])
        compared = [one.bits_per_byte for one in call["compare"](run, "english", file=[file])]
        text = "".join(one.text for one in call["surprises"](run, [file]) if hasattr(one, "alternatives"))
        [written] = call["generate"](run, prompt_file=file, max_tokens=3, seed=1)
        assert text == DRAFT
        found.append((scored.bits_per_character, compared, written.prompt, written.text))
    assert found[0] == found[1]


def test_it_resumes_with_its_text_and_is_repeated(run: Path, book: Path) -> None:
    again = resume(run, {}, [book])
    assert again.encoded.unwrapped
    assert repeat(run, book.parent / "again").encoded.unwrapped == again.encoded.unwrapped


def test_a_run_and_a_model_from_before_read_every_text_as_it_is(run: Path, book: Path) -> None:
    kept = trained(book, "before", TextSettings(unwrap="no"))
    assert RunFolder(kept).read_record().fingerprint != RunFolder(run).read_record().fingerprint
    record, corpus = (json.loads((kept / name).read_text()) for name in ("run.json", "corpus/corpus.json"))
    del record["text"]["unwrap"], record["asked"]["unwrap"], corpus["unwrapped"]
    (kept / "run.json").write_text(json.dumps(record))
    (kept / "corpus" / "corpus.json").write_text(json.dumps(corpus))
    assert resume(kept, {}, [book]).encoded.unwrapped is None
    assert not LanguageModel.load(kept).unwraps
