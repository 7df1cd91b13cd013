"""A model of joined prose reads texts as its own text was read; its run and its folder remember that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.language_model import LanguageModel
from afterword.planning.training_plan import TrainingSettings
from afterword.runs import begin, resume
from afterword.runs.folder import RunFolder
from afterword.text.corpus import TextSettings
from tests.runs.test_run import finish
from tests.text.test_unwrap import VERSE, paragraphs, wrapped

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
    return finish(begin.begin([book], book.parent / name, text, SMALL)).folder.path


def test_run_and_model_record_what_was_decided_and_are_those_of_the_joined_text(run: Path, book: Path) -> None:
    assert RunFolder(run).read_record().text["unwrap"] == "yes"
    model = afterword.load(run)
    assert model.unwraps
    joined = wrapped(NOVEL).count("\n") - NOVEL.count("\n")
    assert model.about["unwrapped"] == model.info()["unwrapped"] == joined
    for name, text, lines in (("novel", wrapped(NOVEL), joined), ("poem", f"{VERSE}\n\n" * 40, None)):
        (place := book.with_name(f"{name}.txt")).write_text(text, encoding="utf-8")
        assert afterword.plan([place], steps=4, base="none", threads=1).text["unwrapped"] == lines
    book.with_name("plain.txt").write_text(NOVEL, encoding="utf-8")
    other = trained(book.with_name("plain.txt"), "plain")
    assert not afterword.load(other).unwraps
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
    again = resume.resume(run, {}, [book])
    assert again.encoded.unwrapped
    assert begin.repeat(run, book.parent / "again").encoded.unwrapped == again.encoded.unwrapped


def test_a_run_and_a_model_from_before_read_every_text_as_it_is(run: Path, book: Path) -> None:
    kept = trained(book, "before", TextSettings(unwrap="no"))
    assert RunFolder(kept).read_record().fingerprint != RunFolder(run).read_record().fingerprint
    record, corpus = (json.loads((kept / name).read_text()) for name in ("run.json", "corpus/corpus.json"))
    del record["text"]["unwrap"], record["asked"]["unwrap"], corpus["unwrapped"]
    (kept / "run.json").write_text(json.dumps(record))
    (kept / "corpus" / "corpus.json").write_text(json.dumps(corpus))
    assert resume.resume(kept, {}, [book]).encoded.unwrapped is None
    assert not LanguageModel.load(kept).unwraps
