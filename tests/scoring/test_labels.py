"""The likeliest label, and what a line costs whatever its label: held to the plain cost of every labelled line."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.network import Network
from afterword.model.ngram.mixture import Mixture
from afterword.model.ngram.tables import Ngram
from afterword.scoring import costs
from afterword.scoring.costs import score_lines
from afterword.scoring.labels import classify
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer

LABELS = ("ab", "c", "a longer one", "ß")
LETTERS = "abcß\t oenlgr"
TOKENIZERS: list[Tokenizer] = [
    CharTokenizer.of(LETTERS),
    CharTokenizer.of(LETTERS, lowercase=True),
    SymbolTokenizer.of(LETTERS, texts=["ab\tab abc abc\na longer one\tabc ab"]),
]
texts = st.text("abcß\te", max_size=9)


def networks_for(tokenizer: Tokenizer) -> list[Network]:
    """One with an n-gram and one without."""
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, 5, 9, 2)
    random = np.random.default_rng(0)
    weights = {n: random.normal(0, 0.5, s).astype(np.float32) for n, s in weight_shapes(config).items()}
    assert tokenizer.end is not None
    ngram = Ngram.learn(random.integers(0, tokenizer.rows, 200), tokenizer.rows, tokenizer.end, tokenizer.end)
    return [Network(config, weights), Mixture(config, weights, ngram, 0.4)]


NETWORKS = {tokenizer: networks_for(tokenizer) for tokenizer in TOKENIZERS}
pairs = st.sampled_from([(tokenizer, network) for tokenizer in TOKENIZERS for network in NETWORKS[tokenizer]])


@example([], 64, (TOKENIZERS[0], NETWORKS[TOKENIZERS[0]][0]))
@given(st.lists(texts, max_size=5), st.integers(1, 3), pairs)
def test_the_label_follows_by_bayes_from_the_cost_of_the_line_under_every_label(
    lines: list[str], lanes: int, pair: tuple[Tokenizer, Network]
) -> None:
    tokenizer, network = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "LINES_AT_ONCE", lanes)
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
    tokenizer, [network, _] = TOKENIZERS[0], NETWORKS[TOKENIZERS[0]]
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
    lower = TOKENIZERS[1]
    [one] = classify(NETWORKS[lower][0], lower, LABELS, ["AB\tCab"])
    assert (one.given_label, one.text) == ("ab", "Cab")


def test_what_is_no_text_is_refused_and_progress_goes_up_to_all_of_it() -> None:
    tokenizer, [network, _] = TOKENIZERS[0], NETWORKS[TOKENIZERS[0]]
    for wrong in ("\ud800", b"ab"):
        with pytest.raises(TextError):
            classify(network, tokenizer, LABELS, ["a", wrong])  # type: ignore[list-item]
    told: list[float] = []
    classify(network, tokenizer, LABELS, ["abc" * k for k in range(9)], told.append)
    assert told == sorted(told)
    assert told[-1] == 1
