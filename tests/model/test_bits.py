"""Bits that are the same everywhere: the same reading, again. `benchmarks/exactness.py` shows which others are."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from afterword.model.network.config import Config
from afterword.model.network.network import Network, State
from tests.processes import finished
from tests.tiny import random_weights

SIZES = [(2, 48, 67), (1, 96, 67), (2, 300, 40)]  # layers, units, rows


def drawn(layers: int, units: int, rows: int) -> tuple[Config, dict[str, NDArray[np.float32]], NDArray[np.int64]]:
    """A network's sizes, its weights, and ids [5, 20]."""
    config = Config(rows, 1, 32, units, layers)
    ids = np.random.default_rng(units).integers(0, rows, (5, 20))
    return config, random_weights(config, units**-0.5), ids


def elsewhere(array: NDArray[np.float32], offset: int) -> NDArray[np.float32]:
    """The same numbers, `offset` bytes beyond a multiple of 64 in memory."""
    memory = np.empty(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    copy = memory[start : start + array.nbytes].view(np.float32).reshape(array.shape)
    copy[:] = array
    return copy


def bits(network: Network, ids: NDArray[np.int64], offset: int = 0) -> bytes:
    """What five lanes read and what one lane steps through come to; the states lie at `offset`."""
    logits, state = network.read(ids, network.start(5))
    found = [logits.tobytes()]
    state = network.start(1)
    for column in ids[:1].T:
        state = State(elsewhere(state.hidden, offset), elsewhere(state.cell, offset), state.recent)
        logits, state = network.step(column, state)
        found.append(logits.tobytes())
    return b"".join(found)


@pytest.mark.parametrize("size", SIZES)
def test_the_same_reading_gives_the_same_bits_wherever_the_numbers_lie_in_memory(size: tuple[int, int, int]) -> None:
    config, weights, ids = drawn(*size)
    first = bits(Network(config, weights), ids)
    for offset in (0, 4, 16, 36):
        moved = {name: elsewhere(weight, offset) for name, weight in weights.items()}
        assert bits(Network(config, moved), ids, offset) == first


def digest() -> str:
    found = hashlib.sha256()
    for size in SIZES:
        config, weights, ids = drawn(*size)
        found.update(bits(Network(config, weights), ids))
    return found.hexdigest()


def test_another_process_gives_the_same_bits() -> None:
    done = finished([sys.executable, "-c", "from tests.model.test_bits import digest; print(digest())"])
    assert done.stdout.decode().strip() == digest(), done.stderr.decode()
