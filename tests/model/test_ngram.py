"""Laws of the n-gram: counted, looked up, grown while reading, blended and mixed with a network."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from afterword.errors import ModelError
from afterword.model.network.config import Config
from afterword.model.network.network import Network
from afterword.model.ngram import growing, lookup, repeating
from afterword.model.ngram import tables as ngram_tables
from afterword.model.ngram.blend import Adapter
from afterword.model.ngram.growing import BOOST, DISCOUNT, GrowingNgram
from afterword.model.ngram.lookup import EMPTY, Lookup
from afterword.model.ngram.mixture import Mixture, fitted_weight, mixed
from afterword.model.ngram.repeating import LONGEST, SHORTEST, LongestMatch
from afterword.model.ngram.tables import Ngram
from tests.tiny import random_weights

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


@settings(max_examples=60)
@given(texts, orders, st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=3))
def test_many_places_at_once_are_each_as_one_alone(text: list[int], order: int, read: list[list[int]]) -> None:
    found = Ngram.learn(np.array(text), ROWS, BOUNDARY, start=1, order=order)
    for before in range(4):
        together = found.probabilities(np.array(read), before)
        assert together.shape == (len(read), 4 - before, ROWS)
        np.testing.assert_allclose(together.sum(axis=-1), 1, atol=1e-5)
        assert together.min() > 0
        expected = [[following(found, lane[: place + 1]) for place in range(before, 4)] for lane in read]
        np.testing.assert_array_equal(together, expected)


def test_tokens_of_many_bits_make_shorter_n_grams_and_a_long_text_is_counted_in_stretches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = np.random.default_rng(0).integers(0, 2**20, 500)
    assert Ngram.learn(ids, 2**20, 2**20 - 1, 0).order == 3
    assert Ngram.learn(ids % 100, 101, 100, 0).order == ngram_tables.HIGHEST_ORDER
    monkeypatch.setattr(ngram_tables, "MOST_COUNTED", 640)
    assert Ngram.learn(np.repeat(np.arange(5), 1000), ROWS, BOUNDARY, 0, order=1).unconditional[:5].min() > 0.1


def test_it_comes_back_from_its_tensors_if_they_fit_together() -> None:
    ids = np.random.default_rng(0).integers(0, 5, 300)
    first = Ngram.learn(ids, ROWS, BOUNDARY, 0)
    whole = first.tensors()
    second = Ngram.from_tensors(whole)
    assert second.checksum == first.checksum
    np.testing.assert_array_equal(second.probabilities(ids[None], 0), first.probabilities(ids[None], 0))
    for name, tensor in whole.items():
        inexact = tensor.astype(np.float64) + 0.5
        wrong = [tensor[:-1], inexact, inexact * np.inf, np.full_like(tensor, 250), tensor[None]]
        without = {key: value for key, value in whole.items() if key != name}
        for changed in (without, *({**whole, name: value} for value in wrong)):
            with pytest.raises(ModelError):
                Ngram.from_tensors(changed)


MANY_ROWS = 30
LAST = MANY_ROWS - 1
tokens = st.integers(0, 3) | st.integers(0, LAST)  # few, so that contexts return, and any
texts_of_many = st.lists(tokens, min_size=1, max_size=200)


def learned(text: list[int], lines: bool, order: int) -> Ngram:
    return Ngram.learn(np.array(text), MANY_ROWS, LAST, LAST if lines else 0, order)


@pytest.mark.parametrize(("kept", "tables"), [(0, 0), (5, 4000), (10**6, 4000), (0, 10**6)])
@settings(max_examples=60)
@given(text=texts, lines=st.booleans(), order=st.integers(1, 8), written=texts)
def test_what_follows_is_what_the_tables_say_bit_for_bit(
    kept: int, tables: int, text: list[int], lines: bool, order: int, written: list[int]
) -> None:
    ngram = learned(text, lines, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "KEPT_BYTES", kept * (4 * MANY_ROWS + lookup.OVERHEAD))
        patch.setattr(ngram_tables, "TABLES", tables)
        found = Lookup(ngram)
        found.following(EMPTY)
    ids = np.array([text + written])  # first contexts that the model knows, then any
    expected = ngram.probabilities(ids, 0)[0]
    contexts, ends = [EMPTY], [EMPTY]
    np.testing.assert_array_equal(found.following(EMPTY)[0], ngram.unconditional)
    for row, probabilities in zip(ids[0].tolist(), expected, strict=True):
        contexts.append(found.extended(contexts[-1], [row]))
        for context in (contexts[-1], contexts[-1], found.extended(ends[-1], [row])):  # twice, when it may be kept
            alone, end = found.following(context)
            np.testing.assert_array_equal(alone, probabilities)
        ends.append(end)  # what is known is all that counts
    assert len(found._kept) <= kept
    for number in (lookup.MANY - 1, len(ids[0])):  # each alone, and many together
        together, of_each = found.following_each(np.array(contexts[1 : 1 + number], np.uint64))
        np.testing.assert_array_equal(together, expected[:number])
        assert [*map(int, of_each)] == ends[1 : 1 + number]
    pushed = found.pushed_each(contexts, np.array(contexts) % MANY_ROWS)
    assert pushed.tolist() == [found.pushed(context, context % MANY_ROWS) for context in contexts]


@given(texts_of_many, st.integers(1, 8), st.booleans(), st.integers(0, 9))
def test_a_context_is_the_last_rows_however_they_came(text: list[int], order: int, lines: bool, cut: int) -> None:
    ngram = learned(text, lines, order)
    found = Lookup(ngram)
    whole = found.extended(EMPTY, text)
    assert found.extended(found.extended(EMPTY, text[:cut]), text[cut:]) == whole
    last = text[max(0, len(text) - ngram.order + 1) :]
    assert found.rows(whole) == [ngram.start if row == LAST else row for row in last]


short_texts = st.lists(st.integers(0, 4), min_size=2, max_size=60)


def after(read: list[int], ngram: Ngram | None = None) -> GrowingNgram:
    found = GrowingNgram(ROWS, BOUNDARY, ngram)
    for row in read:
        found.probabilities()
        found.learn(row)
    return found


def from_nothing(read: list[int]) -> np.ndarray:
    """P [R] of what comes after `read` by the definition: a dictionary of counts for each context."""
    rows = [BOUNDARY, *read]
    probabilities = np.full(ROWS, 1 / ROWS)
    for n in range(8):
        if n > len(rows):
            break
        counts: dict[int, float] = {}
        for end in range(1, len(rows)):
            if n <= end and rows[end - n : end] == rows[len(rows) - n :]:
                counts[rows[end]] = counts.get(rows[end], 0.0) + BOOST
        total = sum(counts.values())
        if total:
            probabilities = probabilities * len(counts) * DISCOUNT / total
            for row, count in counts.items():
                probabilities[row] += (count - DISCOUNT) / total
    return probabilities


@given(short_texts)
def test_from_nothing_it_is_what_counting_gives(read: list[int]) -> None:
    assert after(read).probabilities() == pytest.approx(from_nothing(read))


@given(short_texts, short_texts)
def test_it_begins_as_an_ngram_which_stays_as_it_was(trained: list[int], read: list[int]) -> None:
    ngram = Ngram.learn(np.array(trained, np.int32), ROWS, BOUNDARY, BOUNDARY)
    before = Ngram.from_tensors({name: part.copy() for name, part in ngram.tensors().items()}).checksum
    [[begins]] = ngram.probabilities(np.array([[BOUNDARY]]), 0)
    assert GrowingNgram(ROWS, BOUNDARY, ngram).probabilities() == pytest.approx(begins, abs=1e-6)
    grown = after(read, ngram).probabilities()
    assert grown.sum() == pytest.approx(1)
    assert (grown > 0).all()
    assert Ngram.from_tensors(ngram.tensors()).checksum == before


def test_after_a_restart_the_text_before_is_no_context_but_stays_learned() -> None:
    found = after([1, 2, 3] * 5)
    found.restart()
    assert found.probabilities().argmax() == 1  # as the first text began
    found.learn(1)
    assert found.probabilities().argmax() == 2


@settings(max_examples=20)
@given(st.lists(st.integers(0, 4), min_size=200, max_size=300))
def test_when_there_is_no_room_it_forgets_and_goes_on(read: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "MOST_CONTEXTS", 100)
        patch.setattr(growing, "FORGOTTEN", 20)
        found = after(read)
        assert sum(map(len, found._grown)) <= 108
        assert found.probabilities().sum() == pytest.approx(1)


BLENDED = 7
blended_texts = st.lists(st.integers(0, BLENDED - 1), min_size=1, max_size=80)


def network_says(seed: int, length: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 1, (length, BLENDED))
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


@given(blended_texts)
def test_each_token_is_scored_before_anything_is_learned_from_it(read: list[int]) -> None:
    """P over all rows sums to one: each row in turn, after the same text."""
    rows, said = np.array(read), network_says(0, len(read))
    whole = []
    for last in range(BLENDED):
        adapter = Adapter(BLENDED, 0)
        whole.append(np.exp([-nats[-1] for nats in adapter.read(np.append(rows[:-1], last), said)]))
    assert np.sum(whole, axis=0) == pytest.approx([1, 1])


@given(blended_texts, st.integers(0, 80))
def test_pieces_do_not_matter(read: list[int], cut: int) -> None:
    rows, said = np.array(read), network_says(1, len(read))
    whole, pieces = Adapter(BLENDED, 0), Adapter(BLENDED, 0)
    once = whole.read(rows, said)
    parts = [pieces.read(rows[:cut], said[:cut]), pieces.read(rows[cut:], said[cut:])]
    for k in range(2):
        assert np.array_equal(once[k], np.concatenate([part[k] for part in parts]))


def test_where_nothing_returns_the_weights_turn_to_the_network() -> None:
    """Its predictions are right, and the n-gram's are noise: what both cost comes near what the network costs."""
    random = np.random.default_rng(4)
    rows = random.integers(0, BLENDED, 4000)
    said = np.full((4000, BLENDED), np.log(0.4 / (BLENDED - 1)))
    said[np.arange(4000), rows] = np.log(0.6)
    _, both = Adapter(BLENDED, 0).read(rows, said)
    assert both[-1000:].mean() < 1.1 * -np.log(0.6)


