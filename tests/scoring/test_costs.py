"""What texts and lines cost: as they are, while the model learns from them, and whatever their label."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config, weight_shapes
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


TOKENIZERS: list[Tokenizer] = [CHAR, LOWER, SYMBOLS, CLASSIC]
NETWORKS = {tokenizer: network_for(tokenizer) for tokenizer in TOKENIZERS}
MODELS = {
    one: LanguageModel(SavedModel(NETWORKS[one].config, random_weights(NETWORKS[one].config), one, [], {}))
    for one in TOKENIZERS
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
    assert result.nats == pytest.approx(sum(expected), abs=1e-4)
    assert (result.characters, result.bytes) == (len(text), len(text.encode()))


@settings(max_examples=50)
@given(st.lists(texts, max_size=5), tokenizers, st.integers(1, 3))
def test_a_text_in_parts_costs_what_the_whole_costs(pieces: list[str], tokenizer: Tokenizer, longest: int) -> None:
    network, text = NETWORKS[tokenizer], "".join(pieces).replace("İ", "")
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
@given(st.lists(texts | st.just("abc" * 30), max_size=9), st.integers(1, 4), st.integers(1, 2000), tokenizers)
def test_a_line_costs_what_it_costs_alone(lines: list[str], lanes: int, numbers: int, tokenizer: Tokenizer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "MOST_LANES", lanes)
        patch.setattr(costs, "NUMBERS_AT_ONCE", numbers)
        results = score_lines(NETWORKS[tokenizer], tokenizer, lines)
    assert [(result.line, result.text) for result in results] == list(enumerate(lines, start=1))
    for result, line in zip(results, lines, strict=True):
        end = [] if tokenizer.end is None else [tokenizer.end]
        ids = np.append(tokenizer.encode(line), np.array(end, np.int32))
        assert close(result.token_nats, token_by_token(tokenizer, ids))
        assert result.characters == len(line) + len(end)
        assert result.bytes == len(line.encode()) + len(end)


def test_figures_are_sums_and_means_of_the_token_costs() -> None:
    result = Score(np.array([0.5, 1.5, 1.0]), characters=2, bytes=4)
    assert (result.tokens, result.nats, result.nats_per_character) == (3, 3.0, 1.5)
    assert result.bits == 3 / math.log(2)
    assert result.bits_per_character == 1.5 / math.log(2)
    assert result.bits_per_byte == 0.75 / math.log(2)
    assert result.perplexity == pytest.approx(math.e)


def test_an_empty_text_costs_nothing_and_an_empty_line_its_end() -> None:
    empty = score(NETWORKS[CHAR], CHAR, "")
    assert (empty.characters, empty.tokens, empty.nats, empty.bits_per_character) == (0, 0, 0, 0)
    assert (empty.bytes, empty.bits_per_byte) == (0, 0)
    assert empty.perplexity == 1
    assert score_lines(NETWORKS[CHAR], CHAR, []) == []
    (line,) = score_lines(NETWORKS[CHAR], CHAR, [""])
    assert isinstance(line, LineScore)
    assert (line.characters, line.tokens) == (1, 1)
    assert line.bits_per_character == line.bits > 0


@pytest.mark.parametrize(
    ("tokenizer", "text", "says"),
    [
        (CLASSIC, "ax", "'x' at character 1 is not one of them"),
        (CHAR, "ab\ud800", "surrogate"),
        (SYMBOLS, "\udfff", "surrogate"),
    ],
)
def test_what_a_model_cannot_read_is_refused(tokenizer: Tokenizer, text: str, says: str) -> None:
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


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda one: one.kind)
def test_progress_goes_up_to_all_of_it(tokenizer: Tokenizer) -> None:
    network = NETWORKS[tokenizer]
    for call in (
        lambda tell: score(network, tokenizer, "abc" * 300, tell),
        lambda tell: score_lines(network, tokenizer, ["abc" * k for k in range(99)], tell),
    ):
        told: list[float] = []
        call(told.append)
        assert told == sorted(told)
        assert told[-1] == 1


def test_an_lstm_that_predicts_alone_looks_up_no_n_gram(monkeypatch: pytest.MonkeyPatch) -> None:
    network, rows = NETWORKS[CHAR], CHAR.rows
    ngram = Ngram.learn(network.rows(CHAR.encode("abcab")), rows, boundary=rows - 2, start=0)
    alone = Mixture(network.config, random_weights(network.config), ngram, 0.4, "lstm")
    monkeypatch.delattr(Mixture, "read_apart")
    monkeypatch.delattr(Mixture, "_found")
    found, expected = score(alone, CHAR, "abc"), score(network, CHAR, "abc")
    assert close(found.token_nats, expected.token_nats)
    assert found.apart == {"lstm": found.nats_per_character}


LINE = ["line", "text", "bits", "bits_per_character", "characters", "bytes", "tokens"]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (Score, ["characters", "bytes", "tokens", "bits", "bits_per_character", "bits_per_byte", "perplexity"]),
        (LineScore, LINE),
        (LabelScore, [*LINE, "label", "label_probability", "given_label"]),
    ],
)
def test_a_table_of_scores_has_their_figures_as_its_columns(kind: type[Cost], columns: list[str]) -> None:
    check_columns(kind, columns)


def check_columns(kind: type[Cost], columns: list[str]) -> None:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    assert names == columns  # of pandas.DataFrame
    assert [name for name in get_type_hints(kind) if name in names] == columns  # of polars.DataFrame


def test_a_table_has_the_figures_of_each_line_and_a_copy_keeps_what_they_come_from() -> None:
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
    if not learns:
        return AdaptingScorer(network, tokenizer, adapter, using, None)
    from afterword.learning.gradients import AdaptingNetwork

    return AdaptingScorer(
        network, tokenizer, adapter, using, AdaptingNetwork(network.config, random_weights(network.config))
    )


@pytest.mark.parametrize("tokenizer", ADAPTED)
def test_a_network_that_stays_as_it_is_costs_what_scoring_says(tokenizer: Tokenizer) -> None:
    network = network_for(tokenizer)
    found = scorer(tokenizer, using="lstm").score(READ_TWICE)
    assert found.token_nats == pytest.approx(score(network, tokenizer, READ_TWICE).token_nats, abs=1e-5)
    lines = scorer(tokenizer, using="lstm").score_lines(FIVE_LINES)
    for line, plain in zip(lines, score_lines(network, tokenizer, FIVE_LINES), strict=True):
        assert line.token_nats == pytest.approx(plain.token_nats, abs=1e-5)
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


def test_each_step_moves_the_weights_back_towards_the_trained_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    from afterword.learning import gradients

    monkeypatch.setattr(gradients, "RATE", 0.0)
    config = network_for(CHAR).config
    learning = gradients.AdaptingNetwork(config, random_weights(config))
    weights = list(learning._network.parameters())
    trained = [weight.detach().numpy().copy() for weight in weights]
    for weight in weights:
        weight.data += 1
    rows = np.zeros((3, 1), np.int64)
    learning.read(rows, rows)
    for weight, before in zip(weights, trained, strict=True):
        assert weight.detach().numpy() == pytest.approx(before + 1 - gradients.DECAY, abs=1e-5)


def test_the_network_learns_too_and_the_saved_weights_stay() -> None:
    tokenizer = ADAPTED[0]
    still, learning = scorer(tokenizer, using="lstm"), scorer(tokenizer, using="lstm", learns=True)
    text = "abcabc " * 60
    assert learning.score(text).nats < 0.9 * still.score(text).nats
    assert learning.adapts == ["lstm"]
    first, untouched = scorer(tokenizer, using="lstm", learns=True).score("abcab "), still.score("abcab ")
    assert first.token_nats == pytest.approx(untouched.token_nats, abs=1e-5)  # scored before anything is learned


def test_lines_are_learned_in_their_order_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["abc abc", "b", "", "cc", "abc abc", "a" * 30, "abc abc"] * 3
    whole = scorer(ADAPTED[0]).score_lines(lines)
    monkeypatch.setattr(adapting, "NUMBERS_AT_ONCE", 24 * ADAPTED[0].rows)
    monkeypatch.setattr(adapting, "TOKENS_PER_STEP", 8)  # a long line is read in pieces
    parts = scorer(ADAPTED[0]).score_lines(lines)
    one_by_one = scorer(ADAPTED[0])
    for k, line in enumerate(lines):
        alone = one_by_one.score_lines([line])[0]
        assert parts[k].token_nats == pytest.approx(whole[k].token_nats, abs=1e-4)
        assert alone.token_nats == pytest.approx(whole[k].token_nats, abs=1e-4)


@pytest.mark.parametrize("learns", [False, True])
def test_a_text_that_comes_in_parts_is_learned_from_as_the_whole(learns: bool) -> None:
    text, cut = "ab cab abc " * 9, 2 * adapting.TOKENS_PER_STEP
    whole, reader = scorer(ADAPTED[0], learns=learns).score(text), scorer(ADAPTED[0], learns=learns)
    first = reader.score(text[:cut])
    second = reader.score(text[cut:], after=first)
    assert [*first.token_nats, *second.token_nats] == pytest.approx(whole.token_nats, abs=1e-4)


def test_an_empty_text_and_a_lone_surrogate_are_refused() -> None:
    reader = scorer(ADAPTED[0])
    assert reader.score_lines([]) == []
    with pytest.raises(TextError, match="empty"):
        reader.score("")
    assert reader.score("", after=reader.score("ab")).nats == 0
    for read in (reader.score, lambda text: reader.score_lines([text])):  # type: Callable[[str], object]
        with pytest.raises(TextError):
            read("a\ud800")


LABELS = ("ab", "c", "a longer one", "ß")
LETTERS = "abcß\t oenlgr"
WITH_LABELS: list[Tokenizer] = [
    CharTokenizer.of(LETTERS),
    CharTokenizer.of(LETTERS, lowercase=True),
    SymbolTokenizer.of(LETTERS, texts=["ab\tab abc abc\na longer one\tabc ab"]),
]
labelled_texts = st.text("abcß\te", max_size=9)


def networks_for(tokenizer: Tokenizer) -> list[Network]:
    """One with an n-gram and one without."""
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, 5, 9, 2)
    random = np.random.default_rng(0)
    weights = {n: random.normal(0, 0.5, s).astype(np.float32) for n, s in weight_shapes(config).items()}
    assert tokenizer.end is not None
    ngram = Ngram.learn(random.integers(0, tokenizer.rows, 200), tokenizer.rows, tokenizer.end, tokenizer.end)
    return [Network(config, weights), Mixture(config, weights, ngram, 0.4)]


OF_LABELS = {one: networks_for(one) for one in WITH_LABELS}
pairs = st.sampled_from([(one, network) for one in WITH_LABELS for network in OF_LABELS[one]])


@settings(max_examples=30)
@example([], 64, (WITH_LABELS[0], OF_LABELS[WITH_LABELS[0]][0]))
@given(st.lists(labelled_texts, max_size=5), st.integers(1, 3), pairs)
def test_the_label_follows_by_bayes_from_the_cost_of_the_line_under_every_label(
    lines: list[str], lanes: int, pair: tuple[Tokenizer, Network]
) -> None:
    tokenizer, network = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "MOST_LANES", lanes)
        found = classify(network, tokenizer, LABELS, lines)
    assert [(one.line, one.given_label is None or one.given_label in LABELS) for one in found] == [
        (k, True) for k in range(1, len(lines) + 1)
    ]
    for one in found:
        joint = [
            math.exp(-score_lines(network, tokenizer, [f"{label}\t{one.text}"])[0].nats) for label in LABELS
        ]  # P(label, tab, text, end) of each
        assert one.nats == pytest.approx(-math.log(sum(joint)), abs=1e-4)
        assert list(one.probabilities.values()) == pytest.approx([p / sum(joint) for p in joint], abs=1e-4)
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert one.label_probability == one.probabilities[one.label] == max(one.probabilities.values())
        assert one.tokens == len(tokenizer.encode(one.text)) + 1
        assert one.characters == len(one.text) + 1


def test_a_label_that_the_line_gives_is_not_part_of_its_text() -> None:
    tokenizer, [network, _] = WITH_LABELS[0], OF_LABELS[WITH_LABELS[0]]
    with_label, without, unknown, empty, two = classify(
        network, tokenizer, LABELS, ["ab\tcab", "cab", "b\tcab", "c\t", "ab\tc\tb"]
    )
    assert (with_label.given_label, with_label.text) == ("ab", "cab")
    assert (without.given_label, without.text) == (None, "cab")
    assert with_label.bits == pytest.approx(without.bits)
    assert (unknown.given_label, unknown.text) == (None, "b\tcab")
    assert (empty.given_label, empty.text, empty.characters) == ("c", "", 1)
    assert (two.given_label, two.text) == ("ab", "c\tb")
    assert repr(with_label).startswith("LabelScore(1: 'cab', ")
    assert asdict(with_label)["label"] == with_label.label
    assert replace(with_label, line=2).probabilities == with_label.probabilities


def test_a_given_label_is_known_in_the_models_own_case() -> None:
    lower = WITH_LABELS[1]
    [one] = classify(OF_LABELS[lower][0], lower, LABELS, ["AB\tCab"])
    assert (one.given_label, one.text) == ("ab", "Cab")


def test_what_is_no_text_is_refused_and_progress_goes_up_to_all_of_it() -> None:
    tokenizer, [network, _] = WITH_LABELS[0], OF_LABELS[WITH_LABELS[0]]
    for wrong in ("\ud800", b"ab"):
        with pytest.raises(TextError):
            classify(network, tokenizer, LABELS, ["a", wrong])  # type: ignore[list-item]
    told: list[float] = []
    classify(network, tokenizer, LABELS, ["abc" * k for k in range(9)], told.append)
    assert told == sorted(told)
    assert told[-1] == 1
