"""Laws of the draw, from logits in float32 as the network gives them, and of the penalty for repetitions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, repeat
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import ModelError
from afterword.generation import repeats
from afterword.generation.repeats import LENGTH, LONGEST_REPETITION, PLACES, Repeats
from afterword.generation.sampling import FILTERS, Logits, Sampler, Sampling
from afterword.generation.writer import Writer
from afterword.model.folder.defaults import LINES, RUNNING_TEXT
from afterword.model.network.network import log_probabilities
from tests.generation.test_continuation import SAVED

ROWS = 8
vectors = st.lists(st.floats(-30, 30, width=32), min_size=ROWS, max_size=ROWS).map(lambda v: np.array(v, np.float32))
seeds = st.integers(0, 2**64 - 1)
Weights = dict[int, float]
"""By id, the largest first, which is 1."""


def most(weights: Weights, count: int) -> Weights:
    return dict(list(weights.items())[:count])


def reaching(weights: Weights, p: float) -> Weights:
    sums = [*accumulate(weights.values())]
    return most(weights, 1 + sum(reached < p * sums[-1] for reached in sums))


PLAIN: dict[str, tuple[Callable[[Weights, Any], Weights], st.SearchStrategy[Any]]] = {  # each filter, and some values
    "top_k": (most, st.integers(0, 2 * ROWS)),
    "top_p": (reaching, st.sampled_from([1e-9, 0.3, 0.5, 0.9, 1.0])),
    "min_p": (
        lambda weights, p: {id: one for id, one in weights.items() if one >= p},
        st.sampled_from([0.0, 0.05, 0.5, 0.999]),
    ),
}
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 1e-30, 0.3, 0.8, 1.0, 2.0, 100.0]),
    **{name: values for name, (_, values) in PLAIN.items()},
)


class Text:
    """One that nothing steers, of the random numbers of `seed`."""

    steers = guards = False
    known = None
    temperature = 1.0

    def __init__(self, seed: int) -> None:
        random = np.random.Generator(np.random.PCG64(seed))
        self.numbers: Iterator[float] = iter(random.random, None)

    def steer(self, own: Logits, left: Logits) -> None:
        raise AssertionError

    def refuses(self, token: int) -> bool:
        raise AssertionError


def sampler(sampling: Sampling, unseen: Iterable[int] = (), rows: int = ROWS) -> Sampler:
    mask = np.zeros(rows)
    mask[sorted(unseen)] = -np.inf
    return Sampler(sampling, sampling.resolved(LINES), mask)


def draws(sampling: Sampling, logits: np.ndarray, seed: int, unseen: tuple[int, ...] = (), count: int = 5) -> list[int]:
    drawing, text = sampler(sampling, unseen, len(logits)), Text(seed)
    return [drawing.draw(logits[None], [text])[0][0] for _ in range(count)]


def temperature_of(sampling: Sampling) -> float:
    return sampling.resolved(LINES).temperature


def kept(logits: np.ndarray) -> list[int]:
    return np.flatnonzero(np.isfinite(logits)).tolist()


def by_hand(logits: np.ndarray, unseen: tuple[int, ...], sampling: Sampling) -> list[int]:
    """The ids that the documented order leaves, by plain Python."""
    scaled = {id: float(logit) / temperature_of(sampling) for id, logit in enumerate(logits) if id not in unseen}
    ranked = sorted(scaled, key=lambda id: (-scaled[id], id))
    weights = {id: math.exp(scaled[id] - scaled[ranked[0]]) for id in ranked}
    for name, (_, off) in FILTERS.items():
        if getattr(sampling, name) not in (None, off):
            weights = PLAIN[name][0](weights, getattr(sampling, name))
    return sorted(weights)


@given(vectors, seeds, samplings, st.sampled_from([{"temperature": 0.0}, {"top_k": 1}]))
def test_temperature_0_and_top_k_1_ignore_the_seed_and_take_the_first_likeliest(
    logits: np.ndarray, seed: int, sampling: Sampling, greedy: dict[str, Any]
) -> None:
    assert draws(dataclasses.replace(sampling, **greedy), logits, seed, count=3) == [int(logits.argmax())] * 3


@given(vectors, seeds, st.sampled_from([5e-324, 1e-300, 1e-30]))
def test_a_tiny_temperature_draws_one_of_the_likeliest(logits: np.ndarray, seed: int, temperature: float) -> None:
    logits = logits.round(3)  # so that no difference is as tiny as the temperature
    best = set(np.flatnonzero(logits == logits.max()).tolist())
    assert set(draws(Sampling(temperature=temperature), logits, seed)) <= best


@given(vectors, seeds, samplings, st.sets(st.integers(0, ROWS - 1), max_size=ROWS - 1))
def test_a_token_never_seen_is_never_drawn(logits: np.ndarray, seed: int, sampling: Sampling, unseen: set[int]) -> None:
    assert not set(draws(sampling, logits, seed, tuple(unseen))) & unseen


@pytest.mark.parametrize("number", [0.0, 0.5])
def test_a_number_on_an_edge_draws_the_token_above_it(number: float) -> None:
    text = Text(0)
    text.numbers = repeat(number)
    for rows in (1, 2):
        drawn = sampler(Sampling(), unseen=(0, 1, 4, 5)).draw(np.zeros((rows, ROWS)), [text] * rows)
        assert {token for token, _, _ in drawn} == {2 if number == 0 else 6}


@given(vectors, samplings)
def test_each_filter_keeps_what_it_keeps_in_plain_python(logits: np.ndarray, sampling: Sampling) -> None:
    exact = logits.astype(float) - logits.max()
    weights = {id: math.exp(exact[id]) for id in sorted(range(ROWS), key=lambda id: (-exact[id], id))}
    for name, (keep, off) in FILTERS.items():
        if (value := getattr(sampling, name)) not in (None, off):
            assert kept(keep(exact, value)) == sorted(PLAIN[name][0](weights, value)), name


@given(vectors, seeds, st.sets(st.integers(0, ROWS - 1), max_size=ROWS - 1))
def test_log_probabilities_are_the_models_own_with_any_filters(logits: np.ndarray, seed: int, unseen: set[int]) -> None:
    drawing, before, own = (
        sampler(Sampling(top_k=2, temperature=0.3), unseen),
        logits.tolist(),
        log_probabilities(logits),
    )
    for rows, normalised in ((logits, False), (own, True)):
        for count in (1, 2):
            drawn = drawing.draw(np.stack([rows] * count), [Text(seed) for _ in range(count)], normalised)
            assert all(math.isclose(written, own[token], abs_tol=1e-12) for token, written, _ in drawn)
    assert logits.tolist() == before


def test_a_filter_is_a_field_that_names_its_function_and_is_skipped_while_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(FILTERS) == [field.name for field in dataclasses.fields(Sampling) if field.metadata["filter"]]
    top_k = Mock(side_effect=lambda logits, k: logits)
    monkeypatch.setitem(FILTERS, "top_k", (top_k, 0))
    logits = np.zeros(ROWS, np.float32)
    draws(Sampling(), logits, 0, count=3)
    top_k.assert_not_called()
    draws(Sampling(top_k=3), logits, 0, count=2)
    assert [call.args[1] for call in top_k.call_args_list] == [3, 3]


def test_a_model_that_saw_nothing_cannot_write() -> None:
    with pytest.raises(ModelError, match="saw no token"):
        sampler(Sampling(), (0, 1), rows=2)


def test_a_length_without_end_and_numpys_numbers_are_taken() -> None:
    sampling = Sampling(max_tokens=10**12, temperature=np.float32(0.5), top_k=np.int64(3))  # type: ignore[arg-type]
    assert sampling == Sampling(max_tokens=10**12, temperature=0.5, top_k=3)


@given(
    st.lists(vectors, min_size=1, max_size=5), samplings, seeds, st.sets(st.integers(0, ROWS - 1), max_size=ROWS - 1)
)
def test_the_same_seed_draws_the_same_alone_and_among_many_rows(
    rows: list[np.ndarray], sampling: Sampling, seed: int, unseen: set[int]
) -> None:
    drawing = sampler(sampling, unseen)
    alone = [drawing.draw(logits[None], [Text(seed)])[0] for logits in rows]
    together = drawing.draw(np.array(rows), [Text(seed) for _ in rows])
    assert [token for token, _, _ in together] == [token for token, _, _ in alone]
    np.testing.assert_allclose([one[1] for one in together], [one[1] for one in alone], rtol=1e-12)


def test_100_000_draws_fit_the_probabilities_of_the_documented_order() -> None:
    logits = np.log(np.array([1, 2, 4, 8, 16, 32, 64, 1000], np.float32))
    sampling, text = Sampling(temperature=0.7, top_k=5, top_p=0.98, min_p=0.05), Text(1)
    left = by_hand(logits, (7,), sampling)
    assert left == [3, 4, 5, 6]  # each of the filters took something
    tokens = [token for token, _, _ in sampler(sampling, (7,)).draw(np.tile(logits, (100_000, 1)), [text] * 100_000)]
    weights = np.exp(logits[left].astype(float) / 0.7)
    counts = np.bincount(tokens, minlength=ROWS)
    expected = 100_000 * weights / weights.sum()
    assert counts.sum() == counts[left].sum()
    assert ((counts[left] - expected) ** 2 / expected).sum() < 16.27  # chi-square, 3 degrees of freedom, 1 in 1,000


def test_default_lengths_grow_with_the_sentences_and_given_ones_are_exact() -> None:
    def length(**options: Any) -> int:
        """Return the greatest length of a text."""
        return Sampling(**options).resolved(RUNNING_TEXT).max_tokens

    assert length() == length(pattern="a*") == RUNNING_TEXT.max_tokens
    assert length(sentences=3) == 3 * length()
    assert length(max_tokens=7) == length(max_tokens=7, pattern="a*") == 7


texts = st.lists(st.integers(0, 2), max_size=60) | st.tuples(
    st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 6)
).map(lambda two: two[0] * two[1])


def slowly(tokens: list[int], least: int = LENGTH, most: int = LONGEST_REPETITION) -> dict[int, int]:
    """By token: how long a repetition it would go on with, where that is one; by its latest places."""
    found: dict[int, int] = {}
    places = []
    for end in range(least, len(tokens)):
        length = 0
        while length < min(end, most) and tokens[end - length - 1] == tokens[len(tokens) - length - 1]:
            length += 1
        if length >= least:
            places.append((tokens[end], length))
    for token, length in places[-PLACES:]:
        found[token] = max(found.get(token, 0), length)
    return found


@given(texts)
def test_what_would_go_on_with_a_repetition_loses_by_its_length(tokens: list[int]) -> None:
    found = Repeats(2.0)
    found.push(tokens)
    expected = {token: (length - LENGTH + 1) * math.log(2) for token, length in slowly(tokens).items()}
    assert dict(found.penalties()) == expected


@given(texts)
def test_a_repetition_is_as_long_as_its_characters(tokens: list[int]) -> None:
    found, least = Repeats(2.0, [4] * 4), LENGTH // 4
    found.push(tokens)
    repeated = slowly(tokens, least, LONGEST_REPETITION // 4)
    assert dict(found.penalties()) == {token: (n - least + 1) * math.log(2) for token, n in repeated.items()}


@given(texts, st.integers(0, 60))
def test_a_copy_goes_on_by_itself(tokens: list[int], more: int) -> None:
    one = Repeats(2.0)
    one.push(tokens)
    before = one.penalties()
    other = one.copy()
    other.push([3] * more)
    assert one.penalties() == before
    one.push([3] * more)
    assert one.penalties() == other.penalties()


def test_what_lies_far_back_is_forgotten_and_memory_stays_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "TOKENS_KEPT", 100)
    found, all_of_it = Repeats(2.0), [k * k % 97 for k in range(1000)]
    phrase = list(range(100, 100 + LENGTH))
    found.push([*all_of_it, *phrase, 7])
    for distance, remembered in ((80, True), (250, False)):
        one = found.copy()
        one.push([*range(200, 200 + distance), *phrase])
        assert (dict(one.penalties()) == {7: math.log(2)}) == remembered
        assert len(one._read) <= 200


def test_a_loop_is_left_at_any_temperature_and_without_a_penalty_goes_on() -> None:
    saved, network = SAVED, SAVED.network()

    def text(penalty: float) -> str:
        sampling = Sampling(max_tokens=400, temperature=0, repetition_penalty=penalty)
        return Writer(saved, network, sampling).stream("ab", 0).sample().text

    def longest(text: str) -> int:
        return max(n for n in range(300) if any(text[k : k + n] in text[k + 1 :] for k in range(len(text) - n)))

    assert longest(text(1.0)) > 290
    assert longest(text(1000.0)) < 40
