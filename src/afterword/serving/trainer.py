"""Trains runs in one folder, one at a time, each in a process of its own: `afterword train`, as from a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from afterword.errors import OptionError
from afterword.runs.folder import RECORD, RunFolder, can_be_written
from afterword.serving.errors import ApiError, busy
from afterword.storage import write_bytes

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
STOPPED = {0, -signal.SIGINT, *(128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))}
TAIL = 2**16  # bytes of what a process said last
PLANS = 4  # that wait for one another


@dataclass(frozen=True)
class Wish:
    """What shall be learned, and for how long."""

    name: str
    text: bytes
    minutes: float
    lines: bool

    @property
    def arguments(self) -> list[str]:
        return [f"{self.name}.txt", "--minutes", repr(self.minutes), *(["--lines"] if self.lines else [])]


@dataclass
class _Training:
    """A process that trains, and what it says."""

    name: str
    process: subprocess.Popen[bytes]
    said: BinaryIO
    stopping: bool = False


class Trainer:
    """Several threads may ask."""

    def __init__(self, place: Path) -> None:
        """`place` is the folder, beyond which nothing is read or written. Raises OptionError where it will not do, or
        nothing can be trained."""
        if missing := next((name for name in ("torch", "filelock") if importlib.util.find_spec(name) is None), None):
            raise OptionError(f"train needs {missing}: pip install 'afterword[train]'")
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"train cannot make the folder {place}: {error.strerror}") from None
        if not can_be_written(place):
            raise OptionError(f"train cannot write in {place}: name another folder")
        self.place = place
        self._lock = threading.Lock()
        self._training: _Training | None = None
        self._failures: dict[str, str] = {}
        self._planning = asyncio.Lock()
        self._plans = 0

    def folders(self) -> dict[str, Path]:
        """The runs in the folder, by name."""
        names: list[str] = []
        with contextlib.suppress(OSError), os.scandir(self.place) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return {name: self.place / name for name in names if NAME.fullmatch(name) and self._is_run(name)}

    def _is_run(self, name: str) -> bool:
        return (self.place / name / RECORD).is_file()

    @property
    def training(self) -> str | None:
        """The name of the run that is being trained, or made ready for it."""
        with self._lock:
            self._settle()
            return None if self._training is None else self._training.name

    def is_preparing(self, name: str) -> bool:
        """Whether that run is being made ready: it is not in the folder yet."""
        return self.training == name and not self._is_run(name)

    def failures(self) -> dict[str, str]:
        """Why runs failed that were trained last, by name."""
        with self._lock:
            self._settle()
            return dict(self._failures)

    def is_taken(self, name: str) -> bool:
        """Whether anything of that name stands in the folder, but what a run left that was killed before it began."""
        folder = self.place / name
        if os.path.lexists(self.place / f"{name}.txt") or (os.path.lexists(folder) and not _is_own_folder(folder)):
            return True
        return not RunFolder(folder).is_free

    def begin(self, wish: Wish) -> None:
        """Begin a run. Raises ApiError where it cannot begin, StorageError where the text cannot be saved."""
        with self._lock:
            self._check_free()
            if self.is_taken(wish.name):
                told = f"there is something named {wish.name} already: take another name, or resume that run"
                raise ApiError(409, told, "name")
            write_bytes(self.place / f"{wish.name}.txt", wish.text)
            self._start(wish.name, ["train", *wish.arguments, "--out", wish.name])

    def resume(self, name: str) -> None:
        """Resume a run. Raises ApiError where it cannot be resumed."""
        with self._lock:
            self._check_free()
            folder = RunFolder(self.place / name)
            if folder.is_held:
                raise ApiError(409, f"{name} is being trained by another process")
            if folder.read_record().ended is not None:
                raise ApiError(409, f"{name} has finished: start another run")
            self._start(name, ["train", "--resume", name])

    def stop(self, name: str) -> None:
        """Ask the process that trains it to save the run and end. Raises ApiError where it is not being trained."""
        with self._lock:
            self._settle()
            if self._training is None or self._training.name != name:
                raise ApiError(409, f"{name} is not being trained here: there is nothing to stop")
            self._interrupt(self._training)

    def close(self) -> None:
        """Let what is being trained save itself, and wait for that."""
        with self._lock:
            training = self._training
        if training is not None:
            self._interrupt(training)
            training.process.wait()
            with self._lock:
                self._settle()

    def forget(self, name: str) -> str | None:
        """Why that run failed, which is told to nobody else."""
        with self._lock:
            self._settle()
            return self._failures.pop(name, None)

    async def plan(self, wish: Wish) -> tuple[list[str], list[str]]:
        """What `afterword plan` says: its lines, and its notes. Raises ApiError with what it refuses.

        Plans are made one after the other, since each measures how fast this machine is.
        """
        if self._plans > PLANS:
            raise busy(10)
        self._plans += 1
        try:
            async with self._planning:
                if name := await asyncio.to_thread(lambda: self.training):
                    told = f"{name} is being trained, and a plan measures how fast this machine is"
                    raise ApiError(409, f"{told}: stop it, or wait for its end")
                with tempfile.TemporaryDirectory(prefix="afterword-plan-") as place:
                    return await self._planned(wish, Path(place))
        finally:
            self._plans -= 1

    async def _planned(self, wish: Wish, place: Path) -> tuple[list[str], list[str]]:
        await asyncio.to_thread((place / f"{wish.name}.txt").write_bytes, wish.text)
        process = await asyncio.create_subprocess_exec(
            *_command(["plan", *wish.arguments]),
            cwd=place,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, said = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # whoever asked may have gone
            await process.wait()
        if process.returncode:
            raise ApiError(400 if process.returncode == 2 else 500, _error(said, process.returncode))
        notes = [line.removeprefix("note: ") for line in _lines(said) if line.startswith("note: ")]
        return out.decode("utf-8", "replace").splitlines(), notes

    def _check_free(self) -> None:
        self._settle()
        if self._training is not None:
            raise ApiError(409, f"{self._training.name} is being trained: stop it first, or wait for its end")

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        self._failures.pop(name, None)
        said = tempfile.TemporaryFile()  # noqa: SIM115
        # in a session of its own, so that Ctrl-C on a terminal reaches it once, from here
        process = subprocess.Popen(
            _command(arguments),
            cwd=self.place,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        self._training = _Training(name, process, said)

    def _interrupt(self, training: _Training) -> None:
        if not training.stopping:  # a second time would end it at once
            training.stopping = True
            training.process.send_signal(signal.SIGINT)

    def _settle(self) -> None:
        """See whether the process has ended, and how. A run that was never made leaves nothing but why."""
        training = self._training
        if training is None or (status := training.process.poll()) is None:
            return
        self._training = None
        with training.said as said:
            said.seek(max(0, said.seek(0, os.SEEK_END) - TAIL))
            if status not in STOPPED:
                self._failures[training.name] = _error(said.read(), status)
        if not self._is_run(training.name):
            (self.place / f"{training.name}.txt").unlink(missing_ok=True)


def _is_own_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _command(arguments: Sequence[str]) -> list[str]:
    """-P: what lies in the folder is no program."""
    return [sys.executable, "-P", "-m", "afterword", *arguments]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "AFTERWORD_API_KEY"}


def _error(said: bytes, status: int) -> str:
    """The last error in what a process said."""
    errors = [line.removeprefix("error: ") for line in _lines(said) if line.startswith("error: ")]
    if errors:
        return errors[-1]
    return f"its process was killed by signal {-status}" if status < 0 else f"its process ended with status {status}"


def _lines(said: bytes) -> Iterator[str]:
    return (line.strip() for line in said.decode("utf-8", "replace").splitlines())
