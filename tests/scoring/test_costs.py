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
from afterword.model.network.config import Config
from afterword.model.network.network import Network
from afterword.model.ngram.mixture import Mixture
from afterword.model.ngram.tables import Ngram
from afterword.model.threads import PRODUCTS
from afterword.scoring import costs
from afterword.scoring.costs import Cost, LineScore, Score, score, score_lines, total
from afterword.scoring.labels import LabelScore
from afterword.scoring.odd_lines import OddLine
from afterword.text import tokenizer as tokenizing
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.tiny import random_weights

CHAR, LOWER = CharTokenizer.of("abcß\n "), CharTokenizer.of("abc ", lowercase=True)
CLASSIC = ClassicTokenizer.of("abcß\n é漢🙂")
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


@settings(max_examples=60)
@example([""], 1, 1, CLASSIC)  # no token at all
@given(st.lists(texts | st.just("abc" * 30), max_size=9), st.integers(1, 4), st.integers(1, 2000), tokenizers)
def test_a_line_costs_what_it_costs_alone(lines: list[str], lanes: int, numbers: int, tokenizer: Tokenizer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "LINES_AT_ONCE", lanes)
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


def test_without_a_boundary_token_an_empty_line_has_no_cost() -> None:
    empty, line = score_lines(NETWORKS[CLASSIC], CLASSIC, ["", "a"])
    assert (empty.characters, empty.tokens, empty.bits_per_character) == (0, 0, 0)
    assert line.characters == 1
    assert line.nats == pytest.approx(math.log(CLASSIC.rows))


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
        (OddLine, [*LINE, "figure", "p_value", "odd", "odd_pieces"]),
    ],
)
def test_a_table_of_scores_has_their_figures_as_its_columns(kind: type[Cost], columns: list[str]) -> None:
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
