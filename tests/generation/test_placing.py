"""Laws of what --contains places: between word boundaries, by the seed alone, where the model finds it likely."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import create_autospec

import pytest

from afterword.errors import OptionError
from afterword.generation import rules
from afterword.generation.rules import contained
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import load
from afterword.model.network.network import Network
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.generation.test_continuation import model
from tests.generation.test_rules import write

pytest.importorskip("llguidance")

CHAR = CharTokenizer.of("abc .")
WORDS = SymbolTokenizer.of("abc .", texts=["abab cab abc. " * 20])


@pytest.mark.parametrize("tokenizer", [CHAR, WORDS])
def test_words_are_contained_between_word_boundaries_by_few_and_by_many(tokenizer: Tokenizer) -> None:
    words = ("ab", "cab")
    sampling = Sampling(contains=words, only="abc .", max_tokens=40, temperature=1, min_p=0, repetition_penalty=1)
    for text, _ in write(tokenizer, [], sampling, range(6), "b"):
        assert len(text) <= 40
        for word in words:
            assert re.search(rf"(?<!\w){word}(?!\w)", "b" + text), text


def test_words_do_not_wait_for_the_end_of_a_text() -> None:
    writer = load("english").writer(Sampling(contains=("Yoricke",), max_tokens=60))
    places = [sample.text.index("Yoricke") for sample in writer.samples([None], 16, 0)]
    assert min(places) < 40 < max(places)  # of four in ten and one in two: other rounding changes which
    assert sum(place > 50 for place in places) < 10  # of one in five


def test_the_automaton_does_not_grow_with_the_words_that_a_text_contains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "MOST_STATES", 2000)
    writer = load("english").writer(Sampling(contains=("dragon", "Yoricke"), max_tokens=80))
    assert all(contained("dragon", sample.text) for sample in writer.samples([None], 6, 0))


def test_what_begins_and_ends_a_word_is_between_words_alone() -> None:
    assert not contained("dragon", "badragon dragons a_dragon")
    assert not contained("dragon", "dragon", before="a")
    assert contained("dragon", "dragon", before=" ")
    assert contained("dragon", "dragons, a dragon.")
    assert contained("...", "well...so")
    assert contained("中", "文中文")
    assert not contained("can", "can't can’t", before="'")
    assert contained("avion", "l'avion")
    assert contained("dragon", "'dragon' dragon'")


@pytest.mark.parametrize("temperature", [1, 0])
def test_a_contained_word_does_not_go_on_after_an_apostrophe(temperature: float) -> None:
    saved = model(CharTokenizer.of("abc '’."), [], scale=0.3)
    sampling = Sampling(contains=("cab",), max_tokens=40, temperature=temperature, min_p=0, repetition_penalty=1)
    for sample in Writer(saved, saved.network(), sampling).samples([None], 30, 0):
        assert re.search(r"(?<!\w)cab(?!['’]?\w)", sample.text), sample.text


def writer_of(**given: Any) -> Writer:
    saved = model(CHAR, [], scale=0.3)
    return Writer(saved, saved.network(), Sampling(temperature=1, min_p=0, repetition_penalty=1, **given))


@pytest.mark.parametrize(
    "given",
    [
        {"contains": ("ab", "cab"), "max_tokens": 6},
        {"contains": "cab", "max_tokens": 20, "pattern": "[abc]+ [abc]+[.]"},
        {"contains": "cab", "max_tokens": 20, "starts_with": "ab"},
        {"contains": "cab", "max_tokens": 20, "pattern": "[^ ]*"},
        {"contains": "cab", "max_tokens": 3, "only": "abc"},
    ],
)
def test_no_word_is_glued_where_little_room_or_another_rule_leaves_few_places(given: dict[str, Any]) -> None:
    for sample in writer_of(**given).samples([None], 20, 0):
        assert all(contained(word, sample.text) for word in writer_of(**given).policy.contained), sample.text
        assert len(sample.text) <= given["max_tokens"]


@pytest.mark.parametrize(
    "given",
    [
        {"contains": ("ab", "cab"), "max_tokens": 5},
        {"contains": "cab", "max_tokens": 20, "pattern": "[abc]{5}"},
        {"contains": "cab", "max_tokens": 20, "starts_with": "ab", "pattern": "[^ .]*"},
    ],
)
def test_a_word_without_a_place_is_refused_before_anything_is_written(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="no place between words was found for"):
        next(writer_of(**given).stream("", 0))


def test_a_seed_writes_what_it_writes_alone_and_temperature_0_ignores_it() -> None:
    given = {"contains": "cab", "max_tokens": 60}
    seeds = [writer_of(**given).stream(None, seed).sample().text for seed in (1, 2)]
    assert [one.text for one in writer_of(**given).samples([None], 2, 1)] == seeds
    cold = Sampling(contains=("cab",), max_tokens=60, temperature=0)
    saved = model(CHAR, [], scale=0.3)
    assert len({Writer(saved, saved.network(), cold).stream(None, seed).sample().text for seed in range(4)}) == 1


def test_a_place_takes_at_most_five_times_the_steps_of_a_free_text(monkeypatch: pytest.MonkeyPatch) -> None:
    step = create_autospec(Network.step, side_effect=Network.step)
    monkeypatch.setattr(Network, "step", step)
    list(load("english").samples(num=2, seed=0, contains="dragon"))
    assert sum(len(call.args[1]) for call in step.call_args_list) < 5 * 2 * 500
