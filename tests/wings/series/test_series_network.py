"""Many continuations of a line: drawn as the network says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from afterword.language_model import LanguageModel
from afterword.model.network.network import Network
from afterword.wings.series.series_network import sample_paths
from tests.tiny import save_tiny

ALLOWED = np.array([0, 1, 2, 3])  # a, b, c and d


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return LanguageModel.load(save_tiny(tmp_path_factory.mktemp("models") / "lines", lines=True)).predictor


def lines(network: Network, *lengths: int) -> list[NDArray[np.int64]]:
    random = np.random.default_rng(1)
    end = network.config.vocabulary_size - 1
    return [np.append(end, random.choice(ALLOWED, length)) for length in lengths]


def alone(network: Network, line: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probabilities of the allowed tokens after `line`, read token by token."""
    state = network.start(1)
    for id in line.tolist():
        logits, state = network.step(np.array([id]), state)
    weights = np.exp(logits[0, ALLOWED].astype(np.float64))
    return np.asarray(weights / weights.sum())


def test_tokens_are_drawn_as_often_as_the_network_says_given_the_earlier_ones_of_their_path(network: Network) -> None:
    given = lines(network, 3, 70, 0, 70, 129, 64)  # shorter and longer than what is read at once
    for line in given:
        drawn = sample_paths(network, line, ALLOWED, 2, 5000, seed=[0])
        first = np.bincount(drawn[:, 0], minlength=len(ALLOWED))
        np.testing.assert_allclose(first / len(drawn), alone(network, line), atol=0.04)
        often = int(first.argmax())
        later = np.bincount(drawn[drawn[:, 0] == often][:, 1], minlength=len(ALLOWED)) / first[often]
        np.testing.assert_allclose(later, alone(network, np.append(line, ALLOWED[often])), atol=0.05)


def test_only_the_seed_decides_a_draw(network: Network) -> None:
    [given] = lines(network, 30)
    one, other = (sample_paths(network, given, ALLOWED, 12, 30, [seed]) for seed in (0, 1))
    assert one.shape == other.shape == (30, 12)
    assert set(np.unique(one)) <= set(range(len(ALLOWED)))
    assert (one != other).any()
    np.testing.assert_array_equal(sample_paths(network, given, ALLOWED, 12, 30, [0]), one)
