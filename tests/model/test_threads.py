"""Laws of work that threads share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from afterword.model.arrays import Array
from afterword.model.threads import Products, RowProducts, share

threads = pytest.mark.parametrize("number", [1, 3])


@threads
def test_every_item_is_worked_on_once_and_progress_is_told_here(number: int) -> None:
    worked: list[int] = []
    told: list[int] = []
    here = threading.get_ident()

    def work(item: int, done: Callable[[int], None]) -> None:
        done(item)
        worked.append(item)
        done(1)

    def on_done(size: int) -> None:
        assert threading.get_ident() == here
        told.append(size)

    share(work, iter(range(50)), on_done, number)
    assert sorted(worked) == [*range(50)]
    assert told == sorted(told)
    assert told[-1] == sum(range(50)) + 50


@threads
@pytest.mark.parametrize("guilty", ["item", "progress", "items"])
def test_an_error_stops_all_and_is_raised(guilty: str, number: int) -> None:
    worked: list[int] = []

    def items() -> object:
        yield from range(20)
        if guilty == "items":
            raise ValueError
        yield from range(20, 100_000)

    def work(item: int, done: Callable[[int], None]) -> None:
        worked.append(item)
        if guilty == "item" and item == 20:
            raise ValueError
        done(1)

    def on_done(size: int) -> None:
        if guilty == "progress":
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # the message is not the point
        share(work, items(), on_done, number)  # type: ignore[arg-type]
    assert len(worked) < 100_000


def test_products_have_one_thread_while_anyone_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    products, now = Products(), [4]
    monkeypatch.setattr(products, "_get", lambda: now[-1])
    monkeypatch.setattr(products, "_set", now.append)
    with products.limited():
        with products.limited():
            assert (now[-1], products.threads) == (1, 4)
        assert (now[-1], products.threads) == (1, 4)
    assert (now[-1], products.threads) == (4, 4)


class Machine:
    """A machine on which a product takes `costs` seconds, by its number of threads."""

    threads, is_limited = 2, False

    def __init__(self, costs: Callable[[int], float]) -> None:
        self.costs, self.now, self.used = costs, 0.0, list[int]()
        self._number, self._is_running = self.threads, False

    def limit(self, threads: int) -> None:
        self._number = threads

    def release(self) -> None:
        pass

    def clock(self) -> float:
        """Return the time: called before and after each product."""
        if self._is_running:
            self.now += self.costs(self._number)
            self.used.append(self._number)
        self._number, self._is_running = self.threads, not self._is_running
        return self.now

    def products(self) -> RowProducts:
        return RowProducts(cast(Products, self), self.clock)


ROW, MATRIX = np.ones((1, 4), np.float32), np.ones((4, 8), np.float32)
IDLE, BUSY = {1: 2e-4, 2: 1e-4}, {1: 5e-4, 2: 1e-2}


def test_a_row_is_multiplied_on_as_many_threads_as_are_faster_at_the_moment() -> None:
    machine = Machine(IDLE.__getitem__)
    product = machine.products()
    product.register(MATRIX)
    for costs, best in ((IDLE, 2), (BUSY, 1), (IDLE, 2), (BUSY, 1)):
        machine.costs = costs.__getitem__
        until = machine.now + 2
        while machine.now < until:
            product(ROW, MATRIX)
        machine.used.clear()
        for _ in range(5_000):
            product(ROW, MATRIX)
        assert machine.used.count(best) > 0.97 * len(machine.used)


def test_two_threads_may_end_the_same_block() -> None:
    class Shared(RowProducts):
        def _end_block(self, now: float) -> None:
            super()._end_block(now)  # by another thread, just before this one
            super()._end_block(now)

    machine = Machine(BUSY.__getitem__)
    product = Shared(cast(Products, machine), machine.clock)
    product.register(MATRIX)
    for _ in range(5_000):
        product(ROW, MATRIX)
    assert machine.used[-1000:].count(1) > 900


def test_a_row_is_multiplied_on_all_threads_if_one_thread_gives_other_bits() -> None:
    class Rounding(RowProducts):
        def _computed(self, rows: Array, matrix: Array, threads: int) -> Array:
            return rows @ matrix + np.float32(threads)

    product = Rounding(cast(Products, Machine(IDLE.__getitem__)))
    product.register(MATRIX)
    assert not product.is_adaptive
