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


def reading(network: Network = NETWORKS[0]) -> Reading:
    return Reading("", np.zeros((1, 3), np.float32), network.start(), network)


def trail(*parts: list[int]) -> TokensRead:
    found = TokensRead()
    for ids in parts:
        found.extend(np.array(ids, np.int32))
    return found


def is_known(remembered: Memory, ids: list[int], network: Network = NETWORKS[0]) -> bool:
    return remembered.longest(network, np.array(ids, np.int32))[1] is not None


@given(st.lists(IDS, max_size=8), IDS)
def test_the_longest_known_beginning_is_found(kept: list[list[int]], ids: list[int]) -> None:
    remembered = Memory(2**20)
    for one in kept:
        remembered.keep(trail(one), reading())
    begun = [one for one in kept if one and ids[: len(one)] == one]
    found, known = remembered.longest(NETWORKS[0], np.array(ids, np.int32))
    assert (known is None) == (not begun)
    assert not begun or found.digest == trail(max(begun, key=len)).digest
    assert not is_known(remembered, ids, NETWORKS[1])


@given(IDS, IDS)
def test_a_path_is_the_same_token_by_token(first: list[int], second: list[int]) -> None:
    one_by_one = trail(first)
    for id in second:
        one_by_one.push(id)
    assert len({(one.number, one.digest) for one in (trail(first + second), one_by_one, trail(first, second))}) == 1


def test_two_texts_of_one_number_are_told_apart() -> None:
    remembered, other = Memory(2**20), trail([1, 2])
    other._number = trail([3, 4])._number
    remembered.keep(other, reading())
    assert not is_known(remembered, [3, 4])


def test_it_holds_no_more_than_it_may_and_few_networks() -> None:
    one = reading()
    size = one.logits.nbytes + one.state.hidden.nbytes + one.state.cell.nbytes + memory.OVERHEAD
    remembered = Memory(5 * size)
    for k in range(20):
        remembered.keep(trail([k]), one)
        assert remembered.size <= 5 * size
    assert [k for k in range(20) if is_known(remembered, [k])] == [15, 16, 17, 18, 19]
    for network in NETWORKS:
        remembered.keep(trail([1]), reading(network))
    assert [is_known(remembered, [1], network) for network in NETWORKS] == [False] * 2 + [True] * 4
