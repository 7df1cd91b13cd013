"""Laws of the rules, alone and in pairs: what is written obeys them, whatever the model would rather write."""

from __future__ import annotations

import dataclasses
import random
import re
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import OptionError, WorkError
from afterword.generation import rules
from afterword.generation.continuation import Policy
from afterword.generation.copying import Passages
from afterword.generation.prefill import read_prompt
from afterword.generation.rules import Rules, contained
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import LanguageModel, load
from afterword.model.folder.defaults import LINES as LABELLED
from afterword.model.folder.saved import SavedModel
from afterword.serving.http.failures import for_client
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.generation.judging import Judge
from tests.generation.test_continuation import CHAR, CHAR_END, LINES, SAVED, model
from tests.generation.test_words import counted

pytest.importorskip("llguidance")

SYMBOLS = SymbolTokenizer.of("abcd é", texts=["abab cab éab abc abd " * 20])
VOCABULARIES: list[tuple[Tokenizer, list[int]]] = [
    (CHAR, [CHAR_END, CHAR.rows - 1]),  # running text
    (CHAR, LINES),
    (SYMBOLS, [*range(len(SYMBOLS.characters)), SYMBOLS.rows - 2, SYMBOLS.rows - 1]),  # no character occurs alone
]
PATTERNS = ["ab|cd", "[a-c]+", "(a|b)*a(a|b){3}", "a?b{2,4}é*", "(?i)A+", "a.*b", "(ab)*", "[^a]{3}", "a$|^b"]


def write(
    tokenizer: Tokenizer, unseen: list[int], sampling: Sampling, seeds: range, prompt: str = ""
) -> list[tuple[str, str]]:
    """Texts and why they ended: each by the stream, and by a batch, which must agree."""
    saved = model(tokenizer, unseen, scale=0.3)
    writer = Writer(saved, saved.network(), sampling)
    alone = [writer.stream(prompt, seed).sample() for seed in seeds]
    batch = list(writer.samples([prompt], len(seeds), seeds.start))
    assert sum(one.text != other.text for one, other in zip(alone, batch, strict=True)) <= 1
    return [(sample.text, sample.finish_reason) for sample in alone]


