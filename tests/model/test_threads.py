"""Laws of work that threads share."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from afterword.model.threads import Products, share

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
    with products.alone():
        with products.alone():
            assert (now[-1], products.threads) == (1, 4)
        assert (now[-1], products.threads) == (1, 4)
    assert (now[-1], products.threads) == (4, 4)
