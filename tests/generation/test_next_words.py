"""Laws of the next words: their probabilities are those of their characters, and the likeliest are found."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.generation import next_words
from afterword.generation.prefill import Reading
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.model.arrays import Array
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import State, log_probabilities
from afterword.text.characters import CharTokenizer
from tests.generation.test_continuation import model
from tests.generation.test_prefill import MIXED, OF_LINES, RUNNING

WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")
CHAR = CharTokenizer.of("\n ,ab")
CHARACTERS = model(CHAR, [CHAR.end or 0, CHAR.rows - 1], scale=0.7)
KINDS = {
    "characters": CHARACTERS,
    "lines": dataclasses.replace(CHARACTERS, unseen=[0, CHAR.rows - 1]),
    "symbols": RUNNING,
    "symbols of lines": OF_LINES,
    "mixed": MIXED,
}


def writer(saved: SavedModel) -> Writer:
    return Writer(saved, saved.predictor(), Sampling())


def obvious(reading: Reading, saved: SavedModel, letters: str, least: float) -> dict[str, float]:
    """Return the probability of each word as likely as `least`, after a prompt that ends in `letters`."""
    found, tokenizer = defaultdict[str, float](float), saved.tokenizer

    def walk(text: str, probability: float, logits: Array, state: State, rest: str) -> None:
        for row, after in enumerate(np.exp(log_probabilities(logits)[0])[: tokenizer.own_rows].tolist()):
            token, is_end = tokenizer.texts[row][len(rest) :], row == tokenizer.end
            longer = text + token + "\n" * is_end
            word = WORD.match(letters + longer)
            if word and word.end() == len(letters):
                word = WORD.match(letters + longer, len(letters))
            if word and word.end() < len(letters + longer):
                found[longer[: word.end() - len(letters)]] += probability * after
            elif not is_end and probability * after > least:
                walk(longer, probability * after, *reading.network.step(np.array([row]), state), "")

    for one in reading.each:
        walk("", 1.0, one.logits, one.state, one.rest)
    return found


@pytest.mark.parametrize("kind", [*KINDS])
@pytest.mark.parametrize(("prompt", "letters"), [("", ""), ("ab", "ab"), ("a b", "b"), ("ab ", ""), ("a\n", "")])
def test_the_likeliest_words_are_found_with_their_probabilities(kind: str, prompt: str, letters: str) -> None:
    saved, ours = KINDS[kind], writer(KINDS[kind])
    found = ours.next_words(prompt, 5)
    expected = obvious(ours.read(prompt), saved, letters, found[-1].probability / 20)
    for one in found:
        assert one.probability == pytest.approx(expected[one.text], rel=0.1)
    assert [one.text for one in found] == sorted(expected, key=lambda text: -expected[text])[:5]


@pytest.mark.parametrize(
    ("prompt", "following", "word"),
    [
        ("The lit", "tle dog", "tle"),
        ("the man", " was ", " was"),
        ("the man", ", who", ","),
        ("the man", "\n\n  And so", "\n\n  And"),
        ("“", "well-known", "well"),
        ("he said", '."\n', '."'),
        ("I don", "'t go", "'t"),
        ("I don'", "t go", "t"),
        ("I don’", "t’ go", "t"),
        ("the man", "' said", "'"),
        ("the man", "''s", "''"),
        ("the man'", "' said", "'"),
        ("the ", "dogs' tails", "dogs"),
        ("the ", "dog's tail", "dog's"),
        ("the ", "'tis", "'"),
        ("a", "é b", "é"),
        ("a ", "été, ", "été"),
        ("它", "是的", "是"),
        ("x", " 42%", " 42"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_a_word_ends_where_a_reader_sees_its_end(prompt: str, following: str, word: str, at_once: int) -> None:
    begun = next_words.BEGUN.search(prompt)
    start = begun[0] if begun else ""
    tail = next_words._Tail(start, len(start))
    for at in range(0, len(following), at_once):
        end, tail = next_words._after(tail, following[at : at + at_once])
        if end is not None:
            assert following[: at + end] == word
            return
    pytest.fail("no end was found")


def test_a_text_without_words_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_words, "MOST_STEPS", 2)
    letters = CharTokenizer.of("abcdefgh")
    saved = model(letters, [letters.rows - 2, letters.rows - 1])
    bias = np.array([0.0] * (letters.rows - 2) + [-99.0] * 2, np.float32)  # without an end
    assert writer(dataclasses.replace(saved, weights={**saved.weights, "output.bias": bias})).next_words("ab") == []


def test_the_number_of_words_is_at_least_one() -> None:
    assert len(writer(CHARACTERS).next_words("a", 3)) == 3
    with pytest.raises(OptionError, match="number= must be 1 or more, not 0"):
        writer(CHARACTERS).next_words("a", 0)