expressions = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "é"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}"])).map(lambda two: f"({two[0]}){two[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=90, deadline=None)
@given(
    st.sampled_from(PATTERNS) | expressions, st.sampled_from(VOCABULARIES), st.integers(0, 12), st.integers(0, 2**32)
)
def test_any_pattern_is_matched_or_refused_at_once(
    pattern: str, vocabulary: tuple[Tokenizer, list[int]], longest: int, seed: int
) -> None:
    sampling = Sampling(pattern=pattern, max_tokens=longest, temperature=3)
    try:
        written = [text for text, _ in write(*vocabulary, sampling, range(seed, seed + 1))]
    except OptionError:
        written = []
    if not written and vocabulary == VOCABULARIES[0]:  # refused: none of these would do
        some = [text for text in ("", "a", "b", "ab", "éa", "aa", "aaa", "bb") if len(text) <= longest]
        assert not any(re.fullmatch(pattern, text) for text in some)
    assert all(re.fullmatch(pattern, text) and len(text) <= longest for text in written)


def test_a_text_ends_where_nothing_more_can_match_at_a_lines_end_or_at_its_length() -> None:
    running, lines = VOCABULARIES[:2]
    assert {reason for _, reason in write(*running, Sampling(pattern="(a|b){3}"), range(5))} == {"stop"}
    assert {reason for _, reason in write(*running, Sampling(pattern="a*", max_tokens=6), range(5))} == {"length"}
    reasons = {reason for _, reason in write(*lines, Sampling(pattern="[a-d]*", max_tokens=6), range(40))}
    assert reasons == {"stop", "length"}
    assert write(*running, Sampling(pattern=""), range(1)) == [("", "stop")]


@pytest.mark.parametrize(("tokenizer", "unseen"), VOCABULARIES)
def test_the_other_rules_are_kept_together(tokenizer: Tokenizer, unseen: list[int]) -> None:
    rule: dict[str, Any] = {"only": "abcé \n", "pattern": "[^c]*", "starts_with": "ba", "max_tokens": 12}
    if unseen != LINES:  # whose lines are one word
        rule["contains"] = ("éa", "bb")
    for text, _ in write(tokenizer, unseen, Sampling(**rule, temperature=3), range(6)):
        assert not Judge().broken(rule, "", text), text


def test_what_is_special_in_an_expression_is_text_in_the_other_rules() -> None:
    tokenizer = CharTokenizer.of('a./\\*"[]^-\n&|~')
    some: list[dict[str, Any]]
    for character in '.\\*"[]^-/\n&|~':
        some = [{"only": character, "starts_with": character}, {"contains": character}]
        for rule in some:
            [(text, _)] = write(tokenizer, [], Sampling(max_tokens=3, **rule), range(1))
            assert character in text
    for pattern, texts in (("a/a", ["a/a"]), (r"a\/a|\\/", ["a/a", "\\/"]), ("\n\\\n", ["\n\n"])):
        assert write(tokenizer, [], Sampling(pattern=pattern, max_tokens=9), range(1))[0][0] in texts


def test_rules_that_grow_beyond_all_bounds_end_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_STATES", 200)
    writing = Policy(SAVED, Sampling(pattern="(a|b)*a(a|b){20}", max_tokens=100))
    with pytest.raises(WorkError, match="the rules are too large"):
        write(CHAR, [CHAR_END, CHAR.rows - 1], writing.sampling, range(50))


def test_a_rule_does_not_limit_how_many_texts_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "most_states", lambda longest: 200)
    obeyed, draw = Rules(CHAR, Sampling(pattern="(a|b)*a(a|b){20}")), random.Random(1)
    texts = ["".join(draw.choices("ab", k=9)) + "a" + "".join(draw.choices("ab", k=20)) for _ in range(30)]
    for text in texts:
        written = [obeyed.begin(), obeyed.begin()]
        for row in CHAR.encode(text).tolist():
            for one in (*written, written[0].fork()):
                one.push(row)
        assert all(one.mask[CHAR_END] == 0 for one in written)


def test_rules_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[patterns\]'"):
        Policy(SAVED, Sampling(pattern="a"))


def test_a_lower_casing_model_keeps_rules_in_capitals_and_empty_rules_ask_for_nothing() -> None:
    sampling = Sampling(starts_with="AB", only="ABC", max_tokens=9)
    [(text, _)] = write(CharTokenizer.of("abc", lowercase=True), [3, 4], sampling, range(1))
    assert text.startswith("ab")
    assert write(*VOCABULARIES[0], Sampling(max_tokens=9, starts_with=""), range(2)) == write(
        *VOCABULARIES[0], Sampling(max_tokens=9), range(2)
    )


SPACED = CharTokenizer.of("abc '’.")
SPACED_WORDS = SymbolTokenizer.of("abc .", texts=["abab cab abc. " * 20])


def writer_of(tokenizer: Tokenizer = SPACED, temperature: float = 1, **given: Any) -> Writer:
    saved = model(tokenizer, [], scale=0.3)
    return Writer(saved, saved.network(), Sampling(temperature=temperature, min_p=0, repetition_penalty=1, **given))


PLACES: list[tuple[Tokenizer, str, dict[str, Any]]] = [
    (SPACED, "b", {"contains": ("ab", "cab"), "max_tokens": 40, "only": "abc ."}),
    (SPACED_WORDS, "b", {"contains": ("ab", "cab"), "max_tokens": 40, "only": "abc ."}),
    (SPACED, "", {"contains": "cab", "max_tokens": 40}),
    (SPACED, "", {"contains": "cab", "max_tokens": 40, "temperature": 0}),
    (SPACED, "", {"contains": ("ab", "cab"), "max_tokens": 6}),  # there are few places
    (SPACED, "", {"contains": "cab", "max_tokens": 20, "pattern": "[abc]+ [abc]+[.]"}),
    (SPACED, "", {"contains": "cab", "max_tokens": 20, "starts_with": "ab"}),
    (SPACED, "", {"contains": "cab", "max_tokens": 20, "pattern": "[^ ]*"}),
    (SPACED, "", {"contains": "cab", "max_tokens": 3, "only": "abc"}),
]


