"""Whatever speaks of characters does so with tokens of one character and of several."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from afterword.generation.copying import find_copies
from afterword.language_model import LanguageModel
from afterword.operations.train import train

WORDS = re.findall(r"\w+", "the cat and dog saw small house by old river when it was late")
LINES = [" ".join(words).capitalize() + "." for words in np.random.default_rng(0).choice(WORDS, (300, 7))]
TEXT, FRESH = "\n".join(LINES), "the old dog was late.\nthe river saw ☃ house when zoë was small."
VOCABULARIES = ("char", "words")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LanguageModel]:
    """Models of running text, of lines and of labelled lines, by "text", "lines" and "labels" and their vocabulary."""
    place = tmp_path_factory.mktemp("texts")
    (place / "text").write_text(TEXT)
    (place / "labels").write_text("\n".join(f"{'odd' if 'cat' in line else 'even'}\t{line}" for line in LINES))
    found = {}
    for vocabulary in VOCABULARIES:
        for kind, options in (("text", {}), ("lines", {"lines": True}), ("labels", {"labels": True})):
            source = place / ("labels" if kind == "labels" else "text")
            run = place / f"{kind} {vocabulary[:3]}"
            asked: dict[str, Any] = {"base": "none", "steps": 20, "hidden_size": 16, "threads": 1, **options}
            found[f"{kind} {vocabulary}"] = train(source, out=run, vocabulary=vocabulary, **asked)
    return found


RULES: list[tuple[dict[str, Any], Callable[[str], object]]] = [  # others: tests/generation/test_rules.py
    ({"stop": "dog"}, lambda text: "dog" not in text),
    ({"no_copy": 20, "max_tokens": 60}, lambda text: len(find_copies([text], TEXT).longest) <= 20),
    ({"sentences": 2}, lambda text: len(re.findall(r"[.]", text)) == 2),
    ({}, lambda text: 400 <= len(text) <= 760),
]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_text_obeys_its_rules(models: dict[str, LanguageModel], vocabulary: str) -> None:
    for options, obeys in RULES:
        for seed in range(3):
            text = models[f"text {vocabulary}"].generate(seed=seed, **options).text
            assert obeys(text), (options, text)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_each_character_or_symbol_has_a_cost(models: dict[str, LanguageModel], vocabulary: str) -> None:
    model = models[f"text {vocabulary}"]
    found = list(model.surprises(FRESH))
    assert "".join(one.text for one in found) == FRESH
    assert sum(one.bits for one in found) == pytest.approx(model.score(FRESH).bits)
    assert vocabulary == "words" or all(len(text) == 1 for one in found for text, _ in one.alternatives)
    assert model.adapting().score(FRESH).characters == len(FRESH)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_lines_are_written_and_labelled(models: dict[str, LanguageModel], vocabulary: str) -> None:
    lines = models[f"lines {vocabulary}"]
    assert lines.generate("The ol", seed=1).text.startswith("d")
    labels = models[f"labels {vocabulary}"]
    assert sum(sum(one.probabilities.values()) for one in labels.classify(LINES[:9])) == pytest.approx(9)
    assert "\t" not in labels.generate(label="odd", temperature=0).text
