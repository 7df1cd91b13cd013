from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from afterword.model.network.config import Config
from afterword.model.network.network import Network
from afterword.model.ngram.mixture import Mixture, fitted_weight, mixed
from afterword.model.ngram.tables import Ngram
from tests.tiny import random_weights

CONFIG = Config(vocabulary_size=6, byte_tokens=1, embedding_size=3, hidden_size=4, num_layers=2)
RANDOM, WEIGHTS = np.random.default_rng(0), random_weights(CONFIG, 1)
NGRAM = Ngram.learn(RANDOM.integers(0, 5, 200), 6, boundary=5, start=0, order=4)
IDS = np.concatenate([np.full((3, 1), 5), RANDOM.integers(0, 5, (3, 20))], axis=1)


def probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize(
    ("given", "using", "weight"),
    [*((weight, "both", weight) for weight in (0.0, 0.25, 1.0)), (0.4, "lstm", 0.0), (0.4, "ngram", 1.0)],
)
def test_it_predicts_what_its_parts_do_by_their_weights(given: float, using: str, weight: float) -> None:
    network, mixture = Network(CONFIG, WEIGHTS), Mixture(CONFIG, WEIGHTS, NGRAM, given, using)
    alone, _ = network.read(IDS, network.start(3))
    found, _ = mixture.read(IDS, mixture.start(3))
    expected = (1 - weight) * probabilities(alone) + weight * NGRAM.probabilities(IDS, 0)
    np.testing.assert_allclose(probabilities(found), expected, atol=1e-6)


def test_stepping_gives_what_the_two_parts_give_at_every_step() -> None:
    """The one lane that writing has goes a way of its own."""
    network, mixture = Network(CONFIG, WEIGHTS), Mixture(CONFIG, WEIGHTS, NGRAM, 0.4)
    state, alone = mixture.start(), network.start()
    for place, id in enumerate(IDS[0]):
        found, state = mixture.step(np.array([id]), state)
        logits, alone = network.step(np.array([id]), alone)
        expected = 0.6 * probabilities(logits.astype(np.float64)) + 0.4 * NGRAM.probabilities(IDS[:1], 0)[:, place]
        np.testing.assert_allclose(found, np.log(expected).astype(np.float32), rtol=2e-7)


def test_logits_of_any_size_are_joined() -> None:
    large = {**WEIGHTS, "output.bias": np.array([3e4, -3e4, 0, 1, 2, -1e4], np.float32)}
    mixture = Mixture(CONFIG, large, NGRAM, 0.4)
    step, _ = mixture.step(np.array([1]), mixture.start())
    expected = 0.4 * NGRAM.probabilities(np.array([[1]]), 0)[0, 0] + 0.6 * (np.arange(6) == 0)
    np.testing.assert_allclose(probabilities(step[0]), expected, atol=1e-6)


nats = arrays(np.float64, 30, elements=st.floats(0.001, 30))


@settings(deadline=None)
@given(nats, nats)
def test_no_other_weight_costs_less_than_the_fitted_one(network: np.ndarray, ngram: np.ndarray) -> None:
    best = mixed(network, ngram, fitted_weight(network, ngram)).mean()
    for weight in np.linspace(0.001, 0.999, 25):
        assert best <= mixed(network, ngram, weight).mean() + 1e-3


def test_whoever_is_always_better_gets_everything() -> None:
    good, bad = np.full(10, 0.5), np.full(10, 3.0)
    assert fitted_weight(good, bad) == pytest.approx(0, abs=1e-3)
    assert fitted_weight(bad, good) == pytest.approx(1, abs=1e-3)
