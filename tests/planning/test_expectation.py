"""What is expected of a model before it is trained."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afterword.planning.expectation import FEWEST_CHARACTERS, MOST_READ, expectation
from benchmarks.expectation import is_right, runs

READ = st.floats(1, MOST_READ)


@given(READ, READ)
def test_more_reading_is_expected_to_bring_more_and_nothing_to_be_worse_than_the_n_gram(
    one: float, other: float
) -> None:
    less, more = (expectation(2.0, 10**6, read) for read in sorted((one, other)))
    assert less is not None
    assert more is not None
    for before, after in ((less.low, more.low), (less.likely, more.likely), (less.high, more.high)):
        assert 1.0 < after <= before <= 2.0
    assert more.low < more.likely <= more.high


def test_nothing_is_expected_of_what_was_never_tried() -> None:
    assert expectation(2.0, FEWEST_CHARACTERS - 1, 10**6) is None
    assert expectation(2.0, 10**6, MOST_READ + 1) is None


def test_as_much_as_is_said_of_the_recorded_runs_was_as_expected() -> None:
    texts: dict[str, list[bool]] = {}
    for result in runs():
        texts.setdefault(result["text"], []).append(is_right(result))
    assert sum(sum(right) / len(right) for right in texts.values()) >= 0.7 * len(texts)
