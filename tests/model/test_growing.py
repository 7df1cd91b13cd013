from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.model.ngram import growing
from afterword.model.ngram.growing import BOOST, DISCOUNT, GrowingNgram
from afterword.model.ngram.tables import Ngram

ROWS, BOUNDARY = 6, 5
texts = st.lists(st.integers(0, 4), min_size=2, max_size=60)


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


@given(texts)
def test_from_nothing_it_is_what_counting_gives(read: list[int]) -> None:
    assert after(read).probabilities() == pytest.approx(from_nothing(read))


@given(texts, texts)
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
    fresh = found.probabilities()
    found.learn(1)
    assert fresh.argmax() == 1  # as the first text began
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
