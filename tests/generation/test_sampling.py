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
from hypothesis import example, given
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
some_unseen = st.sets(st.integers(0, ROWS - 1), max_size=ROWS - 1)
Weights = dict[int, float]
"""By id, the largest first, which is 1."""


def most(weights: Weights, count: int) -> Weights:
    return dict(list(weights.items())[:count])


def reaching(weights: Weights, p: float) -> Weights:
    sums = [*accumulate(weights.values())]
    return most(weights, 1 + sum(reached < p * sums[-1] for reached in sums))


def not_below(weights: Weights, p: float) -> Weights:
    return {id: one for id, one in weights.items() if one >= p}


PLAIN: dict[str, tuple[Callable[[Weights, Any], Weights], st.SearchStrategy[Any]]] = {  # each filter, and some values
    "top_k": (most, st.integers(0, 2 * ROWS)),
    "top_p": (reaching, st.sampled_from([1e-9, 0.3, 0.5, 0.9, 1.0])),
    "min_p": (not_below, st.sampled_from([0.0, 0.05, 0.5, 0.999])),
}
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 5e-324, 1e-30, 0.3, 0.8, 1.0, 2.0, 100.0]),
    **{name: values for name, (_, values) in PLAIN.items()},
)


class Text:
    """One that nothing steers, of a random number that is always the same."""

    steers = guards = False
    known = None
    temperature = 1.0

    def __init__(self, number: float) -> None:
        self.numbers: Iterator[float] = repeat(number)

    def steer(self, own: Logits, left: Logits) -> None:
        raise AssertionError

    def refuses(self, token: int) -> bool:
        raise AssertionError


def sampler(sampling: Sampling, unseen: Iterable[int] = (), rows: int = ROWS) -> Sampler:
    mask = np.zeros(rows)
    mask[sorted(unseen)] = -np.inf
    return Sampler(sampling, sampling.resolved(LINES), mask)


def plainly(logits: np.ndarray, unseen: set[int], sampling: Sampling, number: float) -> int:
    """The token that the documented order draws with a random number."""
    left = [id for id in range(ROWS) if id not in unseen]
    temperature = sampling.temperature or 0.0
    ranked = sorted(left, key=lambda id: (-logits[id], id))
    if temperature == 0:
        return ranked[0]
    beyond = {id: float(logits[id]) - float(logits[ranked[0]]) for id in ranked}
    weights = {id: math.exp(logit / max(temperature, 1e-200)) for id, logit in beyond.items()}
    for name, (_, off) in FILTERS.items():
        if getattr(sampling, name) not in (None, off):
            weights = PLAIN[name][0](weights, getattr(sampling, name))
    *sums, _ = accumulate(weights.get(id, 0.0) for id in range(ROWS))
    return sum(reached <= number * sum(weights.values()) for reached in sums)


@given(
    st.lists(vectors, min_size=1, max_size=5),
    samplings,
    st.sampled_from([0.0, 1 - 2**-53])  # 0.5 could lie between two tokens, up to rounding
    | st.integers(0, 2**64 - 1).map(lambda seed: np.random.default_rng(seed).random()),
    some_unseen,
)
@example([np.zeros(ROWS, np.float32)] * 2, Sampling(temperature=1), 0.0, {0, 1, 4, 5})  # on an edge
@example([np.zeros(ROWS, np.float32)] * 2, Sampling(temperature=1), 0.5, {0, 1, 4, 5})
@example([np.arange(ROWS, dtype=np.float32) / 1000], Sampling(temperature=1e-30), 0.5, set())
def test_what_is_drawn_is_what_plain_python_draws_alone_and_among_many_rows(
    rows: list[np.ndarray], sampling: Sampling, number: float, unseen: set[int]
) -> None:
    drawing = sampler(sampling, unseen)
    alone = [drawing.draw(logits[None], [Text(number)])[0] for logits in rows]
    together = drawing.draw(np.array(rows), [Text(number) for _ in rows])
    expected = [plainly(logits, unseen, sampling, number) for logits in rows]
    assert [token for token, _, _ in alone] == [token for token, _, _ in together] == expected
    np.testing.assert_allclose([one[1] for one in together], [one[1] for one in alone], rtol=1e-12)


