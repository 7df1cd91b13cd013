"""Threads that compute in parallel.

OpenBLAS, which computes NumPy's matrix products, shares each product between the processors; all other work runs on
one. NumPy releases Python's lock while it computes. So threads of our own, each computing its products alone, share
divisible work better. There are as many of them as OpenBLAS would use: `OPENBLAS_NUM_THREADS` limits both.
"""

from __future__ import annotations

import ctypes
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from afterword.model.arrays import check_threads_fit

MOST = 8  # threads that share work; Python runs one at a time, so more would wait for one another
NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")

Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")


class Products:
    """The threads of a matrix product. Without OpenBLAS, their number cannot be changed and counts as one."""

    def __init__(self) -> None:
        self._get, self._set = _openblas()
        self._lock, self._users, self._usual = threading.Lock(), 0, 1

    @property
    def threads(self) -> int:
        """The number of threads that OpenBLAS uses outside of `alone`."""
        with self._lock:
            return self._usual if self._users else self._get()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Compute each product of the whole process on one thread, while any thread is in this context."""
        with self._lock:
            if not self._users:
                self._usual = self._get()
                self._set(1)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._set(self._usual)


def _openblas() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Return the functions that get and set the number of threads of NumPy's OpenBLAS."""
    with suppress(OSError, ImportError, TypeError):
        library = ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
        for name in NAMES:
            with suppress(AttributeError):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return lambda: 1, lambda number: None


PRODUCTS = Products()


class _Stopped(Exception):
    """Another thread has failed."""


def at_once(
    threads: Executor, first: Callable[[], Result], others: Iterable[Callable[[], Other]]
) -> tuple[Result, list[Other]]:
    """Call all functions at the same time, `first` here and `others` on `threads`, and return their results."""
    running = [threads.submit(other) for other in others]
    try:
        return first(), [one.result() for one in running]
    finally:
        wait(running)


def share(
    work: Callable[[Item, Callable[[int], None]], object],
    items: Iterable[Item],
    on_done: Callable[[int], object],
    threads: int,
) -> None:
    """Do `work` for all `items`, in any order, on up to `threads` threads, this one among them.

    `work` also takes a function, and calls it after each part of an item with the size of that part. `on_done` receives
    the sum of all sizes, on this thread. If a thread raises an exception, the others stop after their part, and the
    exception is raised here.
    """
    left, lock, here = iter(items), threading.Lock(), threading.get_ident()
    done, stopped = 0, False

    def add(size: int) -> None:
        nonlocal done
        with lock:
            done += size
        if stopped:
            raise _Stopped
        if threading.get_ident() == here:
            on_done(done)

    def work_on() -> None:
        nonlocal stopped
        try:
            while True:
                with lock:
                    item = next(left, None)
                if item is None:
                    return
                work(item, add)
        except BaseException:
            stopped = True
            raise

    others = min(threads, MOST) - 1
    if not others:
        work_on()
        return
    check_threads_fit(others)
    with PRODUCTS.alone(), ThreadPoolExecutor(others) as pool:
        running = [pool.submit(work_on) for _ in range(others)]
        with suppress(_Stopped):  # what stopped this thread is raised below
            work_on()
        for one in running:
            with suppress(_Stopped):
                one.result()
    on_done(done)
