"""The heap of glibc, the C library: how much of the freed memory it keeps for the next request."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as glibc's malloc.h numbers them


def keep_freed(largest: int, most: int) -> Callable[[], object] | None:
    """Let the heap keep freed blocks of less than `largest` bytes, and `most` bytes at its free end.

    By default, glibc raises both limits by itself, but the second not once the first has been set. Return a function
    that returns all free pages to the system. Without glibc, do nothing and return None.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, largest)
        libc.mallopt(M_TRIM_THRESHOLD, most)
        return partial(libc.malloc_trim, 0)
    except (OSError, AttributeError, TypeError):
        return None
