"""Laws of the batches: every token is read in order, lines stand alone, and a position is all needed to go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import OptionError
from afterword.learning.batches import (
    NOT_A_TARGET,
    Lanes,
    Lines,
    Windows,
    validation_lines,
    validation_stretches,
    validation_windows,
)
from tests.learning.small import RECIPE

BOUNDARY = 9
lines_of_tokens = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=20), min_size=1, max_size=12)


def lanes(ids: np.ndarray, B: int, T: int, reset: float = 0.0, seed: int = 0, newline: int = 0) -> Lanes:
    recipe = dataclasses.replace(RECIPE, batch_size=B, seq_length=T, reset_probability=reset, seed=seed)
    return Lanes(ids, recipe, boundary=BOUNDARY, newline=newline)


def as_lines(lines: list[list[int]]) -> np.ndarray:
    return np.array([token for line in lines for token in [*line, BOUNDARY]], np.uint8)


@given(st.integers(20, 200), st.integers(1, 4), st.integers(1, 10))
def test_without_resets_a_lane_reads_the_text_in_order(length: int, B: int, T: int) -> None:
    source = lanes(np.arange(length) % 9, B, T)
    before = source.next()
    for _ in range(8):
        batch = source.next()
        assert np.array_equal(batch.inputs[1:], batch.targets[:-1])
        assert np.array_equal(batch.inputs[0], np.where(batch.fresh, BOUNDARY, before.targets[-1]))
        before = batch


@given(st.integers(20, 200), st.integers(1, 4), st.integers(1, 10))
def test_after_a_shift_each_lane_starts_afresh_half_a_lane_further_on(length: int, B: int, T: int) -> None:
    source, other = (lanes(np.arange(length), B, T) for _ in range(2))
    other.shift()
    first, second = source.next(), other.next()
    assert second.fresh.all()
    further = (second.targets[0] - first.targets[0]) % (length - T)
    assert all(further == length // (2 * B) % (length - T))


@given(st.integers(30, 100), st.integers(1, 3), st.integers(2, 7))
def test_a_lane_alone_reads_all_of_the_text_but_a_tail_shorter_than_a_step(length: int, seed: int, T: int) -> None:
    ids = np.arange(length) % 9
    source = lanes(ids, 1, T, seed=seed)
    read: list[int] = []
    while not (batch := source.next()).fresh[0] or not read:
        read += batch.targets[:, 0].tolist()
    assert read == ids[1 : len(read) + 1].tolist()
    assert length - 1 - len(read) < T


def test_resets_come_as_often_as_asked_and_half_of_them_begin_at_a_line() -> None:
    ids = np.arange(100_000) % 9
    source = lanes(ids, 16, 8, reset=0.25)
    first = source.next()
    assert first.fresh.all()
    assert (first.inputs[0] == BOUNDARY).all()
    assert 0.2 < np.mean([source.next().fresh.mean() for _ in range(300)]) < 0.3
    source = lanes(ids, 16, 8, reset=1.0, newline=8)
    # the boundary token takes the newline's place, so the first target is what follows it: 0
    assert 0.45 < np.mean([(source.next().targets[0] == 0).mean() for _ in range(200)]) < 0.65


def test_a_text_shorter_than_a_step_is_refused() -> None:
    for make in (lambda ids: lanes(ids, 1, 10), lambda ids: Windows(ids, 1, 10, seed=0)):
        with pytest.raises(OptionError, match=r"^seq_length= 10 is too large for 10 tokens"):
            make(np.arange(10))


@given(lines_of_tokens, st.integers(1, 5), st.integers(1, 8))
def test_a_pass_reads_each_line_once_from_boundary_to_boundary(lines: list[list[int]], B: int, T: int) -> None:
    source = Lines(as_lines(lines), B, T, boundary=BOUNDARY, seed=3)
    read: list[list[int]] = []
    columns: list[list[int]] = []
    weights = set()
    for _ in range(source.steps_in_epoch):
        batch = source.next()
        assert batch.tokens == int((batch.targets != NOT_A_TARGET).sum())
        weights.add(batch.weight)
        if batch.fresh.all():
            columns = [[] for _ in batch.fresh]
        for column, targets in enumerate(batch.targets.T):
            wanted = targets[targets != NOT_A_TARGET].tolist()
            previous = columns[column][-1:] or [BOUNDARY]
            assert batch.inputs[: len(wanted), column].tolist() == [*previous, *wanted][: len(wanted)]
            columns[column] += wanted
            if wanted and wanted[-1] == BOUNDARY:
                read.append(columns[column][:-1])
    assert sorted(read) == sorted(lines)
    assert len(weights) == 1  # what a line is divided by does not depend on its batch


@given(st.integers(12, 60), st.integers(1, 9), st.integers(1, 10))
def test_a_pass_reads_each_window_once_and_predicts_what_follows_it(length: int, B: int, W: int) -> None:
    source = Windows(np.arange(length), B, W, seed=2)
    read: list[int] = []
    while len(read) < length - W:
        batch = source.next()
        assert batch.fresh.all()
        assert (np.diff(batch.inputs, axis=0) == 1).all()
        assert (batch.targets[:-1] == NOT_A_TARGET).all()
        assert (batch.targets[-1] == batch.inputs[-1] + 1).all()
        assert batch.weight == batch.tokens == len(batch.fresh) <= B
        read += batch.inputs[0].tolist()
    assert sorted(read) == list(range(length - W))


@pytest.mark.parametrize(("length", "bytes_each"), [(200, 1), (300, 2), (70_000, 4)])
def test_the_order_of_windows_takes_few_bytes_and_is_numpys(length: int, bytes_each: int) -> None:
    source = Windows(np.arange(length), 30, 5, seed=3)
    assert source._order.itemsize == bytes_each
    expected = np.random.default_rng([3, 3, 0]).permutation(length - 5)
    assert np.concatenate([source.next().inputs[0] for _ in range(4)]).tolist() == expected[:120].tolist()


@given(st.integers(6, 3000), st.integers(1, 3000))
def test_validation_reads_at_most_what_was_asked_and_little_less_and_nothing_twice(length: int, tokens: int) -> None:
    most = min(length, tokens)
    read = sum(batch.tokens for batch in validation_stretches(np.arange(length), tokens, boundary=BOUNDARY))
    assert most / 2 <= read <= most
    batches = validation_windows(np.arange(length), tokens, 5)
    starts = [start for batch in batches for start in batch.inputs[0].tolist()]
    assert len(starts) == len(set(starts)) == min(tokens, length - 5)


def test_validation_of_running_text_carries_each_stretch_to_its_end() -> None:
    ids = np.random.default_rng(0).integers(0, 9, 40_000)
    batches = validation_stretches(ids, 40_000, boundary=BOUNDARY)
    inputs, targets = (np.concatenate([getattr(one, name) for one in batches]) for name in ("inputs", "targets"))
    assert [batch.fresh.all() for batch in batches] == [True, *[False] * (len(batches) - 1)]
    assert np.array_equal(inputs[1:], targets[:-1])
    assert (inputs[0] == BOUNDARY).all()
    assert np.array_equal(targets.T.reshape(-1), ids)


def test_validation_of_lines_reads_whole_lines() -> None:
    lines = [[k % 9] * (1 + k % 5) for k in range(100)]
    batches = validation_lines(as_lines(lines), 10_000, boundary=BOUNDARY)
    assert sum(batch.tokens for batch in batches) == sum(len(line) + 1 for line in lines)
    fewer = validation_lines(as_lines(lines), 100, boundary=BOUNDARY)
    assert 0 < sum(batch.tokens for batch in fewer) < 250


@pytest.mark.parametrize(
    "make",
    [
        lambda: lanes(np.random.default_rng(1).integers(0, 9, 300), 3, 7, reset=0.3),
        lambda: Lines(as_lines([[k % 9] * (k % 5 + 1) for k in range(12)]), 3, 4, boundary=BOUNDARY, seed=5),
        lambda: Windows(np.arange(60), 4, 5, seed=5),
    ],
)
def test_batches_go_on_from_a_position_and_another_pass_has_another_order(make: Callable[[], Any]) -> None:
    source = make()
    seen = []
    for _ in range(60):
        other = make()
        other.position = source.position
        batch, same = source.next(), other.next()
        for name in ("inputs", "targets", "fresh", "tokens"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(same, name))
        seen.append(batch.targets.tobytes())
    assert all(seen[steps:] != seen[:-steps] for steps in range(1, 55))  # whatever a pass has
