"""Laws of the network: its equations, what may be held, its sizes and weights, its windows, and equal bits."""

from __future__ import annotations

import dataclasses
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.model.network import cell
from afterword.model.network import network as network_module
from afterword.model.network.config import Config, check_weights, weight_shapes
from afterword.model.network.holding import GATES_AND_STATES, Hold, held_values, parse_hold
from afterword.model.network.network import Network, State, log_probabilities
from afterword.model.network.windows import WindowNetwork
from afterword.records import as_record
from tests.tiny import random_weights

configs = st.builds(
    Config,
    vocabulary_size=st.integers(1, 30),
    byte_tokens=st.sampled_from([1, 256]),
    embedding_size=st.integers(1, 20),
    hidden_size=st.integers(1, 40),
    num_layers=st.integers(1, 3),
    residual=st.booleans(),
)
places = st.sampled_from([(None, None), (0, None), (0, 0)])  # layer and unit


def random_ids(config: Config, seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, config.vocabulary_size - 1 + config.byte_tokens, shape)


def by_the_textbook(config: Config, weights: Any, ids: Any, state: State, hold: Hold | None) -> tuple[Any, State]:
    """`Network.read`, written with `cell.step` and nothing else; what is held in a step is replaced by hand."""

    def held(part: str, values: Any, layer: int) -> Any:
        if hold is not None and hold.part == part and hold.layer in (None, layer):
            values[:, slice(None) if hold.unit is None else hold.unit] = hold.value
        return values

    hidden, cells = list(state.hidden), list(state.cell)
    logits = []
    for column in ids.T:
        x = weights["embedding.weight"][np.where(column < config.vocabulary_size, column, config.vocabulary_size - 1)]
        for k in range(config.num_layers):
            step = cell.step(cell.layer_weights(weights, k, "lstm"), x, hidden[k], cells[k])
            if hold is not None:
                add, keep, candidate, show = (held(part, getattr(step, part), k) for part in cell.GATES)
                new_cell = held("cell", keep * cells[k] + add * candidate, k)
                step = step._replace(cell=new_cell, hidden=held("hidden", show * np.tanh(new_cell), k))
            hidden[k], cells[k] = step.hidden, step.cell
            x = step.hidden + x if config.residual and k > 0 else step.hidden
        logits.append(x @ weights["output.weight"].T + weights["output.bias"])
    return np.stack(logits, axis=1), State(np.stack(hidden), np.stack(cells), state.recent)


