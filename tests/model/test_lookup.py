from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.model.ngram import lookup
from afterword.model.ngram import tables as ngram_tables
from afterword.model.ngram.lookup import EMPTY, Lookup
from afterword.model.ngram.tables import Ngram

ROWS = 30
BOUNDARY = ROWS - 1
tokens = st.integers(0, 3) | st.integers(0, BOUNDARY)  # few, so that contexts return, and any
texts = st.lists(tokens, min_size=1, max_size=200)


def learned(text: list[int], lines: bool, order: int) -> Ngram:
    return Ngram.learn(np.array(text), ROWS, BOUNDARY, BOUNDARY if lines else 0, order)


@pytest.mark.parametrize(("kept", "tables"), [(0, 0), (5, 4000), (10**6, 4000), (0, 10**6)])
@settings(max_examples=60)
@given(text=texts, lines=st.booleans(), order=st.integers(1, 8), written=texts)
def test_what_follows_is_what_the_tables_say_bit_for_bit(
    kept: int, tables: int, text: list[int], lines: bool, order: int, written: list[int]
) -> None:
    ngram = learned(text, lines, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "KEPT_BYTES", kept * (4 * ROWS + lookup.OVERHEAD))
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
    for number in (lookup.MANY - 1, len(ids[0])):  # each alone, and many together
        together, of_each = found.following_each(np.array(contexts[1 : 1 + number], np.uint64))
        np.testing.assert_array_equal(together, expected[:number])
        assert [*map(int, of_each)] == ends[1 : 1 + number]
    pushed = found.pushed_each(contexts, np.array(contexts) % ROWS)
    assert pushed.tolist() == [found.pushed(context, context % ROWS) for context in contexts]


@given(texts, st.integers(1, 8), st.booleans(), st.integers(0, 9))
def test_a_context_is_the_last_rows_however_they_came(text: list[int], order: int, lines: bool, cut: int) -> None:
    ngram = learned(text, lines, order)
    found = Lookup(ngram)
    whole = found.extended(EMPTY, text)
    assert found.extended(found.extended(EMPTY, text[:cut]), text[cut:]) == whole
    last = text[max(0, len(text) - ngram.order + 1) :]
    assert found.rows(whole) == [ngram.start if row == BOUNDARY else row for row in last]


def test_what_is_kept_takes_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.random.default_rng(0).integers(0, ROWS - 1, 2000)
    ngram = Ngram.learn(text, ROWS, BOUNDARY, 0)
    monkeypatch.setattr(lookup, "KEPT_BYTES", 100 * (4 * ROWS + lookup.OVERHEAD))
    found, context = Lookup(ngram), EMPTY
    for row in text.tolist():
        context = found.extended(context, [row])
        found.following(context)
    assert len(found._kept) == 100
