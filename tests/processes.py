"""Programs that a test starts. Each leads a process group of its own, which ends with the test."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import IO, Any, TypeVar

from afterword.commands import commands

Command = Sequence[str | bytes | Path]
MODES = ("wb", "rb", "rb")  # of a test's ends of a program's standard streams

# What the fork server imports once, so that the programs forked from it do not.
PRELOADED = [
    *("pytest", "torch", "rich.progress", "uvicorn.protocols.http.h11_impl", "uvicorn.lifespan.on"),
    *(f"afterword.{one.place.partition(':')[0]}" for one in commands().values()),
    "afterword.cli.command",
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("afterword.runs.loop", "afterword.serving.server", "tests.processes", "tests.torture.saves", "tests.hurried"),
]


def fork_server() -> ForkServerContext:
    """Return the one fork server of this process, which starts when it is first needed."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    return server


class Forked:
    """`python -m MODULE …` or `python -c CODE …`, forked from a process that has imported afterword and PyTorch.

    It has a process id, a session, an exit status and standard streams of its own, like a program started anew, but
    it does not spend seconds on imports. Of `subprocess.Popen` it has what the tests use.
    """

    def __init__(
        self, command: Command, env: Any = None, cwd: Any = None, bufsize: int = -1, **standard: int | IO[Any] | None
    ) -> None:
        ends = [_ends(number, standard.pop(name, None)) for number, name in enumerate(("stdin", "stdout", "stderr"))]
        assert not standard
        streams = [Connection(theirs) for theirs, _ in ends]  # which can be sent to another process
        program, environment = [os.fsdecode(word) for word in command[1:]], dict(os.environ if env is None else env)
        self._process = fork_server().Process(
            target=_become, args=(program, environment, os.fspath(cwd or Path.cwd()), streams)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        for stream in streams:
            stream.close()
        self.stdin, self.stdout, self.stderr = (
            None if end is None else os.fdopen(end, mode, bufsize) for (_, end), mode in zip(ends, MODES, strict=True)
        )

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status. Raises TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def communicate(self, input: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Write `input`, read both outputs to their ends and wait. Raises TimeoutExpired."""
        read = {1: b"", 2: b""}

        def write() -> None:
            if self.stdin is not None:
                with contextlib.suppress(BrokenPipeError), self.stdin:
                    self.stdin.write(input)

        def collect(number: int, stream: IO[bytes] | None) -> None:
            read[number] = stream.read() if stream is not None else b""

        outputs = [(1, self.stdout), (2, self.stderr)]
        work = [threading.Thread(target=write, daemon=True)]
        work += [threading.Thread(target=collect, args=output, daemon=True) for output in outputs]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join(timeout)
            if thread.is_alive():
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        self.wait(timeout)
        return read[1], read[2]


Process = Forked | subprocess.Popen[bytes]
T = TypeVar("T")
PATIENCE = 100.0  # seconds that a test waits for what must happen


def until(condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """Wait until `condition()` is true; return its value. Raises TimeoutError."""
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"it did not become true within {patience:g} s")
        time.sleep(0.03)
    return value


def free_port() -> int:
    """Return a port that is free, and not one of those that the system gives to whoever asks for any."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as listening:
            listening.bind(("127.0.0.1", port))
            return port


def _ends(number: int, stream: int | IO[Any] | None) -> tuple[int, int | None]:
    """Return the program's end of a standard stream and, for a pipe, the test's end."""
    if stream == subprocess.PIPE:
        read, write = os.pipe()
        return (write, read) if number else (read, write)
    if stream == subprocess.DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    if stream is None:
        return os.dup(number), None
    return os.dup(stream if isinstance(stream, int) else stream.fileno()), None


def _become(program: list[str], environment: dict[str, str], folder: str, streams: list[Connection]) -> None:
    """Turn this process, just forked, into `python PROGRAM`."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", 1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    _as_on_a_terminal()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    kind, code, *arguments = program
    sys.argv = [kind, *arguments]
    if kind == "-m":
        runpy.run_module(code, run_name="__main__", alter_sys=True)
    else:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


@contextlib.contextmanager
def running(command: Command, **options: Any) -> Iterator[Process]:
    """Start the program as a terminal does; at the end of the block kill it and whatever it started.

    A Python program is `Forked`, unless `fresh=True` asks for an interpreter that has imported nothing.
    """
    process = _start(command, **options)
    try:
        yield process
    finally:
        for kill in (os.killpg, os.kill):  # it may not lead its group yet
            with contextlib.suppress(ProcessLookupError):
                kill(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _start(command: Command, fresh: bool = False, **options: Any) -> Process:
    if command[0] == sys.executable and not fresh:
        return Forked(command, **options)
    with from_terminal():
        return subprocess.Popen(command, start_new_session=True, **options)


@contextlib.contextmanager
def from_terminal() -> Iterator[None]:
    """Handle signals as on a terminal, even if the tests were started in the background or by nohup.

    A signal that a process ignores is ignored in its children too. One that it handles has its default there.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    _as_on_a_terminal()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_on_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def finished(
    command: Command, input: bytes = b"", timeout: float = 250, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end; return its exit status and what it printed. Raises TimeoutExpired."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(command, **pipes | options) as process:
        out, err = process.communicate(input, timeout)
        status = process.wait(timeout)
    return subprocess.CompletedProcess(command, status, out, err)
