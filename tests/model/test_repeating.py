from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.model.ngram import repeating
from afterword.model.ngram.repeating import LONGEST, SHORTEST, LongestMatch

texts = st.lists(st.integers(0, 2), max_size=120)


def obvious(read: list[int], place: int) -> int:
    """How many rows, up to the longest, are the same before `place` and at the end of `read`."""
    length = 0
    while length < min(LONGEST, place) and read[place - 1 - length] == read[-1 - length]:
        length += 1
    return length


@given(texts)
def test_what_it_predicts_came_after_the_same_rows(read: list[int]) -> None:
    match = LongestMatch(3)
    for n, row in enumerate(read):
        match.learn(row)
        if match.now.rows:
            assert match.now.rows == obvious(read[: n + 1], match.now.place)
            assert match.now.next == read[match.now.place]
            assert match.odds() > -20
        else:
            same = [place for place in range(SHORTEST, n + 1) if obvious(read[: n + 1], place) >= SHORTEST]
            assert not same
    assert not match.now.rows or math.isfinite(match.odds())


def test_it_grows_surer_of_longer_matches_that_were_right() -> None:
    match, odds = LongestMatch(50), []
    for row in list(range(20)) * 10:
        match.learn(row)
        odds.append(match.odds())
    assert odds[30] > 0
    assert odds[-1] > odds[30]


def test_no_match_reaches_back_over_a_restart() -> None:
    match = LongestMatch(9)
    for row in [1, 2, 3, 4, 5, 6, 7]:
        match.learn(row)
    match.restart()
    for row in [1, 2, 3, 4]:
        match.learn(row)
        assert not match.now.rows
    match.learn(5)
    assert match.now.next == 6


def test_when_there_is_no_room_it_forgets_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "MOST_ROWS", 100)
    monkeypatch.setattr(repeating, "FORGOTTEN", 40)
    match = LongestMatch(9)
    for row in [*range(9)] * 40:
        match.learn(row)
        assert len(match._read) <= 100
        assert not match.now.rows or match.now.next == (row + 1) % 9
    assert match.now.rows
