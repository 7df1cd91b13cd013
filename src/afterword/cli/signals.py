"""The signals that ask a command to end."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

from afterword.learning.ranks import ranks

ENDINGS = [signal.SIGTERM]
if os.name == "posix":
    ENDINGS.append(signal.SIGHUP)  # of a terminal that is closed
SAME_SIGNAL_SECONDS = 2.0


def heard(*numbers: int) -> list[int]:
    """Those of the signals that the process was not started to ignore, as nohup ignores SIGHUP."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


class Stop:
    """Remembers the first signal inside its block that asks to end; a second one ends the process as usual.

    A signal that the process was started to ignore stays ignored: Ctrl-C in a job in the background, as by nohup.
    torchrun passes a signal on to ranks that may have had it already, so for them a second one within
    `SAME_SIGNAL_SECONDS` is the first. A terminal that is closed hangs up twice: by its shell, and when that has gone.
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
            self.signal, self._at = number, now
            if ranks() == 1:
                self._restore()
            if os.name == "posix":
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
        elif now - self._at > SAME_SIGNAL_SECONDS:
            self._restore()
            os.kill(os.getpid(), number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, *error: object) -> None:
        self._restore()