def assert_equal(one: Any, other: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("part", [None, *GATES_AND_STATES])
@settings(max_examples=30)
@given(configs, st.booleans(), st.integers(1, 4), st.integers(1, 6), places, st.integers(0, 2**32))
def test_the_network_computes_what_the_cell_defines_whatever_part_is_held(
    part: str | None, config: Config, table: bool, lanes: int, steps: int, place: tuple[Any, Any], seed: int
) -> None:
    weights, ids = random_weights(config, seed=seed), random_ids(config, seed, lanes, steps)
    hold = None if part is None else Hold(part, 0.75, *place)
    with pytest.MonkeyPatch.context() as patch:
        if not table:
            patch.setattr(network_module, "LARGEST_TABLE", 0)
        network = Network(config, weights, None if hold is None else held_values([hold], config))
    random, shape = np.random.default_rng(seed), (config.num_layers, lanes, config.hidden_size)
    hidden, cells = random.uniform(-1, 1, shape).astype(np.float32), random.normal(0, 1, shape).astype(np.float32)
    state = State(hidden, cells, network.start(lanes).recent)
    logits, after = network.read(ids, state)
    expected_logits, expected_after = by_the_textbook(config, weights, ids, state, hold)
    assert logits.dtype == after.hidden.dtype == after.cell.dtype == np.float32
    assert_equal(logits, expected_logits, 5e-5)  # sums of up to 40 products of the size of one
    assert_equal(after.hidden, expected_after.hidden)
    assert_equal(after.cell, expected_after.cell)


@pytest.mark.parametrize("holds", [False, True])
def test_reading_needs_no_more_memory_than_it_says(holds: bool) -> None:
    for layers in (1, 2):
        config = Config(6, 1, 8, 64, layers)
        network, ids = Network(config, random_weights(config)), random_ids(config, 0, 20, 50)
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


@settings(max_examples=30)
@given(config=configs, seed=st.integers(0, 2**32))
def test_the_probabilities_of_all_tokens_sum_to_one(config: Config, seed: int) -> None:
    network = Network(config, random_weights(config, seed=seed))
    logits, _ = network.step(np.array([0]), network.start(1))
    every = np.arange(config.vocabulary_size - 1 + config.byte_tokens)
    costs = network.token_log_probabilities(np.repeat(logits, len(every), axis=0), every)
    assert costs.dtype == np.float64
    assert np.exp(costs).sum() == pytest.approx(1, abs=1e-12)
    rows = log_probabilities(logits)[0]
    np.testing.assert_allclose(costs[: config.vocabulary_size - 1], rows[:-1], rtol=1e-12)
    assert costs[-1] == pytest.approx(rows[-1] - np.log(config.byte_tokens), rel=1e-12)


def test_nothing_overflows_and_the_sigmoid_is_the_logistic_function() -> None:
    x, config = np.linspace(-20, 20, 1001), Config(5, 1, 4, 6, 2)
    assert_equal(cell.sigmoid(x.astype(np.float32)), 1 / (1 + np.exp(-x)), 2e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extremes = cell.sigmoid(np.array([-np.inf, -3e38, -100, 0, 100, 3e38, np.inf], np.float32))
        network = Network(config, random_weights(config, 1e4))
        logits, state = network.read(random_ids(config, 1, 2, 50), network.start(2))
        values = log_probabilities(np.array([[3e38, -3e38, 0.0], [-3e38, -3e38, -3e38]], np.float32))
    assert extremes.tolist() == [0, 0, 0, 0.5, 1, 1, 1]
    assert all(np.isfinite(one).all() for one in (logits, state.cell, values))
    assert_equal(values[1], -np.log(3))


def test_a_stream_has_the_same_bits_on_any_number_of_threads_that_it_chooses() -> None:
    network = Network(config := Config(65, 1, 32, 512, 2), random_weights(config))
    tokens, found = np.arange(40)[:, None] % 65, []
    for position in (0, 1):
        state, product = network.start(), network._product
        for token in tokens:
            product._best = product._now = position * product.is_adaptive
            product._trial_at = np.inf
            logits, state = network.step(token, state)
        found.append(logits)
    np.testing.assert_array_equal(found[0], found[1])


def test_the_notation_says_what_is_held_and_of_two_that_hold_the_same_the_later_one_counts() -> None:
    for text, hold in (
        ("forget=1", Hold("forget", 1)),
        ("l1.output=0.5", Hold("output", 0.5, 1)),
        ("l0.u42=-1", Hold("hidden", -1, 0, 42)),
        (" l0.u3.cell = 3e1", Hold("cell", 30, 0, 3)),
    ):
        assert parse_hold(text) == hold
    held = held_values([parse_hold("forget=1"), parse_hold("l1.forget=0")], Config(9, 1, 4, 6, 2))
    at = GATES_AND_STATES.index("forget")
    assert held[:, at].tolist() == [[1] * 6, [0] * 6]
    assert np.isnan(np.delete(held, at, axis=1)).all()


CONFIG = Config(vocabulary_size=7, byte_tokens=256, embedding_size=3, hidden_size=5, num_layers=2, residual=True)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Config)])
def test_a_value_no_network_can_have_is_refused_in_one_line_that_names_it(name: str) -> None:
    values = dataclasses.asdict(CONFIG)
    assert as_record(Config, values) == CONFIG
    for value in (2**31, 2**63, 10**30, -1, 1.0, "5", None, [5], float("nan")):
        with pytest.raises(ValueError, match=rf"^{name}:? .+$") as caught:
            as_record(Config, {**values, name: value})
        assert len(str(caught.value)) < 200
    for number in ("vocabulary_size", "byte_tokens", "embedding_size", "hidden_size", "num_layers"):
        for value in (0, True):
            with pytest.raises(ValueError, match=rf"^{number}:? .+$"):
                as_record(Config, {**values, number: value})


