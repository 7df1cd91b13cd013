"""glibc's heap, which by default keeps most of the memory that a flood of large texts took."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

M_MMAP_THRESHOLD = -3
LARGE = 2**20  # bytes


def settle() -> Callable[[], object] | None:
    """Make freed blocks of `LARGE` or more bytes return to the system at once.

    Return a function that returns all other free pages. By default, glibc raises the limit to up to 32 MiB, and then
    keeps what each thread frees. Without glibc, do nothing and return None.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
        return partial(libc.malloc_trim, 0)
    except (OSError, AttributeError, TypeError):
        return None
