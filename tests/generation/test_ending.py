from __future__ import annotations

from copy import copy
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.generation.ending import BEYOND, Ending, Goal
from afterword.language_model import LanguageModel
from afterword.model.folder.defaults import LINES, WINDOWS
from afterword.text.characters import CharTokenizer
from afterword.text.sentences import sentence_ends, stops
from tests.generation.judging import Judge
from tests.generation.test_continuation import model
from tests.text.test_unwrap import texts


def of_text(characters: str) -> LanguageModel:
    """A model of running text, whose last two rows are never seen."""
    tokenizer = CharTokenizer.of(characters)
    return LanguageModel(model(tokenizer, [tokenizer.rows - 2, tokenizer.rows - 1], scale=0.3, num_layers=1))


PROSE = of_text("\n .?abcAB")
ENDLESS = of_text("\n abcAB")  # verse without stops


def pushed(ending: Ending, parts: list[str]) -> tuple[str, str | None]:
    """Return what comes of a text in `parts`, one a token, and what ended it."""
    whole = ""
    for number, part in enumerate(parts, start=1):
        text, reason = ending.push(part, number)
        whole += text
        if reason:
            return whole, reason
    return whole + ending.finish(), None


@given(texts, st.lists(texts, max_size=10), st.integers(1, 4))
def test_a_text_in_any_parts_is_cut_where_the_whole_one_would_be(prompt: str, parts: list[str], number: int) -> None:
    parts = [*parts, "\n\n", "Then"]
    whole = prompt + "".join(parts)
    ends = [stop.end for stop in stops(whole, len(prompt)) if stop.is_end]
    text, reason = pushed(Ending(Goal(number, 1000, False, True), prompt), parts)
    assert prompt + text == (whole if len(ends) < number else whole[: ends[number - 1]])
    assert reason == (None if len(ends) < number else "stop")


@given(st.randoms(use_true_random=True), st.integers(1, 150))
def test_a_text_that_finishes_its_sentence_ends_at_the_first_end_after_its_length(random: Random, most: int) -> None:
    parts = random.choices(["Ab", "a b", "c. ", "Da! ", "\n"], k=1500)
    text, reason = pushed(Ending(Goal(0, most, True, True), ""), parts)
    whole, least = "".join(parts), len("".join(parts[: most - 1]))
    assert whole.startswith(text)
    assert least < len(text) <= least + BEYOND
    ends = [end for end in sentence_ends(whole) if end > least]
    if reason == "stop":
        assert len(text) == ends[0]
    else:  # no sentence ends nearby: the text ends before a space, if there is one
        assert reason == "length"
        assert len(text) == least + BEYOND or whole[len(text)].isspace()
        assert ends == [] or ends[0] > least + BEYOND - 50


@given(st.lists(st.sampled_from(["Ab", "c. ", "Da! ", "\n"]), max_size=40), st.integers(0, 40))
def test_a_copy_of_an_ending_is_independent(parts: list[str], at: int) -> None:
    ending = Ending(Goal(3, 20, True, True), "")
    for number, part in enumerate(parts[:at], start=1):
        ending.push(part, number)
    other = copy(ending)
    expected = [ending.push(part, at + k) for k, part in enumerate(parts[at:], start=1)]
    assert [other.push(part, at + k) for k, part in enumerate(parts[at:], start=1)] == expected


def test_without_a_length_only_running_text_finishes_its_sentence_and_a_given_length_is_exact() -> None:
    for seed in range(2):
        exact, sample = PROSE.generate(max_tokens=500, seed=seed), PROSE.generate(seed=seed)
        assert (exact.tokens, exact.finish_reason, sample.finish_reason) == (500, "length", "stop")
        assert sample.text.startswith(exact.text)
        assert sample.text[-1] in ".?"
        assert str(PROSE.generate(seed=seed, finish_sentence=False)) == str(exact)
        assert str(PROSE.generate(seed=seed, max_tokens=500, finish_sentence=True)) == str(sample)
    for defaults in (LINES, replace(WINDOWS, opening="boundary", max_tokens=500)):
        other = LanguageModel(replace(PROSE.saved, writing=defaults))
        assert other.generate(seed=1) == other.generate(seed=1, max_tokens=500)
        assert other.generate(seed=1).tokens == 500


def test_verse_without_stops_ends_with_a_line_or_a_word() -> None:
    sample = ENDLESS.generate(seed=1)
    assert sample.finish_reason == "length"
    assert 1249 <= len(sample.text) <= 1300
    assert ENDLESS.generate(seed=1, max_tokens=2000).text[len(sample.text)].isspace()
    ruled = ENDLESS.generate(seed=1, contains="cab")
    assert ruled.finish_reason == "length"
    assert 1249 <= len(ruled.text) <= 1300
    # and without spaces, 800 characters after its length
    assert pushed(Ending(Goal(0, 10, True, True), ""), ["a"] * 900) == ("a" * 809, "length")


def test_sentences_combine_with_a_largest_length_and_stop_strings() -> None:
    free, long = (PROSE.generate("A", sentences=number, seed=1) for number in (1, 5))
    assert long.text.startswith(free.text)
    assert len(sentence_ends("A" + long.text)) == 5
    short = PROSE.generate("A", sentences=50, max_tokens=20, seed=1)
    assert (len(short.text), short.finish_reason) == (20, "length")
    stop = long.text[len(free.text) + 2 :][:3]
    stopped = PROSE.generate("A", sentences=30, stop=stop, seed=1)
    assert (stopped.text, stopped.finish_reason) == (long.text[: long.text.find(stop)], "stop")


RULES: list[dict[str, Any]] = [
    {},
    {"contains": "cab"},
    {"starts_with": "Ba. "},
    {"contains": ("cab", "abba"), "only": "\n .?abcA", "starts_with": "A"},
]


def obeys(text: str, rule: dict[str, Any]) -> bool:
    return not Judge().broken(rule, "", text)


@pytest.mark.parametrize("rule", RULES)
def test_a_text_with_a_rule_ends_where_one_without_would_once_it_obeys(rule: dict[str, Any]) -> None:
    sample = PROSE.generate(seed=1, **rule)  # with the first sentence after its length
    assert obeys(sample.text, rule)
    assert sample.finish_reason == "stop"
    assert [end for end in sentence_ends(sample.text) if end >= 500] == [len(sample.text)]
    for two in PROSE.samples(num=2, seed=1, sentences=2, **rule):
        ends = sentence_ends(two.text)
        assert obeys(two.text, rule)
        assert ends[-1:] == [len(two.text)]
        assert len(ends) == 2 or not obeys(two.text[: ends[-2]], rule)
        assert two.text == PROSE.generate(seed=two.seed, sentences=2, **rule).text
    for most in (0, 50):
        cut = PROSE.generate(seed=1, max_tokens=60, sentences=most, **rule)
        assert (len(cut.text), cut.finish_reason, obeys(cut.text, rule)) == (60, "length", True)
    finished = PROSE.generate(seed=1, max_tokens=60, finish_sentence=True, **rule)
    assert sentence_ends(finished.text)[-1] == len(finished.text) >= 60


def test_a_pattern_decides_itself_where_a_text_ends_and_sentences_end_where_it_matches() -> None:
    assert len(PROSE.generate(pattern="[abAB .?\n]*", seed=1).text) == 500
    for seed in range(5):
        text = PROSE.generate(pattern="A(b{5,9}[.] A)*b{5,9}[.]", sentences=2, seed=seed, temperature=2).text
        assert sentence_ends(text)[1:] == [len(text)]
        assert obeys(text, {"pattern": "A(b{5,9}[.] A)*b{5,9}[.]"})
