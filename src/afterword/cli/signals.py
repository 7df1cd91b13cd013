"""The signals that ask a command to stop."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

ENDINGS = [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGHUP]  # SIGHUP: closed terminal
SAME_SIGNAL_SECONDS = 2.0


def heard(*numbers: int) -> list[int]:
    """Return the signals that the process does not ignore from its start, as nohup makes it ignore SIGHUP."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def take_interrupts() -> None:
    """Make Ctrl-C raise KeyboardInterrupt, if `afterword.__main__` has made it kill the process silently."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, end)


def end(number: int, frame: FrameType | None) -> None:
    """Handle a signal: raise KeyboardInterrupt for Ctrl-C, SystemExit for another. So half-written files are removed.

    An import might print or swallow the exception, so it is raised after the import. Until then, a second signal kills.
    """
    importing = None
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            importing = frame.f_back
        frame = frame.f_back
    if importing is None:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def after_import(*event: object) -> None:
        sys.settrace(None)
        signal.signal(number, end)
        end(number, None)

    signal.signal(number, signal.SIG_DFL)
    importing.f_trace = after_import
    sys.settrace(lambda *event: None)  # so that Python calls `f_trace` on the next line of that frame


class Stop:
    """Remembers the first signal in its block that asks the process to stop; a second one ends it as usual.

    A signal that the process ignores from its start stays ignored, such as Ctrl-C in a background job. torchrun
    forwards a signal to ranks that may already have received it, so ranks take a second one within
    `SAME_SIGNAL_SECONDS` for the first. A terminal that is closed sends SIGHUP twice: from its shell, and when that has
    ended.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._at = 0.0

    def __enter__(self) -> Stop:
        self._before = {number: signal.getsignal(number) for number in heard(signal.SIGINT, *ENDINGS)}
        for number in self._before:
            signal.signal(number, self._remember)
        return self

    def _remember(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal is None:
            from afterword.learning.ranks import ranks  # takes longer to import than the rest of this file

            self.signal, self._at = number, now
            if ranks() == 1:
                self._restore()
            if sys.platform != "win32":
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
        elif now - self._at > SAME_SIGNAL_SECONDS:
            self._restore()
            signal.raise_signal(number)  # `os.kill` would end the process on Windows

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, *error: object) -> None:
        self._restore()
