"""How much of a word the cell states still hold, and which words are expected next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import afterword
from afterword.errors import InputError
from afterword.language_model import LanguageModel
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from tests.inspection.test_gates import made

MODEL = made()
TEXT = "Divya likes to eat. Reena is not fat."


def stretches(text: str, word: str, model: LanguageModel = MODEL, **options: Any) -> list[str]:
    return [one.text for one in afterword.keeps(model, text, word, **options).stretches]


def test_the_stretches_are_the_rest_of_the_text() -> None:
    for after, expected in {
        None: [" likes", " to", " eat", ".", " Reena", " is", " not", " fat", "."],
        ".": [" likes to eat", ".", " ", "R", "eena", " is not fat", "."],
        "eat": [" likes to ", "eat", ". Reena is not fat."],
    }.items():
        assert stretches(TEXT, "Divya", after=after, instead=["Reena"]) == expected
    of_bytes = made(CharTokenizer.of("Zo ßt."))
    assert stretches("Zoë ißt.", "Zoë", of_bytes, instead="Jörg") == [" ißt", "."]


def test_a_token_longer_than_a_stretch_loses_no_character() -> None:
    tokenizer = SymbolTokenizer.of("the nd.Iiswao", texts=["the end. It is. It was. It is so. " * 20])
    text = "the end. It is so"
    model = made(tokenizer)
    assert any(token.startswith(" I") for token in model.gates(text).tokens)
    for after in (None, "."):
        assert "".join(stretches(text, "the", model, after=after, instead=["the "])) == text.removeprefix("the")


def test_the_end_of_its_line_is_nothing_to_a_model_of_lines() -> None:
    model = made(lines=True)
    whole, without = (afterword.keeps(model, text, "Divya", instead=["Reena"]) for text in (TEXT + "\n", TEXT))
    assert whole == without
    with pytest.raises(InputError, match="the text ends with 'Divya'"):
        afterword.keeps(model, "Divya\n", "Divya", instead=["Reena"])


def test_what_is_held_is_the_distance_from_the_same_text_about_others() -> None:
    found = afterword.keeps(MODEL, TEXT, "Divya", instead=["Reena", "Dia"])
    n = len(TEXT) - len("Divya")
    here, *there = (MODEL.gates(TEXT.replace("Divya", name)) for name in ("Divya", "Reena", "Dia"))
    apart = sum(np.square(here.cell[-n:] - other.cell[-n:], dtype=float).sum(axis=(1, 2)) for other in there)
    ends = np.cumsum([len(one.text) for one in found.stretches]) - 1
    np.testing.assert_allclose([one.held for one in found.stretches], np.sqrt(apart / np.max(apart))[ends], rtol=1e-6)


def test_the_gates_are_weighted_by_what_their_cells_hold_of_the_word() -> None:
    found = afterword.keeps(MODEL, TEXT, "Divya", instead=["Reena"])
    here, there = (MODEL.gates(TEXT.replace("Divya", name)) for name in ("Divya", "Reena"))
    before, apart = (np.square(getattr(here, s) - getattr(there, s), dtype=float) for s in ("before", "cell"))
    first = slice(5, 11)  # " likes"
    for gate, weights in (("forget", before[first]), ("input", apart[first]), ("output", apart[first])):
        values = getattr(here, gate)[first].astype(float)
        expected = ((weights * values).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))).mean()
        assert getattr(found.stretches[0], f"{gate}_where_held") == pytest.approx(expected)
        assert getattr(found.stretches[0], gate) == pytest.approx(values.mean())
        held = apart[4] / apart[4].sum()  # what is held after the word
        expected = (held * getattr(here, gate)[:5].astype(float)).sum(axis=(1, 2)).mean()
        assert getattr(found.at_word, f"{gate}_where_held") == pytest.approx(expected)
    assert found.at_word.text == "Divya"
    assert found.rows()[0][-1] == "'Divya'"
    assert {"at_word", "stretches"} <= set(found.to_dict())


def test_a_bracket_is_a_word_too_and_characters_are_expected_after_it() -> None:
    model = made(CharTokenizer.of("ab <[>]"))
    found = afterword.keeps(model, "ab<ab ab> a", "<", instead="[")
    assert found.at_word.text == "<"
    assert found.instead == ["["]
    assert set(found.expected) <= {*"ab <[>]", "<byte>", "<|end|>"}
    assert found.expected["<"] > 0
