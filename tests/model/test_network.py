from __future__ import annotations

import re
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import OptionError
from afterword.model.network import cell
from afterword.model.network import network as network_module
from afterword.model.network.config import Config
from afterword.model.network.holding import GATES_AND_STATES, Hold, held_values, parse_hold
from afterword.model.network.network import Network, State, log_probabilities
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
            step = cell.step(cell.layer_weights(weights, k), x, hidden[k], cells[k])
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


def test_u_is_the_inputs_matrix_and_w_the_hidden_states_wherever_the_equations_stand() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for text in (cell.__doc__ or "", *((docs / page).read_text("utf-8") for page in ("classic.md", "gates.md"))):
        sums = re.findall(r"(?:σ|tanh)\((.*(?:U|W).*)\)", text)
        assert len(sums) >= 4, text
        for terms in sums:
            assert re.search(r"U\w* x\b|X_t U", terms), terms
            assert re.search(r"W\w* h\b|H_\S+ W", terms), terms


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


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("holds", [False, True])
def test_reading_needs_no_more_memory_than_it_says(layers: int, holds: bool) -> None:
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


def test_log_probabilities_of_huge_logits_are_finite() -> None:
    values = log_probabilities(np.array([[3e38, -3e38, 0.0], [-3e38, -3e38, -3e38]], np.float32))
    assert np.isfinite(values).all()
    assert_equal(values[1], -np.log(3))


def test_the_sigmoid_is_the_logistic_function_and_neither_it_nor_the_network_overflows() -> None:
    x, config = np.linspace(-20, 20, 1001), Config(5, 1, 4, 6, 2)
    assert_equal(cell.sigmoid(x.astype(np.float32)), 1 / (1 + np.exp(-x)), 2e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extremes = cell.sigmoid(np.array([-np.inf, -3e38, -100, 0, 100, 3e38, np.inf], np.float32))
        network = Network(config, random_weights(config, 1e4))
        logits, state = network.read(random_ids(config, 1, 2, 50), network.start(2))
    assert extremes.tolist() == [0, 0, 0, 0.5, 1, 1, 1]
    assert np.isfinite(logits).all()
    assert np.isfinite(state.cell).all()


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


# What can be held


@pytest.mark.parametrize(
    ("text", "hold"),
    [
        ("forget=1", Hold("forget", 1)),
        ("l1.output=0.5", Hold("output", 0.5, 1)),
        ("l0.u42=-1", Hold("hidden", -1, 0, 42)),
        (" l0.u3.cell = 3e1", Hold("cell", 30, 0, 3)),
    ],
)
def test_the_notation_says_what_is_held(text: str, hold: Hold) -> None:
    assert parse_hold(text) == hold


HELD, PLAIN = Config(9, 1, 4, hidden_size=6, num_layers=2), Config(9, 1, 4, 6, 2, cell="rnn")
REFUSED = {
    "": "is invalid",
    "forget": "is invalid",
    "=1": "is invalid",
    "u3=1": "is invalid",
    "l0=1": "names no part",
    "l0.u1.u2=1": "is invalid",
    "gate=1": "unknown part 'gate'",
    "forget=wide": "is not a number",
    "forget=1.5": "from 0 to 1",
    "forget=nan": "from 0 to 1",
    "l0.u0.hidden=-2": "from -1 to 1",
    "cell=inf": "a finite number",
    "l2.forget=1": "unknown layer l2: the model has the layers l0 to l1",
    "l0.u6=1": "unknown unit u6: a layer of this model has u0 to u5",
}


@pytest.mark.parametrize(
    ("config", "text", "says"),
    [*((HELD, *one) for one in REFUSED.items()), (PLAIN, "forget=1", "plain recurrent network has no forget")],
)
def test_what_cannot_be_held_is_refused(config: Config, text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        held_values([parse_hold(text)], config)


def test_of_two_that_hold_the_same_the_later_one_counts_and_the_rest_stays_free() -> None:
    held = held_values([parse_hold("forget=1"), parse_hold("l1.forget=0")], HELD)
    at = GATES_AND_STATES.index("forget")
    assert held[:, at].tolist() == [[1] * 6, [0] * 6]
    assert np.isnan(np.delete(held, at, axis=1)).all()


def test_a_plain_network_holds_units() -> None:
    network = Network(PLAIN, random_weights(PLAIN), held_values([parse_hold("l1.u2=0.5")], PLAIN))
    _, state = network.read(random_ids(PLAIN, 0, 3, 12), network.start(3))
    assert state.hidden[1, :, 2].tolist() == [0.5] * 3
