from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import ModelError
from afterword.model.ngram import tables as ngram
from afterword.model.ngram.tables import Ngram

ROWS = 6
BOUNDARY = 5
texts = st.lists(st.integers(0, 4), min_size=1, max_size=80)
orders = st.integers(1, 5)


def following(found: Ngram, context: list[int]) -> np.ndarray:
    """P [R] of what follows `context`, of any length."""
    if not context:
        return found.unconditional
    return np.asarray(found.probabilities(np.array([context]), len(context) - 1)[0, 0])


class Obvious:
    """Interpolated modified Kneser-Ney by the book: dictionaries, one text or many lines, no arrays."""

    def __init__(self, lines: list[list[int]], order: int) -> None:
        """Each line with the token before it first."""
        self.order = order
        occurred: list[dict[tuple[int, ...], int]] = [defaultdict(int) for _ in range(order + 1)]
        for line in lines:
            for end in range(1, len(line)):
                for n in range(1, min(order, end + 1) + 1):
                    occurred[n][tuple(line[end - n + 1 : end + 1])] += 1
        self.counts: list[dict[tuple[int, ...], int]] = [{} for _ in range(order + 1)]
        for n in range(1, order + 1):
            for gram, count in occurred[n].items():
                before = {longer[0] for longer in occurred[n + 1] if longer[1:] == gram} if n < order else set()
                self.counts[n][gram] = len(before) or count

    def discount(self, n: int, count: int) -> float:
        once = [sum(value == k for value in self.counts[n].values()) for k in range(5)]
        share = once[1] / max(once[1] + 2 * once[2], 1)
        k = min(count, 3)
        return min(max(k - (k + 1) * share * once[k + 1] / max(once[k], 1), 0.1), k - 0.1)

    def probability(self, context: list[int], token: int) -> float:
        probability = 1 / ROWS
        for n in range(1, self.order + 1):
            if n - 1 > len(context):
                break
            before = tuple(context[len(context) - n + 1 :])
            after = {gram[-1]: count for gram, count in self.counts[n].items() if gram[:-1] == before}
            if not after:
                break
            total = sum(after.values())
            left = sum(self.discount(n, count) for count in after.values())
            mine = after[token] - self.discount(n, after[token]) if token in after else 0.0
            probability = mine / total + left / total * probability
        return probability


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=12),
    st.booleans(),
    orders,
    st.lists(st.integers(0, 5), max_size=6),
)
def test_texts_are_counted_as_the_book_says_and_nothing_reaches_across_lines(
    lines: list[list[int]], apart: bool, order: int, context: list[int]
) -> None:
    if apart:
        ids, start = [token for line in lines for token in [*line, BOUNDARY]], BOUNDARY
        slow = Obvious([[BOUNDARY, *line, BOUNDARY] for line in lines], order)
        contexts = [[BOUNDARY], [BOUNDARY, *context[:2]], [BOUNDARY, *lines[0]]]
    else:
        ids, start = [*(token for line in lines for token in line), 1], 0
        slow = Obvious([[0, *ids]], order)
        contexts = [context]
    found = Ngram.learn(np.array(ids), ROWS, BOUNDARY, start, order)
    for read in contexts:
        before = [start if token == BOUNDARY else token for token in read]
        expected = [slow.probability(before, token) for token in range(ROWS)]
        np.testing.assert_allclose(following(found, read), expected, rtol=1e-4, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(texts, orders, st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=3))
def test_many_places_at_once_are_each_as_one_alone(text: list[int], order: int, read: list[list[int]]) -> None:
    found = Ngram.learn(np.array(text), ROWS, BOUNDARY, start=1, order=order)
    ids = np.array(read)
    for before in range(4):
        together = found.probabilities(ids, before)
        assert together.shape == (len(read), 4 - before, ROWS)
        np.testing.assert_allclose(together.sum(axis=-1), 1, atol=1e-5)
        assert together.min() > 0
        for lane in range(len(read)):
            for place in range(before, 4):
                alone = following(found, ids[lane, : place + 1].tolist())
                np.testing.assert_array_equal(together[lane, place - before], alone)


def test_a_text_that_repeats_is_foretold() -> None:
    found = Ngram.learn(np.tile([0, 1, 2, 3, 4], 200), ROWS, BOUNDARY, start=0)
    assert following(found, [2, 3, 4, 0, 1, 2, 3])[4] > 0.95


def test_tokens_of_many_bits_make_shorter_n_grams() -> None:
    ids = np.random.default_rng(0).integers(0, 2**20, 500)
    assert Ngram.learn(ids, 2**20, 2**20 - 1, 0).order == 3
    assert Ngram.learn(ids % 100, 101, 100, 0).order == ngram.HIGHEST_ORDER


def test_a_long_text_is_counted_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "MOST_COUNTED", 640)
    text = np.repeat(np.arange(5), 1000)
    probabilities = Ngram.learn(text, ROWS, BOUNDARY, 0, order=1).unconditional
    assert probabilities[:5].min() > 0.1


def test_it_comes_back_from_its_tensors() -> None:
    ids = np.random.default_rng(0).integers(0, 5, 300)
    first = Ngram.learn(ids, ROWS, BOUNDARY, 0)
    second = Ngram.from_tensors(first.tensors())
    assert second.checksum == first.checksum
    np.testing.assert_array_equal(second.probabilities(ids[None], 0), first.probabilities(ids[None], 0))


def test_tensors_that_do_not_fit_together_are_refused() -> None:
    whole = Ngram.learn(np.random.default_rng(0).integers(0, 5, 300), ROWS, BOUNDARY, 0).tensors()
    for name, tensor in whole.items():
        inexact = tensor.astype(np.float64) + 0.5
        wrong = [tensor[:-1], inexact, inexact * np.inf, np.full_like(tensor, 250), tensor[None]]
        for value in wrong:
            with pytest.raises(ModelError):
                Ngram.from_tensors({**whole, name: value})
        with pytest.raises(ModelError):
            Ngram.from_tensors({key: value for key, value in whole.items() if key != name})
