"""A run on labelled lines: its model knows its labels, and so do its resumed and repeated selves."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import OptionError, RunError
from afterword.language_model import LanguageModel, load
from afterword.runs.begin import repeat
from afterword.runs.resume import resume
from afterword.runs.run import Run
from tests.runs.conftest import begin_in
from tests.runs.test_run import finish, stopped

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
