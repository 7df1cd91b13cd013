"""Laws of reading, for everything that predicts: any network, alone, of windows, mixed, and by the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from afterword.model.network.cells import CELLS
from afterword.model.network.config import Config
from afterword.model.network.engines import FastEngine
from afterword.model.network.holding import held_values, parse_hold
from afterword.model.network.network import Network
from afterword.model.network.windows import WindowNetwork
from afterword.model.ngram.mixture import USES, Mixture
from afterword.model.ngram.tables import Ngram
from tests.tiny import random_weights

ROWS, LANES, LENGTH = 9, 4, 24
CONFIG = Config(ROWS, 256, embedding_size=4, hidden_size=17, num_layers=2, residual=True)
WINDOWS = Config(ROWS, 1, embedding_size=1, hidden_size=7, num_layers=2, input="number", window=5)
WEIGHTS = random_weights(CONFIG)
OF_CELLS = {cell: dataclasses.replace(CONFIG, cell=cell) for cell in CELLS}
NGRAM = Ngram.learn(np.random.default_rng(0).integers(0, ROWS - 1, 200), ROWS, boundary=ROWS - 1, start=0, order=4)
IDS = np.random.default_rng(1).integers(0, ROWS + 20, (LANES, LENGTH))
IDS[:, 0], IDS[0, 9:12] = ROWS - 1, 2


KINDS: dict[str, Callable[[], Network]] = {
    **{cell: partial(Network, config, random_weights(config)) for cell, config in OF_CELLS.items()},
    "held": partial(Network, CONFIG, WEIGHTS, held_values([parse_hold("l0.forget=1")], CONFIG)),
    "windows": partial(WindowNetwork, WINDOWS, random_weights(WINDOWS)),
    **{f"mixture, {using}": partial(Mixture, CONFIG, WEIGHTS, NGRAM, 0.4, using) for using in USES},
    "fast": lambda: Network(CONFIG, WEIGHTS, engine=FastEngine(CONFIG, WEIGHTS)),
}


@pytest.fixture(scope="module", params=KINDS)
def network(request: pytest.FixtureRequest) -> Network:
    return KINDS[request.param]()


def assert_near(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=5e-4)  # a plain network with random weights is chaotic


@settings(max_examples=15)
@example(LANES, [("step", 9), ("read", 9)])  # after steps, the contexts that a mixture keeps differ in length
@example(1, [("read", 3), ("read", 0), ("step", 9), ("advance", 3)])
@given(
    st.integers(1, LANES),
    st.lists(st.tuples(st.sampled_from(["read", "step", "advance"]), st.integers(0, 9)), min_size=3, max_size=5),
)
def test_reading_in_pieces_is_reading_at_once(network: Network, lanes: int, pieces: list[tuple[str, int]]) -> None:
    whole, end = network.read(IDS[:lanes], network.start(lanes))
    state, at = network.start(lanes), 0
    for way, length in [*pieces, ("read", LENGTH)]:
        part = IDS[:lanes, at : at + length]
        expected, at = whole[:, at : at + length], at + part.shape[1]
        if way == "read":
            logits, state = network.read(part, state)
            assert_near(logits, expected)
        elif way == "step":
            for place, column in enumerate(part.T):
                logits, state = network.step(column, state)
                assert_near(logits, expected[:, place])
        elif part.size:
            logits, state = network.advance(part, state)
            assert_near(logits, expected[:, -1])
    assert_near(state.hidden, end.hidden)
    assert_near(state.cell, end.cell)


def test_lanes_do_not_depend_on_their_neighbours_and_can_be_chosen_and_joined(network: Network) -> None:
    whole, _ = network.read(IDS, network.start(LANES))
    _, state = network.read(IDS[:, :9], network.start(LANES))
    alone = [network.read(IDS[[lane], :9], network.start())[1] for lane in range(LANES)]
    for lanes in ([3, 0], [2], [0, 1, 2, 3]):
        for some in (network.chosen(state, lanes), network.side_by_side(*(alone[lane] for lane in lanes))):
            assert_near(network.read(IDS[lanes, 9:], some)[0], whole[lanes, 9:])
            assert_near(network.step(IDS[lanes, 9], some)[0], whole[lanes, 9])


def test_a_state_handed_in_is_never_changed_and_the_same_reading_gives_the_same_bits(network: Network) -> None:
    _, state = network.step(IDS[:, 0], network.start(LANES))
    kept = state.hidden.copy(), state.cell.copy(), list(state.recent)
    first, _ = network.step(IDS[:, 1], state)
    rest, _ = network.read(IDS[:, 1:], state)
    np.testing.assert_array_equal(network.step(IDS[:, 1], state)[0], first)
    np.testing.assert_array_equal(network.read(IDS[:, 1:], state)[0], rest)
    np.testing.assert_array_equal(kept[:2], (state.hidden, state.cell))
    assert list(map(str, kept[2])) == list(map(str, state.recent))
