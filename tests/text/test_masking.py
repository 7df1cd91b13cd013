from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import OptionError
from afterword.text.lines import MARK, Masks

PATTERNS = ["[0-9]+", r"\b[a-f]{2}\b", "x"]


def test_what_matches_is_hidden() -> None:
    assert Masks(["[0-9]+"])("took 12 ms, 3 rows") == "took <*> ms, <*> rows"
    assert Masks()("took 12 ms") == "took 12 ms"


@given(st.text("ab01 x<*>", max_size=30), st.lists(st.sampled_from(PATTERNS), max_size=3))
def test_each_character_that_is_left_knows_where_it_stood(line: str, patterns: list[str]) -> None:
    masks = Masks(patterns)
    hidden, origins = masks(line), masks.origins(line)
    assert len(hidden) == len(origins)
    for character, (start, stop) in zip(hidden, origins, strict=True):
        assert 0 <= start < stop <= len(line)
        assert line[start:stop] == character or character in MARK
    if not patterns:
        assert origins == [(k, k + 1) for k in range(len(line))]


def test_a_mask_is_used_on_what_the_ones_before_it_left() -> None:
    assert Masks(["[0-9]+", re.escape(MARK) + "ms"])("12ms") == MARK


def test_where_nothing_stands_nothing_is_hidden() -> None:
    masks = Masks(["(?=b)|c"])
    assert masks("abc") == "ab" + MARK
    assert masks.origins("abc") == [(0, 1), (1, 2), *[(2, 3)] * 3]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("[", "is not a regular expression"), ("(", "is not a regular"), ("a*", "matches an empty text")],
)
def test_what_is_no_mask_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Masks([pattern])


def test_a_mask_that_never_ends_is_given_up_in_seconds_while_other_threads_run() -> None:
    masks, ticks, done = Masks(["(a|aa)+$"]), 0, threading.Event()

    def slow() -> None:
        with pytest.raises(OptionError, match="takes more than 1 s on a line"):
            masks("a" * 60 + "!")
        done.set()

    thread = threading.Thread(target=slow)
    thread.start()
    while not done.wait(0.01):
        ticks += 1
    thread.join()
    assert ticks > 2  # of some hundred: this thread was not held up
