"""Laws of novelty, against the obvious way."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.generation import copying
from afterword.generation.copying import find_copies, find_lines

texts = st.lists(st.text("abé", max_size=25), min_size=1, max_size=4)
lines = st.lists(st.text("abc", max_size=5), min_size=1, max_size=6)


def windows(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(len(text) - length + 1)]


def covered(text: str, other: str, length: int) -> int:
    inside = [False] * len(text)
    for start, window in enumerate(windows(text, length)):
        if window in other:
            inside[start : start + length] = [True] * length
    return sum(inside)


def within_one_edit(line: str, other: str) -> bool:
    if len(line) == len(other):
        return sum(one != another for one, another in zip(line, other, strict=True)) <= 1
    short, long = sorted((line, other), key=len)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


@given(texts, st.text("abé", max_size=80), st.integers(1, 30))
@example(["ab" * 20], "ab" * 30, 4)
@example(["aba", "bab"], "abab", 3)
def test_copies_are_those_found_by_looking_at_every_window(written: list[str], other: str, at_once: int) -> None:
    characters = sum(map(len, written))
    before, copying.CHARACTERS_AT_ONCE = copying.CHARACTERS_AT_ONCE, at_once
    try:
        if characters == 0:
            with pytest.raises(TextError, match="is empty"):
                find_copies(written, other)
            return
        found = find_copies(written, other, (2, 5, 9))
    finally:
        copying.CHARACTERS_AT_ONCE = before
    assert found.characters == characters
    for length, share in found.shares.items():
        assert share == pytest.approx(sum(covered(text, other, length) for text in written) / characters)
    longest = max(n for n in range(41) if any(window in other for text in written for window in windows(text, n)))
    assert len(found.longest) == longest
    assert other[found.at : found.at + longest] == found.longest
    assert any(found.longest in text for text in written)


@given(lines, st.lists(st.text("abc", max_size=5), max_size=5))
@example(["aab", "aab"], ["ab"])
def test_lines_are_those_that_are_found_by_comparing_each_with_each(written: list[str], others: list[str]) -> None:
    found = find_lines(written, others)
    assert found.lines == len(written)
    assert found.exact == sum(line in others for line in written) / len(written)
    near = sum(any(line == other or within_one_edit(line, other) for other in others) for line in written)
    assert found.near == near / len(written)


def test_no_line_at_all_is_an_error() -> None:
    with pytest.raises(TextError, match="are missing"):
        find_lines([], ["a"])
