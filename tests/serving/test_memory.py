"""Laws of the states that are remembered."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from afterword.generation.prefill import Reading
from afterword.model.network.network import Network
from afterword.serving.writing import memory
from afterword.serving.writing.memory import Memory, TokensRead
from tests.generation.test_continuation import SAVED

NETWORKS = [SAVED.network() for _ in range(6)]
IDS = st.lists(st.integers(0, 5), max_size=12)


def reading(network: Network) -> Reading:
    state = network.start()
    return Reading("", np.zeros((1, 3), np.float32), state, network)


def trail(ids: list[int]) -> TokensRead:
    found = TokensRead()
    found.extend(np.array(ids, np.int32))
    return found


@given(st.lists(IDS, max_size=8), IDS)
def test_the_longest_known_beginning_is_found(kept: list[list[int]], ids: list[int]) -> None:
    remembered = Memory(2**20)
    for one in kept:
        remembered.keep(trail(one), reading(NETWORKS[0]))
    begun = [one for one in kept if one and ids[: len(one)] == one]
    found, known = remembered.longest(NETWORKS[0], np.array(ids, np.int32))
    assert (known is None) == (not begun)
    if begun:
        assert found.digest == trail(max(begun, key=len)).digest
    assert remembered.longest(NETWORKS[1], np.array(ids, np.int32))[1] is None


@given(IDS, IDS)
def test_a_path_is_the_same_token_by_token(first: list[int], second: list[int]) -> None:
    at_once, one_by_one = trail(first + second), trail(first)
    for id in second:
        one_by_one.push(id)
    in_two = trail(first)
    in_two.extend(np.array(second, np.int32))
    assert {(one.number, one.digest) for one in (at_once, one_by_one, in_two)} == {(at_once.number, at_once.digest)}


def test_two_texts_of_one_number_are_told_apart() -> None:
    remembered, other = Memory(2**20), trail([1, 2])
    other._number = trail([3, 4])._number
    remembered.keep(other, reading(NETWORKS[0]))
    assert remembered.longest(NETWORKS[0], np.array([3, 4], np.int32))[1] is None


def test_it_holds_no_more_than_it_may_and_few_networks() -> None:
    one = reading(NETWORKS[0])
    size = one.logits.nbytes + one.state.hidden.nbytes + one.state.cell.nbytes + memory.OVERHEAD
    remembered = Memory(5 * size)
    for k in range(20):
        remembered.keep(trail([k]), one)
        assert remembered.size <= 5 * size
    assert [k for k in range(20) if remembered.longest(NETWORKS[0], np.array([k], np.int32))[1]] == [15, 16, 17, 18, 19]
    for network in NETWORKS:
        remembered.keep(trail([1]), reading(network))
    known = [remembered.longest(network, np.array([1], np.int32))[1] is not None for network in NETWORKS]
    assert known == [False, False, True, True, True, True]