def matching(read: list[int], place: int) -> int:
    """How many rows, up to the longest, are the same before `place` and at the end of `read`."""
    length = 0
    while length < min(LONGEST, place) and read[place - 1 - length] == read[-1 - length]:
        length += 1
    return length


@given(st.lists(st.integers(0, 2), max_size=120))
def test_what_it_predicts_came_after_the_same_rows(read: list[int]) -> None:
    match = LongestMatch(3)
    for n, row in enumerate(read, start=1):
        match.learn(row)
        if match.now.rows:
            assert match.now.rows == matching(read[:n], match.now.place)
            assert match.now.next == read[match.now.place]
            assert math.isfinite(match.odds())
        else:
            assert all(matching(read[:n], place) < SHORTEST for place in range(SHORTEST, n))


def test_no_match_reaches_back_over_a_restart() -> None:
    match, now = LongestMatch(9), []
    for row in [1, 2, 3, 4, 5, 6, 7]:
        match.learn(row)
    match.restart()
    for row in [1, 2, 3, 4, 5]:
        match.learn(row)
        now.append((match.now.rows, match.now.next))
    assert now == [(0, -1)] * 4 + [(5, 6)]


def test_when_there_is_no_room_a_match_forgets_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "MOST_ROWS", 100)
    monkeypatch.setattr(repeating, "FORGOTTEN", 40)
    match = LongestMatch(9)
    for row in [*range(9)] * 40:
        match.learn(row)
        assert len(match._read) <= 100
        assert not match.now.rows or match.now.next == (row + 1) % 9
    assert match.now.rows


