"""The server's heap: by default, glibc keeps most of the memory that many large texts used."""

from __future__ import annotations

from collections.abc import Callable

from afterword.model.malloc import keep_freed

LARGE = 2**22  # bytes


def settle() -> Callable[[], object] | None:
    """Make freed blocks of `LARGE` or more bytes return to the system at once.

    Return a function that returns all other free pages, or None without glibc. By default, glibc raises the limit up to
    32 MiB, and then keeps what each thread frees.

    A step of 256 texts frees arrays of 1 MiB. If they returned to the system, each step would wait for the same pages
    again. So up to `2 * LARGE` free bytes stay at the end of a heap until the returned function is called.
    """
    return keep_freed(LARGE, 2 * LARGE)
