"""A network of windows, against the network that it runs, given each window alone."""

from __future__ import annotations

import numpy as np
import pytest

from afterword.model.network.config import Config
from afterword.model.network.network import Network
from afterword.model.network.windows import WindowNetwork
from tests.tiny import random_weights

W, R = 5, 9
CONFIG = Config(R, 1, embedding_size=1, hidden_size=7, num_layers=2, input="number", window=W)
WEIGHTS = random_weights(CONFIG, 1)
WINDOWS, CARRIED = WindowNetwork(CONFIG, WEIGHTS), Network(CONFIG, WEIGHTS)
IDS = np.random.default_rng(0).integers(0, R, (2, 400))  # more windows than are read at once


def anew(ids: np.ndarray) -> np.ndarray:
    """The logits [B, T, R] after ids [B, T], each from its own window."""
    windows = [ids[:, max(0, t + 1 - W) : t + 1] for t in range(ids.shape[1])]
    return np.stack([CARRIED.advance(window, CARRIED.start(len(ids)))[0] for window in windows], axis=1)


@pytest.mark.parametrize("length", [1, 3, 7, 400])
def test_each_prediction_reads_its_own_window(length: int) -> None:
    logits, _ = WINDOWS.read(IDS[:, :length], WINDOWS.start(2))
    np.testing.assert_allclose(logits, anew(IDS[:, :length]), atol=1e-5)
