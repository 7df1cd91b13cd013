"""Laws of the rules: what is written under them obeys them, whatever the model would rather write."""

from __future__ import annotations

import dataclasses
import random
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import OptionError, WorkError
from afterword.generation import rules
from afterword.generation.continuation import Policy
from afterword.generation.rules import Rules, contained
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.generation.test_continuation import CHAR, CHAR_END, LINES, MODELS, model

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


def allows(tokenizer: Tokenizer, sampling: Sampling, text: str) -> bool:
    """Return whether `text` can be written under the rules of `sampling`, and end there."""
    rule = Rules(tokenizer, sampling).begin()
    for row in tokenizer.encode(text).tolist():
        if row >= len(rule.mask) or rule.mask[row]:
            return False
        rule.push(row)
    return rule.may_end


@pytest.mark.parametrize(("tokenizer", "unseen"), VOCABULARIES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_output_always_matches_the_pattern(tokenizer: Tokenizer, unseen: list[int], pattern: str) -> None:
    for max_tokens in (4, 30):
        sampling = Sampling(pattern=pattern, max_tokens=max_tokens, temperature=2)
        for text, _ in write(tokenizer, unseen, sampling, range(5)):
            assert re.fullmatch(pattern, text), text
            assert len(text) <= max_tokens


expressions = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "é"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}"])).map(lambda two: f"({two[0]}){two[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(expressions, st.integers(0, 12), st.integers(0, 2**32))
def test_any_pattern_is_matched_or_refused_at_once(pattern: str, longest: int, seed: int) -> None:
    sampling = Sampling(pattern=pattern, max_tokens=longest, temperature=3)
    try:
        written = [text for text, _ in write(CHAR, [CHAR_END, CHAR.rows - 1], sampling, range(seed, seed + 1))]
    except OptionError:
        written = []
    if not written:  # refused: none of these would do
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
    sampling = Sampling(
        only="abcé \n", pattern="[^c]*", starts_with="ba", contains=("éa", "bb"), max_tokens=12, temperature=3
    )
    for text, _ in write(tokenizer, unseen, sampling, range(6)):
        assert set(text) <= set("abé \n")
        assert text.startswith("ba")
        for one in sampling.contains:
            assert one in text if unseen == LINES else contained(one, text)  # those lines are one word
        assert len(text) <= 12


def test_what_is_special_in_an_expression_is_text_in_the_other_rules() -> None:
    tokenizer = CharTokenizer.of('a./\\*"[]^-\n&|~')
    some: list[dict[str, Any]]
    for character in '.\\*"[]^-/\n&|~':
        some = [{"only": character, "starts_with": character}, {"contains": character}]
        for rule in some:
            [(text, _)] = write(tokenizer, [], Sampling(max_tokens=3, **rule), range(1))
            assert character in text
    assert write(tokenizer, [], Sampling(pattern="a/a", max_tokens=9), range(1))[0][0] == "a/a"
    assert write(tokenizer, [], Sampling(pattern=r"a\/a|\\/", max_tokens=9), range(1))[0][0] in ("a/a", "\\/")
    assert write(tokenizer, [], Sampling(pattern="\n\\\n", max_tokens=9), range(1))[0][0] == "\n\n"
    with pytest.raises(OptionError, match="pattern is invalid"):
        Policy(model(tokenizer, []), Sampling(pattern="a/ | /(b"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pattern": "(a"}, "pattern is invalid: unclosed group"),
        ({"pattern": "(?=a)b"}, "look-around"),
        ({"pattern": r"(a)\1"}, "backreferences are not supported"),
        ({"pattern": "x"}, "no text of the characters that this model knows can match pattern"),
        ({"starts_with": "ab", "contains": "xay"}, "can match starts-with and contains: it does not know 'x', 'y'$"),
        ({"pattern": "a", "starts_with": "b"}, "can match pattern and starts-with$"),
        ({"only": "a", "contains": "b"}, "can match only and contains"),
        ({"pattern": "a{600}"}, "no text of up to 500 characters .* can match pattern"),
        ({"pattern": "a{1000000}"}, "no text of up to 500 characters"),
        ({"pattern": "((a{1000}){1000}){1000}"}, "no text of up to 500 characters"),
        ({"pattern": "a" * 100_000}, "pattern is too large"),
        ({"pattern": "a\\"}, "ends in a single backslash"),
        ({"pattern": "a*", "max_tokens": 10**9}, "at most 100,000 characters"),
    ],
)
def test_rules_that_no_text_obeys_are_refused_before_anything_is_written(given: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Policy(MODELS[CHAR], Sampling(**given))


def test_rules_that_grow_beyond_all_bounds_end_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_STATES", 200)
    writing = Policy(MODELS[CHAR], Sampling(pattern="(a|b)*a(a|b){20}", max_tokens=100))
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


def test_the_expression_that_blows_other_engines_up_is_harmless() -> None:
    sampling = Sampling(pattern="(a|b)*a(a|b){20}", max_tokens=40, temperature=2)
    assert all(re.fullmatch("[ab]*a[ab]{20}", text) for text, _ in write(CHAR, LINES, sampling, range(5)))


def test_draws_under_a_rule_have_the_probabilities_of_what_is_left() -> None:
    saved = dataclasses.replace(MODELS[CHAR], unseen=[CHAR_END, CHAR.rows - 1])
    network, free = saved.network(), Sampling(log_probabilities=100, max_tokens=1, temperature=1)
    first = Writer(saved, network, free).sample("", 0).pieces
    assert first is not None
    likely = {one.text: np.exp(one.log_probability) for one in first[0].alternatives}
    ruled = Writer(saved, network, Sampling(only="abc", max_tokens=1, temperature=1))
    texts = [sample.text for sample in ruled.samples([""], 3000, 0)]
    total = sum(likely[character] for character in "abc")
    for character in "abc":
        assert abs(texts.count(character) / 3000 - likely[character] / total) < 0.03


def test_whether_a_text_obeys_the_rules_is_what_the_expression_says() -> None:
    sampling = Sampling(pattern="a[bc]*")
    for text in ("a", "abcb", "", "ad", "ba", "a☃", "abb\n"):
        assert allows(CHAR, sampling, text) == bool(re.fullmatch("a[bc]*", text))
    assert allows(SYMBOLS, Sampling(pattern="(abc? )+"), "abc ab ")


def test_rules_go_with_no_stop_string_and_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"pattern": "a", "stop": ("a",)}, "stop= and pattern= exclude each other"),
        ({"pattern": "a", "no_copy": 20}, "no_copy= and pattern= exclude each other"),
    ]
    for options, says in refused:
        with pytest.raises(OptionError, match=says):
            Sampling(**options)
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[patterns\]'"):
        Policy(MODELS[CHAR], Sampling(pattern="a"))


def test_a_lower_casing_model_keeps_rules_in_capitals_and_empty_rules_ask_for_nothing() -> None:
    sampling = Sampling(starts_with="AB", only="ABC", max_tokens=9)
    [(text, _)] = write(CharTokenizer.of("abc", lowercase=True), [3, 4], sampling, range(1))
    assert text.startswith("ab")
    assert allows(CHAR, Sampling(starts_with=""), "abc")
