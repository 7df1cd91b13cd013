"""Laws of repetitions: found wherever they are, however long the text; what is no repetition is left alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.generation import repeats
from afterword.generation.repeats import LENGTH, LONGEST_REPETITION, PLACES, Repeats
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from tests.generation.test_continuation import CHAR, MODELS

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
    monkeypatch.setattr(repeats, "REMEMBERED", 100)
    found, all_of_it = Repeats(2.0), [k * k % 97 for k in range(1000)]
    phrase = list(range(100, 100 + LENGTH))
    found.push([*all_of_it, *phrase, 7])
    for distance, remembered in ((80, True), (250, False)):
        one = found.copy()
        one.push([*range(200, 200 + distance), *phrase])
        assert (dict(one.penalties()) == {7: math.log(2)}) == remembered
        assert len(one._read) <= 200


def test_a_loop_is_left_at_any_temperature_and_without_a_penalty_goes_on() -> None:
    saved, network = MODELS[CHAR], MODELS[CHAR].network()

    def text(penalty: float) -> str:
        sampling = Sampling(max_tokens=400, temperature=0, repetition_penalty=penalty)
        return Writer(saved, network, sampling).stream("ab", 0).sample().text

    def longest(text: str) -> int:
        return max(n for n in range(300) if any(text[k : k + n] in text[k + 1 :] for k in range(len(text) - n)))

    assert longest(text(1.0)) > 290
    assert longest(text(1000.0)) < 40
