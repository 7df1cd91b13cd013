"""Keep the tests from waiting: for the disk, since none cuts the power, and for good plans, which none needs."""

import os
import stat
import sys
from typing import Any

flush = os.fsync


def fsync(fd: Any) -> None:
    """Flush nothing of a file or a folder; anything else, such as a pipe, is refused as ever."""
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        flush(fd)


def measure_briefly() -> None:
    """Let plans measure steps for a tenth of a second, if what measures them is loaded."""
    if machine := sys.modules.get("afterword.planning.machine"):
        machine.SECONDS = 0.1  # type: ignore[attr-defined]


os.fsync = fsync
measure_briefly()