@pytest.mark.parametrize(("tokenizer", "prompt", "given"), PLACES)
def test_words_are_contained_between_word_boundaries(tokenizer: Tokenizer, prompt: str, given: dict[str, Any]) -> None:
    writer = writer_of(tokenizer, **given)
    for sample in [*writer.samples([prompt], 20, 0), writer.stream(prompt, 0).sample()]:
        assert not Judge().broken(given, prompt, sample.text), sample.text


@pytest.mark.parametrize(
    "given",
    [
        {"contains": ("ab", "cab"), "max_tokens": 5},
        {"contains": "cab", "max_tokens": 20, "pattern": "[abc]{5}"},
        {"contains": "cab", "max_tokens": 20, "starts_with": "ab", "pattern": "[^ .'’]*"},
    ],
)
def test_a_word_without_a_place_is_refused_before_anything_is_written(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="no place between words was found for"):
        next(writer_of(**given).stream("", 0))


def test_words_do_not_wait_for_the_end_of_a_text_and_the_automaton_does_not_grow_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "MOST_STATES", 2000)
    english = load("english")
    samples = [*english.writer(Sampling(contains="Yoricke", max_tokens=60)).samples([None], 16, 0)]
    places = [sample.text.index("Yoricke") for sample in samples]
    assert min(places) < 40 < max(places)  # of four in ten and one in two: other rounding changes which
    assert sum(place > 50 for place in places) < 10  # of one in five
    two = english.writer(Sampling(contains=("dragon", "Yoricke"), max_tokens=80)).sample(None, 0)
    assert contained("dragon", two.text)


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


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_both_rules_of_every_pair_hold_or_they_are_refused_by_name(lines: bool, temperature: float) -> None:
    learned = "".join(random.Random(1).choices(" .ABCabcd", k=600))
    never = TOKENIZER.encode("\n")[0] if lines else TOKENIZER.rows - 2
    saved = model(TOKENIZER, [never, TOKENIZER.rows - 1], scale=0.3)
    saved = dataclasses.replace(saved, ngram=counted(TOKENIZER, learned), mixture_weight=0.5)
    if lines:
        saved = dataclasses.replace(saved, about={"labels": LABELS}, writing=LABELLED)
    saved.weights["output.bias"][TOKENIZER.encode(" ")[0]] += 1  # `contains` needs words that end
    network, judge = saved.predictor(), Judge(learned, list(LABELS) if lines else [])
    prompts = [""] * 4 if lines else ["", "d ", "AB", "ab. "]
    names = [name for name in GIVEN if lines or name != "label"]
    for pair in [*zip(names, strict=True), *combinations(names, 2)]:
        rule = {key: value for name in pair for key, value in GIVEN[name].items()}
        own = {name: value for name, value in rule.items() if name not in ("label", "best_of")}
        if "no_copy" in pair and {*pair} & {"pattern", "only", "starts_with", "contains"}:
            with pytest.raises(OptionError, match=f"({'|'.join(pair)})= and ({'|'.join(pair)})= exclude"):
                Sampling(**own)
            continue
        sampling, label = Sampling(**own, temperature=temperature, max_tokens=24), rule.get("label")
        writer = Writer(saved, network, sampling, Passages(learned, 4) if sampling.no_copy else None)
        written = [*writer.samples(prompts, 1, 0, rule.get("best_of", 1), label)]
        if "contains" not in rule:
            written += [writer.stream(prompt, seed, label).sample() for seed, prompt in enumerate(prompts)]
        for sample in written:
            broken = judge.broken(rule, "" if label else sample.prompt, sample.text, lines and label is None)
            assert not broken, (pair, sample)
            assert sample.finish_reason != "rules", (pair, sample)


