"""Law of pairs: two rules both hold in every text, or they exclude each other, which is said at once and names both."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from afterword.errors import OptionError
from afterword.generation.copying import Passages
from afterword.generation.prefill import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.model.folder.defaults import LINES
from afterword.text.characters import CharTokenizer
from benchmarks.rules import Judge, pairs, tried
from tests.generation.test_continuation import model
from tests.generation.test_words import counted

pytest.importorskip("llguidance")

TOKENIZER = CharTokenizer.of("\n\t .ABCabcd")
GIVEN: dict[str, dict[str, Any]] = {
    "pattern": {"pattern": "(?s:[^d]*)"},
    "only": {"only": "abcAC .\t"},
    "starts_with": {"starts_with": "ab"},
    "contains": {"contains": "ab"},
    "no_copy": {"no_copy": 4},
    "words": {"new_word_p": 1.0},
    "label": {"label": "abc"},
    "best_of": {"best_of": 2},
}
LABELS = {"ab": 3, "abc": 2, "a.b": 2, "dA": 1}  # one begins another


def written_text(seed: int) -> str:
    return "".join(random.Random(seed).choices(" .ABCabcd", k=600))


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_both_rules_of_every_pair_hold_or_they_are_refused_by_name(lines: bool, temperature: float) -> None:
    learned = written_text(1)
    saved = model(
        TOKENIZER, [TOKENIZER.encode("\n")[0] if lines else TOKENIZER.rows - 2, TOKENIZER.rows - 1], scale=0.3
    )
    saved = dataclasses.replace(saved, ngram=counted(TOKENIZER, learned), mixture_weight=0.5)
    if lines:
        saved = dataclasses.replace(saved, about={"labels": LABELS}, writing=LINES)
    saved.weights["output.bias"][TOKENIZER.encode(" ")[0]] += 1  # `contains` needs words that end
    network, judge = saved.predictor(), Judge(learned, list(LABELS) if lines else [])

    def writer(sampling: Sampling) -> Writer:
        return Writer(saved, network, sampling, Passages(learned, 4) if sampling.no_copy else None)

    refused = set()
    for names in pairs({name: rule for name, rule in GIVEN.items() if lines or name != "label"}):
        rule = {key: value for name in names for key, value in GIVEN[name].items()}
        settings = {"temperature": temperature, "max_tokens": 24}
        tally = tried(
            writer, rule, [""] * 6 if lines else ["", "d ", "AB", "ab. "], judge, "contains" not in names, **settings
        )
        assert not tally.broken, (names, tally)
        assert tally.dead_ends == tally.dead_streams == 0
        if tally.refusal:
            refused.add(names)
            assert all(f"`{name}`" in tally.refusal for name in names), tally.refusal
    assert refused == {(name, "no_copy") for name in GIVEN if name in ("pattern", "only", "starts_with", "contains")}


def test_a_drawn_label_is_a_known_one_whatever_the_settings_and_weights() -> None:
    saved = model(TOKENIZER, [TOKENIZER.encode("\n")[0], TOKENIZER.rows - 1], seed=3)
    saved = dataclasses.replace(saved, about={"labels": LABELS}, writing=LINES)
    network, seen = saved.network(), set()
    each: list[dict[str, Any]] = [
        {"temperature": 0},
        {"temperature": 1},
        {"temperature": 100},
        {"top_k": 1},
        {"top_p": 0.1, "temperature": 3},
        {"min_p": 0.5},
        {"logit_bias": ("d=90", "\t=-90", "c=90")},
        {"no_copy": 4},
        {"repetition_penalty": 1000},
    ]
    for number, settings in enumerate(each):
        sampling = Sampling(**{"max_tokens": 12, "temperature": 2, **settings})
        passages = Passages("".join(f"{label}\td\n" for label in LABELS), 4) if sampling.no_copy else None
        writer = Writer(saved, network, sampling, passages)
        best = number % 2 + 1
        for sample in [
            *writer.samples([None], 300, number, best),
            *(writer.stream(None, seed).sample() for seed in range(9)),
        ]:
            label, tab, _ = sample.text.partition("\t")
            assert tab == "\t", (settings, sample)
            assert label in LABELS, (settings, sample)
            seen.add(label)
    assert seen == {*LABELS}


def test_a_label_that_is_given_is_not_drawn_and_a_prompt_needs_one() -> None:
    saved = model(TOKENIZER, [TOKENIZER.encode("\n")[0], TOKENIZER.rows - 1], seed=3)
    saved = dataclasses.replace(saved, about={"labels": LABELS}, writing=LINES)
    network = saved.network()
    writer = Writer(saved, network, Sampling(max_tokens=9, temperature=2))
    given = [sample.text for sample in writer.samples([""], 50, 0, label="ab")]
    assert given == [sample.text for sample in writer.samples(["ab\t"], 50, 0)]
    assert given == [sample.text for sample in writer.samples([read_prompt(saved, network, "", "ab")], 50, 0)]
    with pytest.raises(OptionError, match="begin with a label"):
        writer.stream("ab", 0)
    with pytest.raises(OptionError, match=r"of up to 9 characters .* can match pattern and label$"):
        Writer(saved, network, Sampling(max_tokens=9, pattern="C.*")).sample(None, 0)


def test_next_characters_and_words_are_those_of_labels_until_one_has_ended() -> None:
    saved = model(TOKENIZER, [TOKENIZER.rows - 1], scale=0.3)
    saved = dataclasses.replace(saved, about={"labels": LABELS}, writing=LINES)
    writer = Writer(saved, saved.network(), Sampling(temperature=1))
    for begun, characters, words in (
        ("", {"a", "d"}, ("ab", "abc", "a", "dA")),
        ("a", {"b", "."}, ("b", "bc", ".")),
        ("ab", {"c", "\t"}, ("c", "\t")),
    ):
        found = writer.next_characters(begun)
        assert {one.text for one in found} == characters
        assert sum(one.after for one in found) == pytest.approx(1)
        assert all(one.after > one.probability for one in found)
        assert all(one.text.startswith(words) for one in writer.next_words(begun))
        assert len(writer.next_words(begun)) > 1
    for complete, label in (("ab\t", None), ("", "ab")):
        assert len(writer.next_characters(complete, label)) > len(LABELS)
    for wrong, why in (("b", "begin with a label"), ("nope\tmoon", "unknown label 'nope'")):
        with pytest.raises(OptionError, match=why):
            writer.sample(wrong)
    assert not writer.next_characters("b")  # no label begins so
    assert not writer.next_words("b")
