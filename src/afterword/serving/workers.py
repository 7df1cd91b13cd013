"""Work that takes a while beside the writing, a few pieces at a time: scoring, and the gates' view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from afterword.serving.errors import busy

AT_ONCE = 2

Result = TypeVar("Result")


class Workers:
    """Threads, and a queue before them."""

    def __init__(self, queue: int) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="afterword-working")
        self._most = AT_ONCE + queue
        self.busy = 0
        """How many pieces of work are waiting or being done."""

    async def run(self, function: Callable[[], Result], check: Callable[[], None]) -> Result:
        """What `function` returns; it is not begun if `check` raises by then. Raises ApiError where too many wait."""
        if self.busy >= self._most:
            raise busy()

        def checked() -> Result:
            try:
                check()
                return function()
            finally:
                loop.call_soon_threadsafe(self._done)

        loop = asyncio.get_running_loop()
        self.busy += 1
        doing = loop.run_in_executor(self._threads, checked)
        doing.add_done_callback(_look)
        return await asyncio.shield(doing)

    def _done(self) -> None:
        self.busy -= 1

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look(done: asyncio.Future[Any]) -> None:
    """See how it ended: where whoever asked has left, nobody else does, and Python would complain."""
    if not done.cancelled():
        done.exception()
