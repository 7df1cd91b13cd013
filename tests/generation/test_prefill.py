"""Laws of prompts that end within a symbol, and of the words that follow."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.generation import next_words, prefill
from afterword.generation.copying import Passages
from afterword.generation.prefill import Reading, read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer
from afterword.language_model import LanguageModel
from afterword.model.arrays import Array
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import Network, State, log_probabilities
from afterword.model.ngram.tables import Ngram
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from tests.generation.judging import Judge
from tests.generation.test_continuation import model

TEXT = "aab aba\nabab abbé bab\n ab aé abaaaa"
SYMBOLS = SymbolTokenizer.of("\n abé", texts=[TEXT])
END, SHARED = SYMBOLS.rows - 2, SYMBOLS.rows - 1
RUNNING = model(SYMBOLS, [END, SHARED], scale=0.7)
OF_LINES = model(SYMBOLS, [0, SHARED], seed=1, scale=0.7)
NGRAM = Ngram.learn(np.random.default_rng(0).integers(0, END, 3000), SYMBOLS.rows, END, 0, order=5)
MIXED = dataclasses.replace(RUNNING, ngram=NGRAM, mixture_weight=0.6)
KINDS = {"running": RUNNING, "lines": OF_LINES, "mixed": MIXED}
NETWORKS = {name: one.predictor() for name, one in KINDS.items()}
# texts that end with a newline or before a space, and the part of a symbol, or the space, that follows
before_a_symbol = st.tuples(st.sampled_from(["", "a\n", " ab\n"]), st.from_regex(" ?[ab]{0,6}", fullmatch=True))
before_a_space = st.tuples(st.sampled_from(["ab", "\né abab"]), st.from_regex(" [ab]{0,5}|   ?", fullmatch=True))


def exact(network: Network, text: str, symbol: str) -> dict[str, float]:
    """Return the probability of each next character after `text`, whose last part is `symbol`, or begins one; "" is
    the end."""
    followers: defaultdict[str, float] = defaultdict(float)
    whole = 0.0

    def read(ids: list[int]) -> Any:
        return log_probabilities(network.advance(np.array([ids]), network.start())[0])[0]

    ids = [END, *SYMBOLS.encode(text).tolist()]
    longer = [row for row, token in enumerate(SYMBOLS.texts) if token.startswith(symbol) and token != symbol]
    chance = 1.0
    if longer and (symbol == " " or symbol not in SYMBOLS.texts) and symbol:
        before = len(ids) - len(symbol)
        for row in longer:
            followers[SYMBOLS.texts[row][len(symbol)]] += np.exp(read(ids[:before])[row])
        whole = sum(followers.values())
        chance = np.exp(sum(read(ids[:at])[ids[at]] for at in range(before, len(ids))))
    for row, after in enumerate(chance * np.exp(read(ids))):
        if row < END + 1:
            followers[SYMBOLS.texts[row][:1]] += after
    return {character: probability / (whole + chance) for character, probability in followers.items()}


@settings(max_examples=50)
@given(st.sampled_from([*KINDS]), before_a_symbol | before_a_space)
def test_what_follows_a_prompt_follows_its_characters_or_continues_a_symbol(kind: str, prompt: tuple[str, str]) -> None:
    saved, network = KINDS[kind], NETWORKS[kind]
    found = LanguageModel(saved, network=network).next_characters("".join(prompt), temperature=1)
    symbol = prompt[1][-1:] if prompt[1].endswith("  ") else prompt[1]
    expected = exact(network, "".join(prompt), symbol)
    assert {one.text: one.probability for one in found} == pytest.approx(expected, abs=3 * prefill.RARE)


@pytest.mark.parametrize(("prompt", "temperature"), [("ab\nab", 1), ("ab ", 1), (" aba", 0.6), ("ab\nab", 0)])
def test_texts_begin_as_the_probabilities_say(prompt: str, temperature: float) -> None:
    writer = Writer(RUNNING, NETWORKS["running"], Sampling(max_tokens=1, temperature=temperature))
    firsts = Counter(one.text[:1] for one in writer.samples([prompt], 1000, 0))
    for one in LanguageModel(RUNNING, network=NETWORKS["running"]).next_characters(prompt, temperature=temperature):
        assert SYMBOLS.decode([one.id]) == one.text
        assert firsts[one.text] / 1000 == pytest.approx(one.after, abs=0.05)
        assert one.after > 0 or one.text not in firsts


def test_ways_whose_tokens_are_never_drawn_count_for_what_is_expected_alone() -> None:
    never = [row for row, text in enumerate(SYMBOLS.texts) if text.startswith(" a")]
    saved, network = dataclasses.replace(RUNNING, unseen=[END, *never, SHARED]), NETWORKS["running"]
    reading = read_prompt(saved, network, "ab a")
    writer = Writer(saved, network, Sampling(temperature=1))
    found = prefill.next_characters(saved, writer.policy.sampler, reading)
    assert sum(one.after for one in found) == pytest.approx(1)
    assert sum(one.probability for one in found) == pytest.approx(1, abs=0.1)
    drawn = [next(writer.stream(reading, seed)).id for seed in range(20)]
    assert not {*drawn} & {*never}


@given(st.from_regex("[ab\n]{0,3} ?[ab]{0,4}", fullmatch=True), st.integers(0, 2**64 - 1))
def test_the_pieces_cost_what_they_cost_after_the_characters_of_the_prompt(prompt: str, seed: int) -> None:
    network, sampling = NETWORKS["lines"], Sampling(max_tokens=5, temperature=1.5, log_probabilities=14)
    reading = read_prompt(OF_LINES, network, prompt)
    sample = Writer(OF_LINES, network, sampling).stream(reading, seed).sample()
    assert sample.pieces is not None
    first, *others = sample.pieces
    assert all(piece.text == SYMBOLS.decode([piece.id]) for piece in others)
    assert SYMBOLS.decode([first.id]).endswith(first.text)
    assert (first.text, first.log_probability) in [(one.text, one.log_probability) for one in first.alternatives]
    costs = [log_probabilities(one.logits)[0, first.id] for one in reading.each]
    assert any(cost == pytest.approx(first.log_probability, abs=1e-5) for cost in costs)


RULES: list[dict[str, Any]] = [{"pattern": "b?a*\n[ab]+"}, {"only": "ab"}, {"starts_with": "ba"}, {"contains": "bb"}]
RULES += [{"no_copy": 4}]


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_for_what_is_written_after_the_prompt(rule: dict[str, Any]) -> None:
    source = "abab\nab ababé a\n" * 3
    passages = Passages(source, 4) if "no_copy" in rule else None
    writer = Writer(RUNNING, NETWORKS["running"], Sampling(max_tokens=20, **rule), passages)
    for prompt in ("ab", "ab a", "ab ", "é"):
        alone = [writer.sample(prompt, seed) for seed in range(5)]
        for sample in [*writer.samples([prompt], 20, seed=0), *alone]:
            assert not Judge(source).broken(rule, prompt, sample.text), sample
            assert sample.prompt == prompt


def test_stop_strings_and_lengths_are_those_of_what_is_written() -> None:
    def written(**settings: Any) -> list[Sample]:
        writer = Writer(RUNNING, NETWORKS["running"], Sampling(**{"max_tokens": 30, "temperature": 1.5} | settings))
        return list(writer.samples(["aba"], 40, seed=0))

    texts = [one.text for one in written(stop="ab")]
    assert any(texts)
    assert not any("ab" in text for text in texts)
    assert {one.tokens for one in written(max_tokens=3)} == {3}
    assert all(one.text for one in written(max_tokens=1))


def test_prompts_that_are_read_together_are_read_as_alone_and_equal_ones_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, texts = MIXED.predictor(), ["ab", "b ab", "\n", " abb", "ab ", "ab"]
    alone = [read_prompt(MIXED, network, text) for text in texts]
    together = [prefill.prompt_of(MIXED, network, text) for text in texts]
    monkeypatch.setattr(network, "advance", advance := Mock(wraps=network.advance))
    for prompt in together:
        while prompt.read < len(prompt.ids):
            prefill.read_on([one for one in together if one.read == prompt.read < len(one.ids)], 64)
        prompt.heal()
    assert len(advance.call_args_list[0].args[0]) < len(texts)
    assert together[0].whole().state is together[-1].whole().state
    for reading, prompt in zip(alone, together, strict=True):
        other = prompt.whole()
        assert [(one.tokens, one.rest) for one in reading.each] == [(one.tokens, one.rest) for one in other.each]
        for one, same in zip(reading.each, other.each, strict=True):
            np.testing.assert_allclose(one.logits, same.logits, atol=1e-4)


def test_upper_case_is_read_in_lower_case() -> None:
    lower = dataclasses.replace(SYMBOLS, lowercase=True)
    saved, network = dataclasses.replace(RUNNING, tokenizer=lower), NETWORKS["running"]
    reading = read_prompt(saved, network, "AB ABB")
    for one, other in zip(reading.spellings, read_prompt(RUNNING, network, "ab abb").spellings, strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
    sampling = Sampling(max_tokens=5, temperature=0.5, repetition_penalty=2)
    upper = Writer(saved, network, sampling).stream("AB ABB", 3).sample()
    assert upper.text == Writer(RUNNING, network, sampling).stream("ab abb", 3).sample().text


def test_a_label_is_read_as_it_is() -> None:
    tokenizer = SymbolTokenizer.of("\t ab", texts=["ab abb\tab"])
    saved = dataclasses.replace(model(tokenizer, []), about={"lines": True, "labels": {"a": 1, "b": 1}})
    network = saved.network()

    def begun(prompt: str) -> set[str]:
        reading = read_prompt(saved, network, prompt, "a")
        return {tokenizer.decode(one.tokens) + one.rest for one in reading.spellings}

    assert (begun(""), begun(" "), begun("a"), begun("ab ab")) == (set(), {" "}, set(), {" ab"})


WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")
LETTERS = CharTokenizer.of("\n ,ab")
OF_CHARACTERS = model(LETTERS, [LETTERS.end or 0, LETTERS.rows - 1], scale=0.7)
MODELS = {
    "characters": OF_CHARACTERS,
    "lines": dataclasses.replace(OF_CHARACTERS, unseen=[0, LETTERS.rows - 1]),
    "symbols": RUNNING,
    "symbols of lines": OF_LINES,
    "mixed": MIXED,
}


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


@pytest.mark.parametrize("kind", [*MODELS])
@pytest.mark.parametrize(("prompt", "letters"), [("", ""), ("ab", "ab"), ("a b", "b"), ("ab ", ""), ("a\n", "")])
def test_the_likeliest_words_are_found_with_their_probabilities(kind: str, prompt: str, letters: str) -> None:
    saved, ours = MODELS[kind], LanguageModel(MODELS[kind])
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
    empty = dataclasses.replace(saved, weights={**saved.weights, "output.bias": bias})
    assert LanguageModel(empty).next_words("ab") == []
