"""Seconds of training, which interruptions and whoever reads the reports do not count among."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Runs from its making on."""

    def __init__(self, seconds: float = 0.0) -> None:
        """`seconds` were trained before."""
        self._zero = time.monotonic() - seconds

    @property
    def now(self) -> float:
        return time.monotonic() - self._zero

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The clock stands still inside the block."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._zero += time.monotonic() - began
