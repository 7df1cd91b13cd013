"""The heap of glibc, the C library: how much freed memory it keeps for later requests."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # from glibc's malloc.h


def keep_freed(largest: int | None, most: int) -> Callable[[], object] | None:
    """Make the heap keep freed blocks of less than `largest` bytes (None: any), and up to `most` free bytes at its end.

    By default, glibc raises both limits itself; setting one stops that. Return a function that returns all free pages
    to the system. Without glibc, do nothing and return None.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(*((M_MMAP_MAX, 0) if largest is None else (M_MMAP_THRESHOLD, largest)))
        libc.mallopt(M_TRIM_THRESHOLD, most)
        return partial(libc.malloc_trim, 0)
    except (OSError, AttributeError, TypeError):
        return None