CONFIG = Config(vocabulary_size=6, byte_tokens=1, embedding_size=3, hidden_size=4, num_layers=2)
WEIGHTS = random_weights(CONFIG, 1)
NGRAM = Ngram.learn(np.random.default_rng(0).integers(0, 5, 200), 6, boundary=5, start=0, order=4)
IDS = np.concatenate([np.full((3, 1), 5), np.random.default_rng(1).integers(0, 5, (3, 20))], axis=1)


def probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def test_it_predicts_what_its_parts_do_by_their_weights_also_from_huge_logits() -> None:
    uses = [*((weight, "both", weight) for weight in (0.0, 0.25, 1.0)), (0.4, "lstm", 0.0), (0.4, "ngram", 1.0)]
    for given_weight, using, weight in uses:
        network, mixture = Network(CONFIG, WEIGHTS), Mixture(CONFIG, WEIGHTS, NGRAM, given_weight, using)
        alone, _ = network.read(IDS, network.start(3))
        found, _ = mixture.read(IDS, mixture.start(3))
        expected = (1 - weight) * probabilities(alone) + weight * NGRAM.probabilities(IDS, 0)
        np.testing.assert_allclose(probabilities(found), expected, atol=1e-6)
    huge = {**WEIGHTS, "output.bias": np.array([3e4, -3e4, 0, 1, 2, -1e4], np.float32)}
    mixture = Mixture(CONFIG, huge, NGRAM, 0.4)
    step, _ = mixture.step(np.array([1]), mixture.start())
    expected = 0.4 * NGRAM.probabilities(np.array([[1]]), 0)[0, 0] + 0.6 * (np.arange(6) == 0)
    np.testing.assert_allclose(probabilities(step[0]), expected, atol=1e-6)


nats = arrays(np.float64, 30, elements=st.floats(0.001, 30))


@given(nats, nats)
def test_no_other_weight_costs_less_than_the_fitted_one(network: np.ndarray, ngram: np.ndarray) -> None:
    best = mixed(network, ngram, fitted_weight(network, ngram)).mean()
    for weight in np.linspace(0.001, 0.999, 25):
        assert best <= mixed(network, ngram, weight).mean() + 1e-3
