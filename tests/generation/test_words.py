"""Laws of new words: what the training text contains is known, and nothing else."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword import train
from afterword.generation.sampling import Sampling, keep_known
from afterword.generation.words import Words, recur
from afterword.generation.writer import Writer
from afterword.model.folder.defaults import LINES, PROSE, RECURRING_WORDS, RUNNING_TEXT, WritingDefaults
from afterword.model.ngram.tables import Ngram
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.generation.test_continuation import model

ORDER = 8
ALPHABET = " .\nabcé"
TOKENIZERS = [
    CharTokenizer.of(ALPHABET),
    SymbolTokenizer.of(ALPHABET, texts=["abé bcé. cab\nabc bcé abé"]),
]


def counted(tokenizer: Tokenizer, text: str) -> Ngram:
    ids = tokenizer.encode(text)
    assert tokenizer.end is not None
    return Ngram.learn(ids, tokenizer.rows, tokenizer.end, int(tokenizer.encode("\n")[0]), ORDER)


def words_in(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


@given(st.sampled_from(TOKENIZERS), st.text(ALPHABET, min_size=1, max_size=60))
def test_a_text_contains_no_new_word_of_its_own(tokenizer: Tokenizer, text: str) -> None:
    words = Words(counted(tokenizer, text), tokenizer)
    word = words.after("")
    for id in tokenizer.encode(text).tolist():
        assert words.known(word)[id]
        word = words.pushed(word, id)


@given(st.lists(st.text("abcé", min_size=1, max_size=ORDER - 2), min_size=1, max_size=12), st.text("abcé", max_size=6))
def test_a_word_is_known_by_all_of_it(listed: list[str], beginning: str) -> None:
    tokenizer = TOKENIZERS[0]
    words = Words(counted(tokenizer, " " + " ".join(listed) + " "), tokenizer)
    for mark in (" ", ".", "\n"):  # what is before a word does not matter
        known = words.known(words.after(mark + beginning))
        for letter in "abcé":
            begins = any(one.startswith(beginning + letter) for one in listed)
            assert known[tokenizer.encode(letter)[0]] == begins
        for end in (" ", ".", "\n"):
            assert known[tokenizer.encode(end)[0]] == (beginning in ["", *listed])
        assert known[tokenizer.end] == known[tokenizer.encode(" ")[0]]


def test_none_is_new_where_words_are_not_parted_and_after_tokens_that_no_word_has_in_a_row() -> None:
    tokenizer = CharTokenizer.of("文字書く。")
    words = Words(counted(tokenizer, "文字。書く。"), tokenizer)
    assert words.known(words.after("文")).all()
    tokenizer = TOKENIZERS[1]
    words = Words(counted(tokenizer, "abé bcé. cab"), tokenizer)
    letters = [int(tokenizer.encode(letter)[0]) for letter in "cbcbcb"]  # as a rule may force them
    assert words.known(words.after("", letters)).all()


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=2, max_size=6).filter(any),
    st.integers(0, 63),
    st.floats(0, 1),
)
def test_a_new_word_needs_its_probability_or_is_all_that_is_left(some: list[float], bits: int, p: float) -> None:
    weights = np.array(some)
    known = np.array([bool(bits >> k & 1) for k in range(len(some))])
    expected = [w if k or w >= p * sum(some) else 0 for w, k in zip(some, known, strict=True)]
    if not any(expected):
        expected = [w if w == max(some) else 0 for w in some]
    assert keep_known(weights, known, p).tolist() == expected
    rows = keep_known(np.array([weights, weights]), np.array([known, ~known & False]), p)
    assert rows[0].tolist() == expected


IN_CAPITALS = CharTokenizer.of(" .\nABCabc")
CAPITALS = counted(IN_CAPITALS, "abc ABC CAB. Bca abc CA\nabc Cab B.\n" * 3)


def test_words_in_capitals_are_those_of_the_text() -> None:
    words = Words(CAPITALS, IN_CAPITALS)

    def left(beginning: str) -> str:
        logits = np.zeros(IN_CAPITALS.rows)
        words.keep_capitals(words.after(" " + beginning), logits)
        return "".join(letter for letter in "ABCabc. " if logits[IN_CAPITALS.encode(letter)[0]] == 0)

    for beginning, letters in (("A", "Babc. "), ("C", "Aabc. "), ("AB", "C"), ("CA", "B. ")):
        assert left(beginning) == letters
    for beginning in ("", "a", "Bc", "BC"):  # "Bc" is no longer in capitals; "BC" can come only from a prompt
        assert left(beginning) == "ABCabc. "


def test_a_text_has_new_words_in_capitals_only_where_nothing_else_is_left() -> None:
    assert IN_CAPITALS.end is not None
    saved = dataclasses.replace(model(IN_CAPITALS, [IN_CAPITALS.end]), ngram=CAPITALS, mixture_weight=0.1)

    def in_capitals(**settings: Any) -> set[str]:
        sampling = Sampling(max_tokens=500, temperature=1.5, min_p=0, new_word_p=1e-9, **settings)
        written = words_in(Writer(saved, saved.predictor(), sampling).stream("a", 1).sample().text)[1:-1]
        return {word for word in written if word.isupper() and len(word) > 1}

    assert in_capitals(only="ABC ") == {"ABC", "CAB", "CA"}
    assert in_capitals(pattern="(BB )+") == {"BB"}


def test_words_recur_if_few_occur_once() -> None:
    assert recur("the cat and the dog and the cat " * 20)
    for text in ("Ann Bob Carl Dora Emil", "(a) = 1; (b) = 2; " * 20, "文字。書く。" * 20, ""):
        assert not recur(text)  # names, more marks than words, no words


def test_a_run_chooses_by_the_words_of_its_text(tmp_path: Path) -> None:
    def defaults(text: str, **options: Any) -> WritingDefaults:
        (tmp_path / "text.txt").write_text(text)
        return train(tmp_path / "text.txt", steps=1, hidden_size=4, base="none", **options).saved.writing

    verse = "the cat and the dog saw the cat.\nthe dog saw the dog and the cat.\n" * 20
    words = random.Random(0).choices([f"{a}{b}{c}" for a in "bdg" for b in "aeiou" for c in "lmnr"], k=1600)
    paragraphs = "\n".join(" ".join(words[at : at + 40]) + "." for at in range(0, len(words), 40))
    names = "".join(chr(97 + k % 26) * (k // 26 + 1) + "\n" for k in range(200))
    for found, expected in (
        (defaults(paragraphs), PROSE),
        (defaults(paragraphs.replace(" ", "\n")), RECURRING_WORDS),
        (defaults(verse), RECURRING_WORDS),
        (defaults(paragraphs[:400].replace("\n", " ") * 20), RECURRING_WORDS),
        (defaults(names), RUNNING_TEXT),
        (defaults(paragraphs, ngram=0), RUNNING_TEXT),
    ):
        assert dataclasses.replace(found, repetition_penalty=expected.repetition_penalty) == expected
    assert defaults(verse, lines=True) == LINES
    of_symbols = defaults(verse, vocabulary="words")  # a symbol for about four characters
    assert of_symbols.max_tokens == pytest.approx(RUNNING_TEXT.max_tokens / 3.8, rel=0.05)
