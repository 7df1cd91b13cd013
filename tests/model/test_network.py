from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from afterword.model.network import cell
from afterword.model.network import network as network_module
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.holding import GATES_AND_STATES
from afterword.model.network.network import Network, State, log_probabilities

configs = st.builds(
    Config,
    vocabulary_size=st.integers(1, 30),
    byte_tokens=st.sampled_from([1, 256]),
    embedding_size=st.integers(1, 20),
    hidden_size=st.integers(1, 40),
    num_layers=st.integers(1, 3),
    residual=st.booleans(),
)


def random_weights(config: Config, seed: int, scale: float = 0.5) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {name: random.normal(0, scale, s).astype(np.float32) for name, s in weight_shapes(config).items()}


def random_ids(config: Config, seed: int, *shape: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, config.vocabulary_size - 1 + config.byte_tokens, shape)


def by_the_textbook(config: Config, weights: dict[str, Any], ids: Any, state: State) -> tuple[Any, State]:
    """`Network.read`, written with `cell.step` and nothing else."""
    hidden, cells = list(state.hidden), list(state.cell)
    logits = []
    for column in ids.T:
        x = weights["embedding.weight"][np.where(column < config.vocabulary_size, column, config.vocabulary_size - 1)]
        for k in range(config.num_layers):
            step = cell.step(cell.layer_weights(weights, k), x, hidden[k], cells[k])
            hidden[k], cells[k] = step.hidden, step.cell
            x = step.hidden + x if config.residual and k > 0 else step.hidden
        logits.append(x @ weights["output.weight"].T + weights["output.bias"])
    return np.stack(logits, axis=1), State(np.stack(hidden), np.stack(cells), state.recent)


