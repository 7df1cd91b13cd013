"""glibc's heap, which by default keeps most of the memory that a flood of large texts took."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE = 2**22  # bytes


def settle() -> Callable[[], object] | None:
    """Make freed blocks of `LARGE` or more bytes return to the system at once.

    Return a function that returns all other free pages. By default, glibc raises the limit to up to 32 MiB, and then
    keeps what each thread frees. Without glibc, do nothing and return None.

    A step of 256 texts frees arrays of 1 MiB. If they returned to the system, each step would wait for the same pages
    again. So the free end of a heap stays, up to `2 * LARGE` bytes, until the returned function is called. That
    limit must be set too: glibc raises it from 128 KiB by itself, but not once the limit for blocks has been set.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
        libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGE)
        return partial(libc.malloc_trim, 0)
    except (OSError, AttributeError, TypeError):
        return None
