"""What a benchmark of bases rests on: the words that texts share with the books of a base, run by run."""

import itertools
import random

import numpy as np
import pytest

from bases.making.overlap import SHORTEST, Books, Shared


def shared_slowly(books: list[str], text: list[str]) -> list[int]:
    """The longest run of `text` from each word on that stands in `books`, by trying every place."""

    def length(first: int, place: int) -> int:
        pairs = zip(text[first:], books[place:], strict=False)
        return len([*itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)])

    longest = [max(length(first, place) for place in range(len(books))) for first in range(len(text))]
    return [length if length >= SHORTEST else 0 for length in longest]


@pytest.mark.parametrize("seed", range(5))
def test_runs_of_words_are_those_that_trying_every_place_finds(seed: int) -> None:
    draw = random.Random(seed)
    books, text = ([draw.choice("abc") for _ in range(count)] for count in (400, 60))
    text[30] = "unheard-of"
    found = Books(f"{word}\n" for word in books).shared(" ".join(text))
    assert found.lengths.tolist() == shared_slowly(books, found.words)
    assert max(found.lengths) >= SHORTEST


def test_words_are_the_same_in_any_case_with_any_apostrophe_and_any_line_ends() -> None:
    books = Books(["It’s the EAST, and\n", "Juliet is the sun!\n"])
    assert books.shared("said: it's the east and juliet -- is").longest == "it's the east and juliet is"


def test_a_word_is_counted_once_where_runs_overlap_and_not_in_shorter_ones() -> None:
    shared = Shared([*"abcdefghij"], np.array([0, 6, 5, 0, 0, 5, 0, 0, 0, 0]))
    assert [shared.within(words) for words in (5, 6, 8)] == [9, 6, 0]
    books = Books(["one two three four five\n"])
    assert books.shared("one two three four").within(1) == 0
    assert books.shared("").longest == ""
