"""Threads that compute in parallel.

OpenBLAS, which computes NumPy's matrix products, shares each product between the processors; all other work runs on
one. NumPy releases Python's lock while it computes. So threads of our own, each computing its products alone, share
divisible work better. There are as many of them as OpenBLAS would use: `OPENBLAS_NUM_THREADS` limits both.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Annotated, Any, TypeVar

import numpy as np

from afterword.model.arrays import Array, check_threads_fit

STEPS = 16  # of a network in a block
# times what a block took: until the next trial, after one that succeeded and after one that failed
RETRY, PAUSE = 10, 100
WEIGHT = 0.2  # of the last block in the mean of those before: the scheduler lets single blocks wait
MOST_SHARING = 8  # threads that share work; Python runs one at a time, so more would wait for one another
NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")

Item = TypeVar("Item")
Result = TypeVar("Result")


class Products:
    """The threads of a matrix product. Without OpenBLAS, their number cannot be changed and counts as one."""

    def __init__(self) -> None:
        self._get, self._set = _openblas()
        self._lock, self._users, self._usual, self._alone = threading.Lock(), 0, 1, set[int]()

    def __reduce__(self) -> str:
        return "PRODUCTS"  # in a copy of a model, or in another process, its own

    @property
    def threads(self) -> int:
        """The number of threads that OpenBLAS uses outside `limited`; 1 for a thread that is alone."""
        with self._lock:
            return 1 if self.is_alone else self._usual if self._users else self._get()

    @property
    def is_alone(self) -> bool:
        """True if this thread is in `limited(alone=True)`."""
        return threading.get_ident() in self._alone

    @property
    def is_limited(self) -> bool:
        """True if a thread is in `limited`."""
        return self._users > 0

    @contextmanager
    def limited(self, alone: bool = False) -> Iterator[None]:
        """Compute each product of the whole process on one thread, while any thread is in this context.

        With `alone`, this thread shares no other work either: each of many processes on a machine should do so.
        """
        self.limit(1)
        own = {threading.get_ident()} if alone else set[int]()
        self._alone |= own
        try:
            yield
        finally:
            self._alone -= own
            self.release()

    def limit(self, threads: int) -> None:
        """Compute each product of the whole process on `threads` or fewer, until `release`."""
        with self._lock:
            if not self._users:
                self._usual = self._get()
                self._set(threads)
            elif threads == 1:
                self._set(1)
            self._users += 1

    def release(self) -> None:
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


class RowProducts:
    """Products of one row with the matrices of a network, on all threads or on one, whichever is faster at the moment.

    The threads of a product wait for one another. If other programs use the processors, waiting takes milliseconds
    instead of microseconds, and one thread is many times as fast. So products are timed in blocks, and now and then a
    block tries the other number of threads. A block ends early once it has taken longer than a whole block takes with
    the other number.

    OpenBLAS gives each thread some of the columns. A power of two threads computes the same bits as one thread, except
    for matrices of odd sizes. Those always use all threads, as do products of several rows.
    """

    def __init__(self, products: Products = PRODUCTS, clock: Callable[[], float] = time.perf_counter) -> None:
        self._products, self._clock = products, clock
        self._usual = products.threads
        self._numbers = 1, 2 ** (self._usual.bit_length() - 1)
        self.is_adaptive = self._usual > 1
        """True if the number of threads can change without changing any bit of a product."""
        self._block = self._done = self._best = self._now = 0  # sizes of products, then positions in `_numbers`
        self._seconds = [math.inf, math.inf]  # of a block, with each number of threads
        self._spent, self._trial_at = 0.0, -math.inf

    def register(self, matrix: Array) -> Array:
        """Take `matrix` [n, m] as one that every step of the network multiplies with, and return it."""
        if self.is_adaptive:
            row = np.random.default_rng(0).standard_normal((1, len(matrix)), np.float32)
            limits = [self._products.is_limited]  # by other threads: then `shared` may have one thread too
            shared = self._computed(row, matrix, self._numbers[1])
            limits.append(self._products.is_limited)
            self.is_adaptive = not any(limits) and np.array_equal(shared, self._computed(row, matrix, 1))
        self._block += STEPS * matrix.size
        return matrix

    def __call__(self, rows: Annotated[Array, "B n"], matrix: Annotated[Array, "n m"]) -> Annotated[Array, "B m"]:
        """Return `rows` @ `matrix`."""
        if not self.is_adaptive or len(rows) > 1:
            return rows @ matrix
        began = self._clock()
        found = self._computed(rows, matrix, self._numbers[self._now])
        now = self._clock()
        self._spent += now - began
        self._done += matrix.size
        if self._done >= self._block or self._spent > self._seconds[1 - self._now]:
            self._end_block(now)
        return found

    def _computed(self, rows: Array, matrix: Array, threads: int) -> Array:
        if threads == self._usual:
            return rows @ matrix
        self._products.limit(threads)  # not by `limited`, whose code is twice as long: products leave the cache cold
        try:
            return rows @ matrix
        finally:
            self._products.release()

    def _end_block(self, now: float) -> None:
        """Choose the number of threads of the next block."""
        spent, done, self._spent, self._done = self._spent, self._done, 0.0, 0
        if not done:  # another thread has just ended this block
            return
        was_trial, other, before = self._now != self._best, 1 - self._best, self._seconds[self._now]
        found = spent * self._block / done
        self._seconds[self._now] = found if was_trial or before == math.inf else before + WEIGHT * (found - before)
        if is_better := self._seconds[other] < self._seconds[self._best]:
            self._best = other
        if is_better or was_trial:
            self._now, self._trial_at = self._best, now + spent * (RETRY if is_better else PAUSE)
        elif now >= self._trial_at:
            self._now = other


class _Stopped(Exception):
    """Another thread has failed."""


def at_once(steps: Sequence[Callable[[], Result]], threads: Executor, meanwhile: Callable[[], object]) -> list[Result]:
    """Call all `steps` at the same time, the first one here and the others on `threads`, and return their results.

    While the others run, call `meanwhile` here, before the first step.
    """
    first, *others = steps
    running = [threads.submit(other) for other in others]
    try:
        meanwhile()
        return [first(), *(one.result() for one in running)]
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

    others = min(threads, MOST_SHARING) - 1
    if not others:
        work_on()
        return
    check_threads_fit(others)
    with PRODUCTS.limited(), ThreadPoolExecutor(others) as pool:
        running = [pool.submit(work_on) for _ in range(others)]
        with suppress(_Stopped):  # what stopped this thread is raised below
            work_on()
        for one in running:
            with suppress(_Stopped):
                one.result()
    on_done(done)
