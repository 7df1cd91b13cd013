"""Programs that a test starts: each leads a process group of its own, which is gone when the test is done with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Command = Sequence[str | bytes | Path]


@contextlib.contextmanager
def running(command: Command, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The program, started as from a terminal; killed at the end of the block, with its own."""
    process = _start(command, options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _start(command: Command, options: dict[str, Any]) -> subprocess.Popen[bytes]:
    """A signal that the parent ignores stays ignored in its children; one that it handles has its default there."""
    with from_terminal():
        return subprocess.Popen(command, start_new_session=True, **options)


@contextlib.contextmanager
def from_terminal() -> Iterator[None]:
    """Signals as on a terminal, also where the tests were started in the background, or by nohup."""
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGHUP, hung_up)


def finished(
    command: Command, input: bytes = b"", timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """The program after its end, with its exit status and what it printed. Raises TimeoutExpired."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(command, **pipes | options) as process:
        out, err = process.communicate(input, timeout)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
