"""Laws of a voice: what a text costs the base beyond the model, and its place among the writer's own passages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from afterword.model.ngram.tables import Ngram
from afterword.scoring.costs import Score
from afterword.settings import ignore_progress
from afterword.text.characters import CharTokenizer
from afterword.wings.voice import own_voice as module
from afterword.wings.voice.own_voice import MOST_BITS, Gains, OwnVoice, Span, lstm_bits, ngram_bits

OWN = "".join(f"We saw {'o' * (k % 7)} and {'e' * (k % 5)} there. " for k in range(40))


class Costing:
    """A model that each character costs `nats`, and each of the characters `cheap` half a nat less."""

    def __init__(self, nats: float, cheap: str = "") -> None:
        self.tokenizer = CharTokenizer.of("abc")
        self.nats, self.cheap = nats, cheap

    def score(self, text: str, *, on_progress: Any = None, after: Score | None = None) -> Score:
        costs = np.array([self.nats - 0.5 * (text[place] in self.cheap) for place in self.tokenizer.starts(text)])
        return Score(costs, len(text), len(text.encode()))

    def score_lines(self, lines: Any, *, on_progress: Any = None) -> Any:
        raise NotImplementedError


def voice(own: str = OWN) -> OwnVoice:
    return OwnVoice(Costing(2, cheap="o"), Costing(2), None, own, "", ignore_progress)


def test_gains_are_the_bits_that_the_base_costs_beyond_the_model() -> None:
    heard = voice().hear("ok noo\nno")
    assert heard.bits * math.log(2) == pytest.approx([0.5, 0, 0, 0, 0.5, 0.5, 0, 0, 0.5])
    assert heard.counted.tolist() == [True] * 6 + [False] + [True] * 2
    assert heard.gain == pytest.approx(2 / 8 / math.log(2))
    bits = lstm_bits(np.array([0, 90, 1.0]), np.array([90, 0, 1.0]))
    assert bits.tolist() == [MOST_BITS, -MOST_BITS, 0]  # no character counts for more


def test_names_within_a_sentence_do_not_count_and_others_do() -> None:
    text = 'Then Mr. Bob and I met Ann\'s friend Zoë, but "Tom" stayed. Paul left. Why? He saw J. Lee.'
    counted = Gains.of(text, np.ones(len(text))).counted
    names = "".join(c if is_counted else "_" for c, is_counted in zip(text, counted, strict=True))
    assert names == 'Then __. ___ and I met _____ friend ___, but "Tom" stayed. Paul left. Why? He saw _. ___.'


def test_a_phrase_of_the_writer_counts_a_little_by_its_ngram() -> None:
    tokenizer = CharTokenizer.of("abc")
    rows = np.minimum(tokenizer.encode("abcbc" * 20 + "aé"), 5)
    ngram = Ngram.learn(rows, 6, boundary=5, start=0)
    text, base = "abcbécc", np.full(7, 2 * math.log(2))
    found = ngram_bits(text, ngram, tokenizer, base)
    assert 0 < found[0] < found[1] < found[2] < found[3] < module.NGRAM * module.MOST_NGRAM_BITS
    assert found[-1] < 0  # "cc" is not in its text
    own = "".join(f"Bcabc bcabc {'abc' * (k % 3)}. " for k in range(30))
    heard = OwnVoice(Costing(2), Costing(2), ngram, own, "", ignore_progress)
    assert heard.own.gain == pytest.approx(0, abs=1e-9)  # what it costs the n-gram is usual
    assert heard.hear("abcabc").gain > heard.hear("accacc").gain


def test_sentences_are_those_of_paragraphs_and_cover_all_that_counts() -> None:
    text = "  One is here. Two\nis there.\n\n\nThree?  \n \n\n"
    heard = Gains.of(text, np.zeros(len(text)))
    assert [text[slice(*one)] for one, _ in heard.paragraphs] == ["One is here. Two\nis there.", "Three?"]
    assert [text[slice(*one)] for one in heard.sentences] == ["One is here.", "Two\nis there.", "Three?"]
    lines = Gains.of("One.\nTwo\n", np.zeros(9))
    assert lines.paragraphs == [(one, [one]) for one in (Span(0, 4), Span(5, 8))]


def test_a_place_grows_with_the_gain_from_none_to_all_among_stretches_of_like_length() -> None:
    one = voice()
    places = [one.place(bits, 30) for bits in np.linspace(-1, 60, 30)]
    assert (places[0], places[-1]) == (0, 1)
    assert places == sorted(places)
    for length in (1, 20, 100, 500, 5000):  # the median of one's own passages of that length is in the middle
        gains = [one.place(bits, length) for bits in one.own.gain * length * np.linspace(0.5, 1.5, 101)]
        assert min(abs(place - 0.5) for place in gains) < 0.15
    assert one.place(one.own.gain * 500 * 1.2, 500) > one.place(one.own.gain * 20 * 1.2, 20)  # it varies less there


def test_the_phrase_moves_a_sentence_farthest() -> None:
    one, text = voice(), "we went to look for good old oolong there"
    heard, whole = one.hear(text), Span(0, len(text))
    assert heard.phrase(whole, usual=0.0) == "for good old oolong"
    assert heard.phrase(whole, usual=2.0) == "good old oolong there"
    assert heard.phrase(Span(2, 3), usual=0.0) == ""
