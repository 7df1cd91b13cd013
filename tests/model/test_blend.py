from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.model.network.config import Config
from afterword.model.ngram.blend import AdaptedMixture, Adapter
from afterword.model.ngram.tables import Ngram
from tests.tiny import random_weights

ROWS = 7
CONFIG = Config(ROWS, 1, 4, 6, 2)
PHRASE = [1, 2, 3, 4, 5, 6, 1, 3, 5, 2, 4, 6]
texts = st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=80)


def network(seed: int, length: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 1, (length, ROWS))
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


@given(texts)
def test_each_token_is_scored_before_anything_is_learned_from_it(read: list[int]) -> None:
    """P over all rows sums to one: each row in turn, after the same text."""
    rows, said = np.array(read), network(0, len(read))
    whole = []
    for last in range(ROWS):
        adapter = Adapter(ROWS, 0)
        whole.append(np.exp([-nats[-1] for nats in adapter.read(np.append(rows[:-1], last), said)]))
    assert np.sum(whole, axis=0) == pytest.approx([1, 1])


@given(texts, st.integers(0, 80))
def test_pieces_do_not_matter(read: list[int], cut: int) -> None:
    rows, said = np.array(read), network(1, len(read))
    whole, pieces = Adapter(ROWS, 0), Adapter(ROWS, 0)
    once = whole.read(rows, said)
    parts = [pieces.read(rows[:cut], said[:cut]), pieces.read(rows[cut:], said[cut:])]
    for k in range(2):
        assert np.array_equal(once[k], np.concatenate([part[k] for part in parts]))


@pytest.mark.parametrize("using", ["both", "ngram"])
def test_what_a_text_says_again_costs_less(using: str) -> None:
    phrase = np.random.default_rng(2).integers(0, ROWS, 40)
    adapter = Adapter(ROWS, 0, using=using)
    costs = [adapter.read(phrase, network(3, 40))[1].sum() for _ in range(5)]
    assert costs[1] < 0.7 * costs[0]
    assert costs[4] < 0.3 * costs[0]


def test_where_nothing_returns_the_weights_turn_to_the_network() -> None:
    """Its predictions are right, and the n-gram's are noise: what both cost comes near what the network costs."""
    random = np.random.default_rng(4)
    rows = random.integers(0, ROWS, 4000)
    said = np.full((4000, ROWS), np.log(0.4 / (ROWS - 1)))
    said[np.arange(4000), rows] = np.log(0.6)
    _, both = Adapter(ROWS, 0).read(rows, said)
    assert both[-1000:].mean() < 1.1 * -np.log(0.6)


@pytest.fixture(params=["both", "ngram"])
def adapted(request: pytest.FixtureRequest) -> AdaptedMixture:
    """What writes after a text that says `PHRASE` three times."""
    ngram = Ngram.learn(np.random.default_rng(0).integers(0, ROWS, 300), ROWS, 0, 0)
    adapter = Adapter(ROWS, 0, ngram, request.param)
    text = np.array(PHRASE * 3)
    adapter.read(text, network(5, len(text)))
    return AdaptedMixture(CONFIG, random_weights(CONFIG), adapter, None, None)


def test_what_was_read_is_what_it_expects_and_it_learns_no_more(adapted: AdaptedMixture) -> None:
    state = adapted.start()
    for _ in range(3):
        logits, _ = adapted.advance(np.array([[0, *PHRASE[:8]]]), state)
        assert np.exp(logits).sum() == pytest.approx(1, abs=1e-5)
        assert logits[0].argmax() == PHRASE[8]
        assert logits[0, PHRASE[8]] > np.log(0.5)
    first, after = adapted.advance(np.array([[0, *PHRASE[:8]]]), state)
    assert np.array_equal(first, logits)
    [(_, match, _)] = after.recent
    assert (match.rows, match.next) == (8, PHRASE[8])