def with_last(value: float) -> Any:
    return lambda weight: np.append(weight.flat[:-1], np.float32(value)).reshape(weight.shape)


def test_weights_that_are_not_the_configs_are_refused_by_name() -> None:
    weights: Any = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(CONFIG).items()}
    check_weights(CONFIG, weights)
    with pytest.raises(ModelError, match=r"^'lstm.weight_ih_l2' is unknown$"):
        check_weights(CONFIG, weights | {"lstm.weight_ih_l2": np.zeros((20, 5), np.float32)})
    wrongs: list[tuple[Any, str]] = [
        (lambda weight: np.zeros((2, 2), np.float32), "has the shape"),
        (lambda weight: weight.astype(np.float64), "holds float64"),
        (with_last(np.nan), "not finite"),
        (with_last(np.inf), "not finite"),
        (with_last(3e38), "beyond 1,000,000"),
    ]
    for name, weight in weights.items():
        for wrong, message in wrongs:
            with pytest.raises(ModelError, match=f"{name}.*{message}"):
                check_weights(CONFIG, {**weights, name: wrong(weight)})
        with pytest.raises(ModelError, match=f"{name}.*is missing"):
            check_weights(CONFIG, {key: one for key, one in weights.items() if key != name})


OF_WINDOWS = Config(9, 1, embedding_size=1, hidden_size=7, num_layers=2, input="number", window=5)
WINDOW_WEIGHTS = random_weights(OF_WINDOWS, 1)
WINDOWS, CARRIED = WindowNetwork(OF_WINDOWS, WINDOW_WEIGHTS), Network(OF_WINDOWS, WINDOW_WEIGHTS)


@pytest.mark.parametrize("length", [1, 3, 7, 400])  # the last has more windows than are read at once
def test_each_prediction_reads_its_own_window(length: int) -> None:
    ids = random_ids(OF_WINDOWS, 0, 2, length)
    windows = [ids[:, max(0, end - OF_WINDOWS.window) : end] for end in range(1, length + 1)]
    expected = [CARRIED.advance(window, CARRIED.start(2))[0] for window in windows]
    np.testing.assert_allclose(WINDOWS.read(ids, WINDOWS.start(2))[0], np.stack(expected, axis=1), atol=1e-5)


def elsewhere(array: NDArray[np.float32], offset: int) -> NDArray[np.float32]:
    """The same numbers, `offset` bytes beyond a multiple of 64 in memory."""
    memory = np.empty(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    copy = memory[start : start + array.nbytes].view(np.float32).reshape(array.shape)
    copy[:] = array
    return copy


def bits_of(network: Network, ids: NDArray[np.int64], offset: int = 0) -> list[bytes]:
    """What five lanes read and what one lane steps through come to; the states lie at `offset`."""
    logits, _ = network.read(ids, network.start(5))
    found, state = [logits.tobytes()], network.start(1)
    for column in ids[:1].T:
        state = State(elsewhere(state.hidden, offset), elsewhere(state.cell, offset), state.recent)
        logits, state = network.step(column, state)
        found.append(logits.tobytes())
    return found


@pytest.mark.parametrize(("layers", "units", "rows"), [(2, 48, 67), (1, 96, 67), (2, 300, 40)])
def test_the_same_reading_gives_the_same_bits_wherever_the_numbers_lie_in_memory(
    layers: int, units: int, rows: int
) -> None:
    config = Config(rows, 1, 32, units, layers)
    weights, ids = random_weights(config, units**-0.5), random_ids(config, units, 5, 20)
    first = bits_of(Network(config, weights), ids)
    for offset in (0, 4, 16, 36):
        moved = {name: elsewhere(weight, offset) for name, weight in weights.items()}
        assert bits_of(Network(config, moved), ids, offset) == first
