"""A network of windows, against the network that it runs, given each window alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.network import Network
from afterword.model.network.windows import WindowNetwork

W, R = 5, 9
CONFIG = Config(R, 1, embedding_size=1, hidden_size=7, num_layers=2, input="number", window=W)
RANDOM = np.random.default_rng(0)
WEIGHTS = {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in weight_shapes(CONFIG).items()}
WINDOWS, CARRIED = WindowNetwork(CONFIG, WEIGHTS), Network(CONFIG, WEIGHTS)
IDS = RANDOM.integers(0, R, (2, 400))  # more windows than are read at once


def anew(ids: np.ndarray) -> np.ndarray:
    """The logits [B, T, R] after ids [B, T], each from its own window."""
    windows = [ids[:, max(0, t + 1 - W) : t + 1] for t in range(ids.shape[1])]
    return np.stack([CARRIED.advance(window, CARRIED.start(len(ids)))[0] for window in windows], axis=1)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.lists(st.integers(0, 40), max_size=3))
def test_each_prediction_reads_its_own_window_however_the_text_is_cut(length: int, cuts: list[int]) -> None:
    ids, state, found = IDS[:, :length], WINDOWS.start(2), []
    for part in np.split(ids, sorted(min(cut, length) for cut in cuts), axis=1):
        logits, state = WINDOWS.read(part, state)
        found.append(logits)
    np.testing.assert_allclose(np.concatenate(found, axis=1), anew(ids), atol=1e-5)
    step, state = WINDOWS.step(IDS[:, length], state)
    jump, _ = WINDOWS.advance(IDS[:, : length + 1], WINDOWS.start(2))
    expected = anew(IDS[:, : length + 1])[:, -1]
    np.testing.assert_allclose(step, expected, atol=1e-5)
    np.testing.assert_allclose(jump, expected, atol=1e-5)


def test_a_long_text_is_read_in_batches_of_windows() -> None:
    logits, _ = WINDOWS.read(IDS, WINDOWS.start(2))
    np.testing.assert_allclose(logits, anew(IDS), atol=1e-5)


@pytest.mark.parametrize("first", [0, 3, 60])
def test_a_trace_shows_the_last_step_of_each_window(first: int) -> None:
    _, state = WINDOWS.read(IDS[:, :first], WINDOWS.start(2))
    traced, _ = WINDOWS.trace(IDS[:, first:100], state)
    np.testing.assert_allclose(traced.logits.swapaxes(0, 1), anew(IDS[:, :100])[:, first:], atol=1e-5)
    for t in (first, 70):
        window = IDS[:, max(0, t + 1 - W) : t + 1]
        alone, _ = CARRIED.trace(window, CARRIED.start(2))
        for k in range(CONFIG.num_layers):
            for found, expected in zip(traced.steps[k], alone.steps[k], strict=True):
                np.testing.assert_allclose(found[t - first], expected[-1], atol=1e-5)
            np.testing.assert_allclose(traced.steps[k].before[t - first], alone.steps[k].before[-1], atol=1e-5)


def test_states_side_by_side_read_as_each_did() -> None:
    for network in (WINDOWS, CARRIED):
        states = [network.read(IDS[lane : lane + 1, :9], network.start())[1] for lane in range(2)]
        together, _ = network.read(IDS[:, 9:20], network.side_by_side(*states))
        whole, _ = network.read(IDS[:, :20], network.start(2))
        np.testing.assert_allclose(together, whole[:, 9:], atol=1e-5)