def assert_equal(one: Any, other: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("table", [True, False])
@settings(deadline=None, max_examples=40)
@given(config=configs, lanes=st.integers(1, 4), steps=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_the_network_computes_what_the_cell_defines(
    table: bool, config: Config, lanes: int, steps: int, seed: int
) -> None:
    weights = random_weights(config, seed)
    ids = random_ids(config, seed, lanes, steps)
    with pytest.MonkeyPatch.context() as patch:
        if not table:
            patch.setattr(network_module, "LARGEST_TABLE", 0)
        network = Network(config, weights)
    random = np.random.default_rng(seed)
    shape = (config.num_layers, lanes, config.hidden_size)
    hidden, cells = random.uniform(-1, 1, shape).astype(np.float32), random.normal(0, 1, shape).astype(np.float32)
    state = State(hidden, cells, network.start(lanes).recent)
    logits, after = network.read(ids, state)
    expected_logits, expected_after = by_the_textbook(config, weights, ids, state)
    assert logits.dtype == after.hidden.dtype == after.cell.dtype == np.float32
    assert_equal(logits, expected_logits, 5e-5)  # sums of up to 40 products of the size of one
    assert_equal(after.hidden, expected_after.hidden)
    assert_equal(after.cell, expected_after.cell)


@settings(deadline=None, max_examples=30)
@given(
    config=configs, lanes=st.integers(1, 4), cuts=st.lists(st.integers(0, 9), max_size=3), seed=st.integers(0, 2**32)
)
def test_reading_in_pieces_or_token_by_token_is_reading_at_once(
    config: Config, lanes: int, cuts: list[int], seed: int
) -> None:
    network = Network(config, random_weights(config, seed, 0.2))
    ids = random_ids(config, seed, lanes, 9)
    whole, end = network.read(ids, network.start(lanes))

    state, parts = network.start(lanes), []
    for part in np.split(ids, sorted(cuts), axis=1):  # some parts are empty
        logits, state = network.read(part, state)
        parts.append(logits)
    assert_equal(np.concatenate(parts, axis=1), whole)
    assert_equal(state.hidden, end.hidden)
    assert_equal(state.cell, end.cell)

    state, steps = network.start(lanes), []
    for column in ids.T:
        logits, state = network.step(column, state)
        steps.append(logits)
    assert_equal(np.stack(steps, axis=1), whole)
    assert_equal(state.hidden, end.hidden)
    assert_equal(state.cell, end.cell)


def test_a_lane_does_not_depend_on_its_neighbours() -> None:
    config = Config(11, 1, 6, 17, 2)
    network = Network(config, random_weights(config, 1))
    ids = random_ids(config, 2, 5, 30)
    together, state = network.read(ids, network.start(5))
    for lane in range(5):
        alone, after = network.read(ids[lane, None], network.start(1))
        assert_equal(together[lane], alone[0])
        assert_equal(state.cell[:, lane], after.cell[:, 0])


def test_a_state_handed_in_is_never_changed() -> None:
    config = Config(11, 1, 6, 17, 2)
    network = Network(config, random_weights(config, 1))
    _, state = network.step(np.array([1, 2]), network.start(2))
    hidden, cells = state.hidden.copy(), state.cell.copy()
    first, _ = network.step(np.array([3, 4]), state)
    network.read(random_ids(config, 2, 2, 8), state)
    assert np.array_equal(state.hidden, hidden)
    assert np.array_equal(state.cell, cells)
    assert np.array_equal(network.step(np.array([3, 4]), state)[0], first)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("holds", [False, True])
def test_reading_needs_no_more_memory_than_it_says(layers: int, holds: bool) -> None:
    config = Config(6, 1, 8, 64, layers)
    network, ids = Network(config, random_weights(config, 0)), random_ids(config, 0, 20, 50)
    if holds:
        network = network.holding(np.full((layers, len(GATES_AND_STATES), 64), np.nan, np.float32))
    state = network.start(20)
    tracemalloc.start()
    try:
        network.read(ids, state)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / 4 / ids.size <= 1.1 * (network.numbers_per_token + 6)


@settings(deadline=None, max_examples=30)
@given(config=configs, seed=st.integers(0, 2**32))
def test_the_probabilities_of_all_tokens_sum_to_one(config: Config, seed: int) -> None:
    network = Network(config, random_weights(config, seed))
    logits, _ = network.step(np.array([0]), network.start(1))
    every = np.arange(config.vocabulary_size - 1 + config.byte_tokens)
    costs = network.token_log_probabilities(np.repeat(logits, len(every), axis=0), every)
    assert costs.dtype == np.float64
    assert np.exp(costs).sum() == pytest.approx(1, abs=1e-12)
    rows = log_probabilities(logits)[0]
    np.testing.assert_allclose(costs[: config.vocabulary_size - 1], rows[:-1], rtol=1e-12)
    assert costs[-1] == pytest.approx(rows[-1] - np.log(config.byte_tokens), rel=1e-12)


def test_log_probabilities_of_huge_logits_are_finite() -> None:
    values = log_probabilities(np.array([[3e38, -3e38, 0.0], [-3e38, -3e38, -3e38]], np.float32))
    assert np.isfinite(values).all()
    assert_equal(values[1], -np.log(3))


def test_the_sigmoid_and_the_network_overflow_nowhere() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extremes = cell.sigmoid(np.array([-np.inf, -3e38, -100, 0, 100, 3e38, np.inf], np.float32))
        config = Config(5, 1, 4, 6, 2)
        network = Network(config, random_weights(config, 1, 1e4))
        logits, state = network.read(random_ids(config, 1, 2, 50), network.start(2))
    assert extremes.tolist() == [0, 0, 0, 0.5, 1, 1, 1]
    assert np.isfinite(logits).all()
    assert np.isfinite(state.cell).all()


def test_the_sigmoid_is_the_logistic_function() -> None:
    x = np.linspace(-20, 20, 1001)
    assert_equal(cell.sigmoid(x.astype(np.float32)), 1 / (1 + np.exp(-x)), 2e-7)


def test_a_stream_has_the_same_bits_on_any_number_of_threads_that_it_chooses() -> None:
    network = Network(config := Config(65, 1, 32, 512, 2), random_weights(config, 1))
    tokens, found = np.arange(40)[:, None] % 65, []
    for position in (0, 1):
        state, product = network.start(), network._product
        for token in tokens:
            product._best = product._now = position * product.is_adaptive
            product._trial_at = np.inf
            logits, state = network.step(token, state)
        found.append(logits)
    np.testing.assert_array_equal(found[0], found[1])
