"""What texts and lines cost: as they are, while the model learns from them, and whatever their label."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import partial
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.language_model import LanguageModel
from afterword.learning import gradients
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config
from afterword.model.network.network import Network
from afterword.model.ngram.blend import Adapter
from afterword.model.ngram.mixture import Mixture
from afterword.model.ngram.tables import Ngram
from afterword.model.threads import PRODUCTS
from afterword.scoring import adapting, costs
from afterword.scoring.adapting import AdaptingScorer
from afterword.scoring.costs import Cost, LineScore, Score, score, score_lines, total
from afterword.scoring.labels import LabelScore, classify
from afterword.text import tokenizer as tokenizing
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.tiny import random_weights

CHAR, LOWER = CharTokenizer.of("abcß\n "), CharTokenizer.of("abc ", lowercase=True)
CLASSIC = ClassicTokenizer.of("abcß\n é漢🙂", lowercase=True)
SYMBOLS = SymbolTokenizer.of("abcß\n ", texts=["abcß bc bc abc\nab ca ca"])
texts = st.text(st.sampled_from("abcAß\n é漢🙂"), max_size=12)


def network_for(tokenizer: Tokenizer) -> Network:
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, 5, 9, 2)
    return Network(config, random_weights(config))


def mixture_for(tokenizer: Tokenizer, using: str = "both") -> Mixture:
    config, boundary = network_for(tokenizer).config, tokenizer.rows - 2
    text = np.random.default_rng(0).integers(0, boundary, 200)
    ngram = Ngram.learn(text, tokenizer.rows, boundary, int(tokenizer.encode("\n")[0]))
    return Mixture(config, random_weights(config), ngram, 0.4, using)


TOKENIZERS: list[Tokenizer] = [CHAR, LOWER, SYMBOLS, CLASSIC]
NETWORKS = {tokenizer: network_for(tokenizer) for tokenizer in TOKENIZERS}
MODELS = {
    one: LanguageModel(SavedModel(network.config, random_weights(network.config), one, [], {}))
    for one, network in NETWORKS.items()
}
tokenizers = st.sampled_from(TOKENIZERS)


def token_by_token(tokenizer: Tokenizer, ids: NDArray[np.int32]) -> list[float]:
    """-log P of each id, by the definition: one step at a time from the boundary token, softmax in plain Python.

    Without a boundary token nothing is read before the first id, whose rows are all as likely.
    """
    network, rows, shared = NETWORKS[tokenizer], tokenizer.rows, tokenizer.shared_row_tokens
    state, fed, nats = network.start(1), tokenizer.end, []
    for id in ids.tolist():
        weights = [1.0] * rows
        if fed is not None:
            logits, state = network.step(np.array([fed]), state)
            weights = [math.exp(logit) for logit in logits[0].tolist()]
        share = weights[id] if id < rows - 1 else weights[-1] / shared
        nats.append(-math.log(share / sum(weights)))
        fed = id
    return nats


def close(found: Any, expected: Any) -> bool:
    return bool(np.allclose(found, expected, rtol=0, atol=1e-5))


@given(texts, st.integers(1, 5000), tokenizers)
def test_a_text_costs_what_its_tokens_cost_one_by_one(text: str, numbers: int, tokenizer: Tokenizer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "NUMBERS_AT_ONCE", numbers)
        result = score(NETWORKS[tokenizer], tokenizer, text)
    expected = token_by_token(tokenizer, tokenizer.encode(text))
    assert result.token_nats.dtype == np.float64
    assert result.tokens == len(tokenizer.encode(text)) == len(result.token_nats)
    assert close(result.token_nats, expected)
    assert (result.characters, result.bytes) == (len(text), len(text.encode()))


@settings(max_examples=50)
@given(st.lists(texts, max_size=5), tokenizers, st.integers(1, 3))
def test_a_text_in_parts_costs_what_the_whole_costs(pieces: list[str], tokenizer: Tokenizer, longest: int) -> None:
    network, text = NETWORKS[tokenizer], "".join(pieces)
    last, found = None, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizing, "LONGEST_LINE", longest)
        patch.setattr(tokenizing, "PART", 2 * longest)
        for part in tokenizing.parts(pieces):
            last = score(network, tokenizer, part, after=last)
            found.append(last)
        whole = score(network, tokenizer, text)
    assert close(np.concatenate([np.empty(0), *(one.token_nats for one in found)]), whole.token_nats)
    summed = total(found)
    assert (summed.tokens, summed.characters, summed.bytes) == (whole.tokens, whole.characters, whole.bytes)
    assert close(summed.bits, whole.bits)


@settings(max_examples=30)
@example([""], 1, 1, CLASSIC)  # no token at all
@example([], 1, 1, CHAR)
@given(st.lists(texts | st.just("abc" * 30), max_size=9), st.integers(1, 4), st.integers(1, 2000), tokenizers)
def test_a_line_costs_what_it_costs_alone(lines: list[str], lanes: int, numbers: int, tokenizer: Tokenizer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "MOST_LANES", lanes)
        patch.setattr(costs, "NUMBERS_AT_ONCE", numbers)
        results = score_lines(NETWORKS[tokenizer], tokenizer, lines)
    assert [(result.line, result.text) for result in results] == list(enumerate(lines, start=1))
    end = [] if tokenizer.end is None else [tokenizer.end]
    for result, line in zip(results, lines, strict=True):
        ids = np.append(tokenizer.encode(line), np.array(end, np.int32))
        assert close(result.token_nats, token_by_token(tokenizer, ids))
        assert result.characters == len(line) + len(end)
        assert result.bytes == len(line.encode()) + len(end)


def test_figures_are_sums_and_means_of_the_token_costs_and_an_empty_text_costs_nothing() -> None:
    result = Score(np.array([0.5, 1.5, 1.0]), characters=2, bytes=4)
    assert (result.tokens, result.nats, result.nats_per_character) == (3, 3.0, 1.5)
    assert result.bits == 3 / math.log(2)
    assert result.bits_per_character == 1.5 / math.log(2)
    assert result.bits_per_byte == 0.75 / math.log(2)
    assert result.perplexity == pytest.approx(math.e)
    empty = score(NETWORKS[CHAR], CHAR, "")
    assert (empty.characters, empty.bytes, empty.tokens, empty.nats) == (0, 0, 0, 0)
    assert (empty.bits_per_character, empty.bits_per_byte, empty.perplexity) == (0, 0, 1)


def test_what_a_model_cannot_read_is_refused() -> None:
    for tokenizer, text, says in (
        (CLASSIC, "ax", "'x' at character 1 is not one of them"),
        (CHAR, "ab\ud800", "surrogate"),
        (SYMBOLS, "\udfff", "surrogate"),
    ):
        with pytest.raises(TextError, match=says):
            score(NETWORKS[tokenizer], tokenizer, text)
        with pytest.raises(TextError, match=says):
            score_lines(NETWORKS[tokenizer], tokenizer, ["a", text])


def test_lines_cost_the_same_however_many_threads_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["abcß" * (k % 7) + "a" * k for k in range(150)]
    expected = score_lines(NETWORKS[CHAR], CHAR, lines, entropies=True)
    monkeypatch.setattr(PRODUCTS, "_get", lambda: 3)
    monkeypatch.setattr(PRODUCTS, "_set", lambda number: None)
    found = score_lines(NETWORKS[CHAR], CHAR, lines, entropies=True)
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.line, one.tokens) == (other.text, other.line, other.tokens)
        assert close(one.token_nats, other.token_nats)
        assert one.expected_nats == pytest.approx(other.expected_nats, abs=1e-4)


def test_progress_goes_up_to_all_of_it() -> None:
    lines, labelled = ["abc" * k for k in range(99)], WITH_LABELS[0]
    calls: list[Callable[..., object]] = [partial(classify, OF_LABELS[labelled][0], labelled, LABELS, lines[:9])]
    for one, network in NETWORKS.items():
        calls += [partial(score, network, one, "abc" * 300), partial(score_lines, network, one, lines)]
    for call in calls:
        told: list[float] = []
        call(on_progress=told.append)
        assert told == sorted(told)
        assert told[-1] == 1


def test_an_lstm_that_predicts_alone_looks_up_no_n_gram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Mixture, "read_apart")
    monkeypatch.delattr(Mixture, "_found")
    found, expected = score(mixture_for(CHAR, "lstm"), CHAR, "abc"), score(NETWORKS[CHAR], CHAR, "abc")
    assert close(found.token_nats, expected.token_nats)
    assert found.apart == {"lstm": found.nats_per_character}


LINE = ["line", "text", "bits", "bits_per_character", "characters", "bytes", "tokens"]


def check_columns(kind: type[Cost], columns: list[str]) -> None:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    assert names == columns  # of pandas.DataFrame
    assert [name for name in get_type_hints(kind) if name in names] == columns  # of polars.DataFrame


def test_a_table_of_scores_has_their_figures_as_its_columns_and_a_copy_keeps_what_they_come_from() -> None:
    figures = ["characters", "bytes", "tokens", "bits", "bits_per_character", "bits_per_byte", "perplexity"]
    check_columns(Score, figures)
    check_columns(LineScore, LINE)
    check_columns(LabelScore, [*LINE, "label", "label_probability", "given_label"])
    for line in score_lines(NETWORKS[CHAR], CHAR, ["abc", ""], entropies=True):
        assert asdict(line) == {name: getattr(line, name) for name in LINE}
        again = replace(line, line=7)
        assert (again.line, again.bits, again.expected_bits) == (7, line.bits, line.expected_bits)
        assert again.token_nats is line.token_nats
        assert again.apart is line.apart


ADAPTED: list[Tokenizer] = [CHAR, SYMBOLS]
READ_TWICE = "ab cab\nß abc é🙂 abc"
FIVE_LINES = ["abc", "", "ab cab ß", "é", "abc"]


def scorer(tokenizer: Tokenizer, using: str = "both", learns: bool = False) -> AdaptingScorer:
    network = network_for(tokenizer)
    adapter = None if using == "lstm" else Adapter(tokenizer.rows, 0, using=using)
    learning = gradients.AdaptingNetwork(network.config, random_weights(network.config)) if learns else None
    return AdaptingScorer(network, tokenizer, adapter, using, learning)


@pytest.mark.parametrize("tokenizer", ADAPTED)
def test_a_network_that_stays_as_it_is_costs_what_scoring_says(tokenizer: Tokenizer) -> None:
    network = network_for(tokenizer)
    found = scorer(tokenizer, using="lstm").score(READ_TWICE)
    assert close(found.token_nats, score(network, tokenizer, READ_TWICE).token_nats)
    lines = scorer(tokenizer, using="lstm").score_lines(FIVE_LINES)
    for line, plain in zip(lines, score_lines(network, tokenizer, FIVE_LINES), strict=True):
        assert close(line.token_nats, plain.token_nats)
        assert (line.line, line.text, line.bytes) == (plain.line, plain.text, plain.bytes)
        assert line.characters == plain.characters


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("tokenizer", ADAPTED)
def test_what_was_read_once_costs_less_the_second_time(tokenizer: Tokenizer, learns: bool) -> None:
    reader = scorer(tokenizer, learns=learns)
    first, second = reader.score(READ_TWICE * 2), reader.score(READ_TWICE * 2)
    assert second.nats < 0.8 * first.nats
    assert set(first.apart) == {"lstm", "ngram", "both"}
    assert first.apart["both"] == pytest.approx(first.nats_per_character)
    lines = reader.score_lines(["cccc"] * 40)
    assert lines[-1].nats < 0.5 * lines[0].nats


def test_the_network_scores_before_it_learns_and_moves_back_towards_the_trained_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still, learning = scorer(CHAR, using="lstm"), scorer(CHAR, using="lstm", learns=True)
    text = "abcabc " * 60
    assert learning.score(text).nats < 0.9 * still.score(text).nats
    assert learning.adapts == ["lstm"]
    first, untouched = scorer(CHAR, using="lstm", learns=True).score("abcab "), still.score("abcab ")
    assert close(first.token_nats, untouched.token_nats)
    monkeypatch.setattr(gradients, "RATE", 0.0)
    config = network_for(CHAR).config
    moved = gradients.AdaptingNetwork(config, random_weights(config))
    weights = list(moved._network.parameters())
    trained = [weight.detach().numpy().copy() for weight in weights]
    for weight in weights:
        weight.data += 1
    moved.read(np.zeros((3, 1), np.int64), np.zeros((3, 1), np.int64))
    for weight, before in zip(weights, trained, strict=True):
        assert weight.detach().numpy() == pytest.approx(before + 1 - gradients.DECAY, abs=1e-5)


def test_lines_are_learned_in_their_order_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["abc abc", "b", "", "cc", "abc abc", "a" * 30, "abc abc"] * 3
    whole = scorer(CHAR).score_lines(lines)
    monkeypatch.setattr(adapting, "NUMBERS_AT_ONCE", 24 * CHAR.rows)
    monkeypatch.setattr(adapting, "TOKENS_PER_STEP", 8)  # a long line is read in pieces
    parts = scorer(CHAR).score_lines(lines)
    one_by_one = scorer(CHAR)
    for k, line in enumerate(lines):
        alone = one_by_one.score_lines([line])[0]
        assert parts[k].token_nats == pytest.approx(whole[k].token_nats, abs=1e-4)
        assert alone.token_nats == pytest.approx(whole[k].token_nats, abs=1e-4)


@pytest.mark.parametrize("learns", [False, True])
def test_a_text_that_comes_in_parts_is_learned_from_as_the_whole(learns: bool) -> None:
    text, cut = "ab cab abc " * 9, 2 * adapting.TOKENS_PER_STEP
    whole, reader = scorer(CHAR, learns=learns).score(text), scorer(CHAR, learns=learns)
    first = reader.score(text[:cut])
    second = reader.score(text[cut:], after=first)
    assert [*first.token_nats, *second.token_nats] == pytest.approx(whole.token_nats, abs=1e-4)
    assert reader.score("", after=second).nats == 0
    assert reader.score_lines([]) == []
    for wrong in ("", "a\ud800"):
        with pytest.raises(TextError):
            reader.score(wrong)
    with pytest.raises(TextError):
        reader.score_lines(["a\ud800"])


LABELS = ("ab", "c", "a longer one", "ß")
LETTERS = "abcß\t\n oenlgr"
WITH_LABELS: list[Tokenizer] = [
    CharTokenizer.of(LETTERS),
    CharTokenizer.of(LETTERS, lowercase=True),
    SymbolTokenizer.of(LETTERS, texts=["ab\tab abc abc\na longer one\tabc ab"]),
]
OF_LABELS = {one: [network_for(one), mixture_for(one)] for one in WITH_LABELS}
pairs = st.sampled_from([(one, network) for one in WITH_LABELS for network in OF_LABELS[one]])


@settings(max_examples=30)
@example([], 64, (WITH_LABELS[0], OF_LABELS[WITH_LABELS[0]][0]))
@given(st.lists(st.text("abcß\te", max_size=9), max_size=5), st.integers(1, 3), pairs)
def test_the_label_follows_by_bayes_from_the_cost_of_the_line_under_every_label(
    lines: list[str], lanes: int, pair: tuple[Tokenizer, Network]
) -> None:
    tokenizer, network = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "MOST_LANES", lanes)
        found = classify(network, tokenizer, LABELS, lines)
    for number, (one, line) in enumerate(zip(found, lines, strict=True), start=1):
        label, tab, rest = line.partition("\t")
        given = label if tab and label in LABELS else None  # which is not part of the text
        assert (one.line, one.given_label, one.text) == (number, given, rest if given else line)
        under = [score_lines(network, tokenizer, [f"{label}\t{one.text}"])[0].nats for label in LABELS]
        joint = [math.exp(-nats) for nats in under]  # P(label, tab, text, end) of each
        assert one.nats == pytest.approx(-math.log(sum(joint)), abs=1e-4)
        assert list(one.probabilities.values()) == pytest.approx([p / sum(joint) for p in joint], abs=1e-4)
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert one.label_probability == one.probabilities[one.label] == max(one.probabilities.values())
        assert one.tokens == len(tokenizer.encode(one.text)) + 1
        assert one.characters == len(one.text) + 1


def test_a_given_label_is_known_in_the_models_own_case_and_what_is_no_text_is_refused() -> None:
    lower, [network, _] = WITH_LABELS[1], OF_LABELS[WITH_LABELS[1]]
    [one] = classify(network, lower, LABELS, ["AB\tCab"])
    assert (one.given_label, one.text) == ("ab", "Cab")
    assert repr(one).startswith("LabelScore(1: 'Cab', ")
    assert asdict(one)["label"] == one.label
    assert replace(one, line=2).probabilities == one.probabilities
    for wrong in ("\ud800", b"ab"):
        with pytest.raises(TextError):
            classify(network, lower, LABELS, ["a", wrong])  # type: ignore[list-item]