def labelled() -> SavedModel:
    saved = model(TOKENIZER, [TOKENIZER.encode("\n")[0], TOKENIZER.rows - 1], seed=3)
    return dataclasses.replace(saved, about={"labels": LABELS}, writing=LABELLED)


def test_a_drawn_label_is_a_known_one_whatever_the_settings_and_weights() -> None:
    saved, seen = labelled(), set()
    network = saved.network()
    each: list[dict[str, Any]] = [
        {"temperature": 0},
        {"temperature": 100},
        {"top_k": 1},
        {"top_p": 0.1, "temperature": 3},
        {"min_p": 0.5},
        {"logit_bias": ("d=90", "\t=-90", "c=90")},
        {"no_copy": 4},
        {"repetition_penalty": 1000},
    ]
    for number, chosen in enumerate(each):
        sampling = Sampling(**{"max_tokens": 12, "temperature": 2, **chosen})
        passages = Passages("".join(f"{label}\td\n" for label in LABELS), 4) if sampling.no_copy else None
        writer = Writer(saved, network, sampling, passages)
        streams = (writer.stream(None, seed).sample() for seed in range(9))
        for sample in [*writer.samples([None], 60, number, number % 2 + 1), *streams]:
            label, tab, _ = sample.text.partition("\t")
            assert (tab, label in LABELS) == ("\t", True), (chosen, sample)
            seen.add(label)
    assert seen == {*LABELS}


def test_a_label_that_is_given_is_not_drawn_and_a_prompt_needs_one() -> None:
    saved = labelled()
    network = saved.network()
    writer = Writer(saved, network, Sampling(max_tokens=9, temperature=2))
    given = [sample.text for sample in writer.samples([""], 50, 0, label="ab")]
    assert given == [sample.text for sample in writer.samples(["ab\t"], 50, 0)]
    assert given == [sample.text for sample in writer.samples([read_prompt(saved, network, "", "ab")], 50, 0)]
    with pytest.raises(OptionError, match="a label: begin the prompt with LABEL and a tab; or give label=") as wrong:
        writer.stream("ab", 0)
    assert for_client(wrong.value.message, []).endswith("begin with a label: begin the prompt with LABEL and a tab")
    with pytest.raises(OptionError, match=r"of up to 9 characters .* can match pattern and label$"):
        Writer(saved, network, Sampling(max_tokens=9, pattern="C.*")).sample(None, 0)


def test_next_characters_and_words_are_those_of_labels_until_one_has_ended() -> None:
    saved = model(TOKENIZER, [TOKENIZER.rows - 1], scale=0.3)
    saved = dataclasses.replace(saved, about={"labels": LABELS}, writing=LABELLED)
    writer, loaded = Writer(saved, saved.network(), Sampling(temperature=1)), LanguageModel(saved)
    for begun, characters, words in (
        ("", {"a", "d"}, ("ab", "abc", "a", "dA")),
        ("a", {"b", "."}, ("b", "bc", ".")),
        ("ab", {"c", "\t"}, ("c", "\t")),
    ):
        found = loaded.next_characters(begun, temperature=1)
        assert {one.text for one in found} == characters
        assert sum(one.after for one in found) == pytest.approx(1)
        assert all(one.after > one.probability for one in found)
        assert all(one.text.startswith(words) for one in loaded.next_words(begun))
        assert len(loaded.next_words(begun)) > 1
    for complete, label in (("ab\t", None), ("", "ab")):
        assert len(loaded.next_characters(complete, label=label)) > len(LABELS)
    for wrong, why in (("b", "begin with a label"), ("nope\tmoon", "unknown label 'nope'")):
        with pytest.raises(OptionError, match=why):
            writer.sample(wrong)
    assert not loaded.next_characters("b")  # no label begins so
    assert not loaded.next_words("b")
