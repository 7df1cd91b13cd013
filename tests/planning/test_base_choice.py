"""Laws of which base a plan takes, why, and of what it costs untrained."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.bases.base import Base
from afterword.bases.installed import FOLDERS
from afterword.errors import OptionError
from afterword.learning.validation import Measured, learn_ngram
from afterword.model.ngram.tables import HIGHEST_ORDER
from afterword.operations.plan import show_plan as record_of
from afterword.planning import base_choice, tuning
from afterword.planning.auto import TAUGHT
from afterword.planning.machine import StepTime
from afterword.planning.training_plan import TrainingSettings
from afterword.planning.untrained import Untrained
from afterword.runs.begin import Preview, preview
from afterword.scoring.costs import score_lines
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.symbols import SymbolTokenizer
from tests.bases.small import SYMBOLS, base_of, knowing, only_packages, register, save

Planned = Callable[..., Preview]
LINES = "".join(f"The {k}th line of this book, and no more.\n" for k in range(120))
OF_TEXT = "\n ,.0123456789Tabdefhiklmnorst"
BASES = [base_of(OF_TEXT, name="characters"), base_of(SYMBOLS.for_text(OF_TEXT, False), name="symbols")]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """What is planned with a tiny model in place of the one that ships."""
    monkeypatch.setitem(FOLDERS, "english", save(tmp_path / "shipped"))
    only_packages(monkeypatch, tmp_path)
    book = tmp_path / "book.txt"
    book.write_text(LINES)

    def plan(text: dict[str, Any] | None = None, **settings: Any) -> Preview:
        return preview([book], TextSettings(**text or {}), TrainingSettings(**{"steps": 2, "threads": 1} | settings))

    return plan


def test_what_excludes_the_base_that_ships_is_said(planned: Planned) -> None:
    for text, settings, why in (
        ({}, {"base": "none"}, "as you asked"),
        ({}, {"hidden_size": 12}, "english has 6 as its hidden size, not 12"),
        ({}, {"cell": "rnn"}, "english is made of lstm cells"),
        ({"vocabulary": "words"}, {}, "english has its own vocabulary (char), not words"),
        ({}, {"recipe": "classic"}, "as in the founding recipe"),
        ({}, {"recipe": "classic", "base": "none"}, "as you asked"),
    ):
        found = planned(text, **settings)
        assert (found.plan.base, record_of(found).base, found.plan.reasons["base"]) == (None, None, why)
        assert ["base", "none", why] in [line.split(maxsplit=2) for line in record_of(found).printed]


@pytest.mark.parametrize("name", ["english", "friend"])
def test_the_one_that_is_asked_for_is_taken_and_told(planned: Planned, tmp_path: Path, name: str) -> None:
    base = base_of(OF_TEXT, seed=name == "friend")
    friend = save(tmp_path / "friend", base)
    found = planned(base=name if name == "english" else str(friend))
    recipe, lines = found.plan.recipe, record_of(found).printed
    assert (recipe.hidden_size, recipe.num_layers, recipe.embedding_size, recipe.residual) == (6, 2, 4, True)
    assert f"from {name}: 2 × 6 LSTM" in "\n".join(lines)
    assert ["base", name, "as", "you", "asked"] in [line.split() for line in lines]
    assert record_of(found).base == {"name": name, "fingerprint": base.fingerprint}
    assert not [place for place in tmp_path.iterdir() if place.name not in ("shipped", "friend", "book.txt")]


BOOK = "".join(random.Random(0).choices("etaoinshrdlu \n", range(14, 0, -1), k=3000))
OTHER = BOOK + "ETAOIN SHRDLU " * 500


def install(tmp_path: Path, **bases: Base) -> None:
    """Install `bases`, and let the text be `BOOK`, which no n-gram knows by heart."""
    (tmp_path / "book.txt").write_text(BOOK)
    for name, base in bases.items():
        register(tmp_path / "site", f"afterword-{name}", **{name: f"afterword_{name}"})
        save(tmp_path / "site" / f"afterword_{name}", base)


@pytest.mark.parametrize(("better", "worse"), [("english", "german"), ("german", "english")])
def test_of_those_that_are_installed_the_one_that_suits_the_text_best_is_tried(
    planned: Planned, tmp_path: Path, better: str, worse: str
) -> None:
    bases = {better: knowing(BOOK), worse: knowing(OTHER)}
    save(FOLDERS["english"], bases["english"])
    install(tmp_path, german=bases["german"])
    reason = planned().plan.reasons["base"]
    assert reason.startswith(f"as it is, {better} lowers the cost of the n-gram alone by ")
    assert f", and it suits the text better than {worse}" in reason


def test_with_a_vocabulary_only_a_base_of_it_is_tried(planned: Planned, tmp_path: Path) -> None:
    install(tmp_path, german=knowing(BOOK))
    excluded = planned({"vocabulary": "words"}).plan.reasons["base"]
    assert excluded == "; ".join(f"{name} has its own vocabulary (char), not words" for name in ("english", "german"))
    install(tmp_path, events=base_of(SymbolTokenizer.of(BOOK, texts=[BOOK])))
    for text, tried in (({"vocabulary": "words"}, "events"), ({"vocabulary": "char"}, "german")):
        assert planned(text).plan.reasons["base"].startswith(f"as it is, {tried} lowers ")


def test_without_a_vocabulary_bases_of_all_are_compared_by_the_character_and_the_best_brings_its_tokens(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_choice, "LEAST_FROM_BASE", -1.0)
    install(tmp_path, german=knowing(OTHER), pieces=knowing(BOOK, tokenizer=SymbolTokenizer.of(BOOK, texts=[BOOK])))
    found = planned()
    assert found.plan.base is not None
    assert found.plan.base.name == "pieces"
    assert found.encoded.tokenizer.kind == "words"
    assert found.encoded.tokenizer.decode(found.encoded.training) == BOOK[: found.encoded.training_characters]
    assert found.text["vocabulary"] == "words"
    monkeypatch.setattr(base_choice, "LEAST_FROM_BASE", 1.0)
    found = planned()
    assert (found.plan.base, found.encoded.tokenizer.kind, found.text["vocabulary"]) == (None, "char", "char")
    assert "pieces lowers the cost" in found.plan.reasons["base"]


def test_a_broken_one_is_left_out_with_a_note_unless_it_is_named(planned: Planned, tmp_path: Path) -> None:
    install(tmp_path, german=knowing(BOOK), latin=base_of("\nab"))
    (tmp_path / "site" / "afterword_latin" / "tokenizer.json").write_text("{}")
    found = planned()
    assert "german lowers" in found.plan.reasons["base"]
    (told,) = (note for note in found.notes if "latin" in note)
    assert told.startswith("the base latin cannot be used, so no run starts from it: the model at ")
    assert told.endswith("take a fresh copy (reinstall the package of the base latin)")
    for base in ("none", "german"):
        assert not any("latin" in note for note in planned(base=base).notes)
    with pytest.raises(OptionError, match=r"^base: the model at .*afterword_latin is damaged"):
        planned(base="latin")


@pytest.fixture
def saving(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """What every base saves."""
    saving = Measured(cost=0.8, lstm=0.9, ngram=1.0, weight=0.5)
    monkeypatch.setattr("afterword.planning.untrained.Untrained.with_ngram", lambda *_: saving)
    return saving


def test_a_base_teaches_by_what_it_saves_unless_the_text_is_read_once_and_without_one_nothing_teaches(
    planned: Planned, saving: Measured
) -> None:
    for epochs in (1.0, 2.0):
        found = planned(steps=None, epochs=epochs)
        assert found.plan.recipe.distillation == tuning.distillation(saving.gain, epochs)[0]
        assert (found.plan.recipe.distillation > 0) == (epochs > 1)
        assert found.plan.recipe.weight_dropout == 0
        assert found.plan.reasons["distillation"]
    alone = planned(base="none")
    assert alone.plan.recipe.distillation == 0
    assert "distillation" not in alone.plan.reasons


@pytest.mark.usefixtures("saving")
def test_a_run_that_has_time_for_two_passes_at_most_has_no_teacher_and_is_faster(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = set[bool]()
    for seconds in (0.01, 0.1, 1.0, 10.0):
        step = StepTime(seconds, seconds)
        monkeypatch.setattr("afterword.planning.machine.step_time", lambda *_, step=step: step)
        found = planned(steps=None, minutes=0.1)
        recipe = found.plan.recipe
        assert recipe.most_steps is not None
        least = 0.1 * 60 * (1 - tuning.EVALUATION_SHARE) / seconds
        a_pass = len(found.encoded.training) / (recipe.batch_size * recipe.seq_length)
        assert recipe.distillation > 0 if least / TAUGHT > 2 * a_pass + 1 else recipe.distillation == 0
        assert recipe.steps == max(1, int(min(recipe.most_steps, least / (TAUGHT if recipe.distillation else 1))))
        taught.add(recipe.distillation > 0)
    assert taught == {True, False}


def test_the_one_that_suits_best_is_the_one_that_adds_most_to_the_n_gram(planned: Planned, tmp_path: Path) -> None:
    """Alone, german predicts this text better, since it also knows the half that the n-gram knows by heart."""
    letters, known = "cdefghijklmnopqrstuvwxyz", "ab" * 20 + "\n"
    draw = random.Random(0)
    held_out = [known + "".join(draw.choices(letters, k=40)) + "\n" for _ in range(60)]
    (tmp_path / "held-out.txt").write_text("".join(held_out))
    save(FOLDERS["english"], knowing("".join(held_out) + letters * 2000))
    install(tmp_path, german=knowing("".join(held_out)))
    (tmp_path / "book.txt").write_text(known * 200 + letters + "\n")
    reason = planned({"validation": str(tmp_path / "held-out.txt")}).plan.reasons["base"]
    assert "and it suits the text better than german" in reason


def corpus(place: Path, lines: bool, text: str = LINES, validation: str = "0.3") -> EncodedCorpus:
    (place / "text").write_text(text)
    (place / "corpus").mkdir(exist_ok=True)
    with read_corpus([place / "text"], TextSettings(lines=lines, validation=validation)) as read:
        return encode(read, learn_tokenizer(read, None, False), place / "corpus")


@pytest.mark.parametrize("lines", [False, True])
def test_it_costs_what_scoring_its_texts_costs_and_mixed_no_more_than_either(tmp_path: Path, lines: bool) -> None:
    encoded, of_ngram = corpus(tmp_path, lines), list[float | None]()
    ngram = learn_ngram(encoded, HIGHEST_ORDER)
    for base in BASES:
        read = Untrained.read(base, encoded, 500)
        assert read is not None
        characters = sum(map(len, read.texts)) + lines * len(read.texts)
        assert 300 < characters < 600
        measured = read.with_ngram(ngram, encoded.tokenizer)
        scores = score_lines(base.model.network(), base.model.tokenizer, read.texts)
        if not lines:
            nats = sum(score.token_nats[:-1].sum() for score in scores)  # without the end
            assert measured.lstm == pytest.approx(nats / characters, rel=1e-4)
        assert measured.ngram is not None
        assert measured.cost <= min(measured.lstm, measured.ngram) + 1e-6
        of_ngram.append(measured.ngram)
    assert of_ngram == pytest.approx([of_ngram[0]] * 2)  # whatever the tokens of the base are


def test_nothing_held_out_and_characters_that_only_the_held_out_text_has_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "held-out").write_text("☃☃ book.☃ ")
    encoded = corpus(tmp_path, lines=False, validation=str(tmp_path / "held-out"))
    read = Untrained.read(BASES[1], encoded, 500)
    assert read is not None
    assert "".join(read.texts) == " book. "
    (tmp_path / "held-out").write_text("☃")
    assert Untrained.read(BASES[1], corpus(tmp_path, False, validation=str(tmp_path / "held-out")), 500) is None