@given(vectors, samplings)
def test_each_filter_keeps_what_it_keeps_in_plain_python(logits: np.ndarray, sampling: Sampling) -> None:
    assert list(FILTERS) == [field.name for field in dataclasses.fields(Sampling) if field.metadata["filter"]]
    exact = logits.astype(float) - logits.max()
    weights = {id: math.exp(exact[id]) for id in sorted(range(ROWS), key=lambda id: (-exact[id], id))}
    for name, (keep, off) in FILTERS.items():
        if (value := getattr(sampling, name)) not in (None, off):
            one, turned = keep(np.array([exact, exact[::-1]]), value)
            assert np.flatnonzero(np.isfinite(one)).tolist() == sorted(PLAIN[name][0](weights, value)), name
            assert np.array_equal(keep(exact, value), one)
            assert np.array_equal(keep(exact[::-1], value), turned)


def test_a_filter_is_skipped_while_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    top_k = Mock(side_effect=lambda logits, k: logits)
    monkeypatch.setitem(FILTERS, "top_k", (top_k, 0))
    for value in (0, 3):
        sampler(Sampling(top_k=value)).draw(np.zeros((1, ROWS)), [Text(0.5)])
    assert [call.args[1] for call in top_k.call_args_list] == [3]


@given(vectors, some_unseen)
def test_log_probabilities_are_the_models_own_with_any_filters(logits: np.ndarray, unseen: set[int]) -> None:
    drawing, before, own = sampler(Sampling(top_k=2), unseen), logits.tolist(), log_probabilities(logits)
    for rows, normalised in ((logits, False), (own, True)):
        for count in (1, 2):
            drawn = drawing.draw(np.stack([rows] * count), [Text(0.7)] * count, normalised)
            assert all(math.isclose(written, own[token], abs_tol=1e-12) for token, written, _ in drawn)
    assert logits.tolist() == before


def test_a_model_that_saw_nothing_cannot_write() -> None:
    with pytest.raises(ModelError, match="saw no token"):
        sampler(Sampling(), (0, 1), rows=2)


def test_default_lengths_grow_with_the_sentences_and_given_ones_are_exact() -> None:
    def length(**options: Any) -> int:
        """Return the greatest length of a text."""
        return Sampling(**options).resolved(RUNNING_TEXT).max_tokens

    assert length() == length(pattern="a*") == RUNNING_TEXT.max_tokens
    assert length(sentences=3) == 3 * length()
    assert length(max_tokens=10**12) == length(max_tokens=10**12, pattern="a*") == 10**12


texts = st.lists(st.integers(0, 2), max_size=60) | st.tuples(
    st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 6)
).map(lambda two: two[0] * two[1])


def slowly(tokens: list[int], least: int, longest: int) -> dict[int, int]:
    """By token: how long a repetition it would go on with, where that is one; by its latest places."""
    found: dict[int, int] = {}
    places = []
    for end in range(least, len(tokens)):
        length = 0
        while length < min(end, longest) and tokens[end - length - 1] == tokens[len(tokens) - length - 1]:
            length += 1
        if length >= least:
            places.append((tokens[end], length))
    for token, length in places[-PLACES:]:
        found[token] = max(found.get(token, 0), length)
    return found


@given(texts, st.sampled_from([1, 4]), st.integers(0, 60))
def test_what_would_go_on_with_a_repetition_loses_by_its_length_in_characters_and_a_copy_goes_on_by_itself(
    tokens: list[int], characters: int, more: int
) -> None:
    found, least = Repeats(2.0, [] if characters == 1 else [characters] * 4), LENGTH // characters
    found.push(tokens)
    lengths = slowly(tokens, least, LONGEST_REPETITION // characters)
    assert dict(found.penalties()) == {token: (n - least + 1) * math.log(2) for token, n in lengths.items()}
    before, other = found.penalties(), found.copy()
    other.push([3] * more)
    assert found.penalties() == before
    found.push([3] * more)
    assert found.penalties() == other.penalties()


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


def test_a_loop_is_left_at_temperature_0_and_without_a_penalty_goes_on() -> None:
    def longest_repetition(penalty: float) -> int:
        sampling = Sampling(max_tokens=400, temperature=0, repetition_penalty=penalty)
        text = Writer(SAVED, SAVED.network(), sampling).stream("ab", 0).sample().text
        return max(n for n in range(300) if any(text[k : k + n] in text[k + 1 :] for k in range(len(text) - n)))

    assert longest_repetition(1.0) > 290
    assert longest_repetition(1000.0) < 40
