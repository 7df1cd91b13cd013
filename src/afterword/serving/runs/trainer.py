"""Training in one folder: one run at a time, each by `afterword train` in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from afterword.errors import OptionError
from afterword.runs.folder import RECORD, RunFolder, can_be_written
from afterword.serving.http.failures import ApiError, for_client, stopping
from afterword.storage import name_aside

if TYPE_CHECKING:
    from filelock import FileLock

RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
ASKED = ("lines", "minutes")  # options of `afterword train` that a request to train may have
TYPED = re.compile(r"--([a-z][a-z-]*[a-z])")  # an option, as a command's message names it
SIGHUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # which Windows lacks
STOPPED = {0, -signal.SIGTERM, *(128 + number for number in (signal.SIGINT, signal.SIGTERM, SIGHUP))}
KEY = "AFTERWORD_API_KEY"  # the server's own, which no other process needs
TAIL = 2**16  # bytes of a process's last output
KILLED = 0.5  # seconds until a killed process has ended
_Text = tuple[Path, tuple[int, ...]]
"""The file of a run's text, and its state when written: a file that somebody has changed is not removed."""


@dataclass
class _Training:
    """A process that trains, and its output."""

    name: str
    process: subprocess.Popen[bytes]
    stderr: BinaryIO
    text: _Text | None = None
    stopping: bool = False
    became_run: bool = False


class Trainer:
    """Training in the folder `place`, safe for several threads."""

    def __init__(self, place: Path) -> None:
        """Nothing outside `place` is read or written. Raises OptionError if it is unusable, or packages are missing."""
        if missing := next((name for name in ("torch", "filelock") if importlib.util.find_spec(name) is None), None):
            raise OptionError(f"train needs {missing}: pip install 'afterword[train]'")
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"train cannot make the folder {place}: {error.strerror}") from None
        if not can_be_written(place):
            raise OptionError(f"train cannot write in {place}: choose another folder")
        self.place = place.absolute()  # the paths to it are known, and left out of answers
        self._held = _hold(place)
        self._lock = threading.Lock()
        self._training: _Training | None = None
        self._failures: dict[str, str] = {}
        self._closing = False

    def folders(self) -> dict[str, Path]:
        """Return the folders of the runs by name."""
        names: list[str] = []
        with contextlib.suppress(OSError), os.scandir(self.place) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return {name: self.place / name for name in names if RUN_NAME.fullmatch(name) and self._is_run(name)}

    def _is_run(self, name: str) -> bool:
        return (self.place / name / RECORD).is_file()

    @property
    def training(self) -> str | None:
        """The name of the run that is being prepared or trained."""
        with self._lock:
            self._settle()
            return None if self._training is None else self._training.name

    def is_preparing(self, name: str) -> bool:
        """Return whether a run is being prepared: its folder has no record yet."""
        return self.training == name and not self._is_run(name)

    def failures(self) -> dict[str, str]:
        """Return the error of each run, by name, whose last training failed."""
        with self._lock:
            self._settle()
            return dict(self._failures)

    def is_taken(self, name: str) -> bool:
        """Return whether a name is in use. The remains of a run that was killed before training do not count."""
        folder = self.place / name
        is_own = folder.is_dir() and not folder.is_symlink()
        is_free = is_own or not os.path.lexists(folder)
        return os.path.lexists(self.place / f"{name}.txt") or not (is_free and RunFolder(folder).is_free)

    def begin(self, name: str, content: bytes, options: Sequence[str]) -> None:
        """Begin a run on a text, with options of `afterword train`. Raises ApiError if it cannot begin."""
        with self._lock:
            self._check_free()
            if self.is_taken(name):
                raise _taken(name)
            text = self._create_text(name, content)
            self._start(name, ["train", text[0].name, *options, "--out", name], text)

    def resume(self, name: str, minutes: float | None = None) -> None:
        """Resume a run, for some `minutes` more if they are given. Raises ApiError if it cannot be resumed."""
        with self._lock:
            self._check_free()
            folder = RunFolder(self.place / name)
            if folder.is_locked:
                raise ApiError(409, f"{name} is being trained by another process")
            more = [] if minutes is None else ["--more-minutes", repr(minutes)]
            if not more and folder.read_record().ended is not None:
                raise ApiError(409, f"{name} has finished: give the minutes to train it for, or start another run")
            self._start(name, ["train", "--resume", name, *more])

    def stop(self, name: str) -> None:
        """Ask the training process to save the run and end. Raises ApiError if the run is not being trained."""
        with self._lock:
            self._settle()
            if self._training is None or self._training.name != name:
                raise ApiError(409, f"{name} is not being trained here: there is nothing to stop")
            self._interrupt(self._training)

    def interrupt(self) -> None:
        """Ask the training process to save the run and end, and begin no other."""
        with self._lock:
            self._closing = True
            if self._training is not None:
                self._interrupt(self._training)

    def close(self) -> None:
        """Stop the training process, and wait until it has saved the run. A signal kills it instead."""
        self.interrupt()
        try:
            if self._training is not None:
                self._training.process.wait()
        finally:
            self.kill()
        self._held.release()

    def kill(self) -> None:
        """Kill all processes that train, and all that they have started. Remove the text of a run that never
        began."""
        if (training := self._training) is not None:
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    os.kill(training.process.pid, signal.SIGTERM)
                else:
                    os.killpg(training.process.pid, signal.SIGKILL)
        if self._lock.acquire(timeout=KILLED):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if self._training is not None:
                    self._training.process.wait(KILLED)
                self._settle()
            self._lock.release()

    def forget(self, name: str) -> str | None:
        """Return the error of a failed run, and forget it."""
        with self._lock:
            self._settle()
            return self._failures.pop(name, None)

    def _check_free(self) -> None:
        if self._closing:
            raise stopping()
        self._settle()
        if self._training is not None:
            raise ApiError(409, f"{self._training.name} is being trained: stop it first, or wait until it ends")
        if name := next((name for name, folder in self.folders().items() if RunFolder(folder).is_locked), None):
            raise ApiError(409, f"{name} is being trained by another process: wait until it ends")

    def _create_text(self, name: str, content: bytes) -> _Text:
        """Create the file of a new text. Raises ApiError."""
        path = self.place / f"{name}.txt"
        try:
            with open(path, "xb") as file:
                try:
                    file.write(content)
                    os.fsync(file.fileno())
                except OSError:
                    path.unlink(missing_ok=True)
                    raise
        except FileExistsError:
            raise _taken(name) from None
        except OSError as error:
            raise ApiError(507, f"the text cannot be saved: {error.strerror}") from None
        return path, _state(path)

    def _start(self, name: str, arguments: Sequence[str], text: _Text | None = None) -> None:
        self._failures.pop(name, None)
        stderr = tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            _command(arguments, "afterword.cli.attended"),
            cwd=self.place,
            env={name: value for name, value in os.environ.items() if name != KEY},
            start_new_session=True,  # so that Ctrl-C on a terminal reaches it only once, through this process
            stdin=subprocess.PIPE,  # held open by this server alone: the training ends with it
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        self._training = _Training(name, process, stderr, text)

    def _interrupt(self, training: _Training) -> None:
        if not training.stopping:  # a second time would end it at once
            training.stopping = True
            # not SIGINT: a server in the background hands that on as ignored, and Python at its start fails by it
            training.process.send_signal(signal.SIGTERM)

    def _settle(self) -> None:
        """Note how the process ended, if it has. A run that never began leaves only its error."""
        training = self._training
        if training is None:
            return
        status = training.process.poll()
        training.became_run |= self._is_run(training.name)  # its folder may be moved later
        if status is None:
            return
        self._training = None
        assert training.process.stdin is not None
        training.process.stdin.close()
        with training.stderr as stderr:
            stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - TAIL))
            if status not in STOPPED:
                self._failures[training.name] = _error(stderr.read(), status)
        if training.text is not None and not training.became_run:
            with contextlib.suppress(OSError):
                _remove(*training.text)


def _remove(path: Path, written: tuple[int, ...]) -> None:
    """Remove a text, unless somebody has changed or replaced it. Raises OSError."""
    if _state(path) == written:
        aside = name_aside(path, "part")
        path.rename(aside)  # from now on, nobody finds it by name
        if _state(aside)[:-1] != written[:-1]:  # renaming changes the last
            os.link(aside, path)  # unlike a rename, it replaces nothing
        aside.unlink()


def _state(path: Path) -> tuple[int, ...]:
    """Return what changes whenever somebody changes or replaces a file."""
    facts = os.stat(path)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _hold(place: Path) -> FileLock:
    """Lock the folder for the life of this server. Raises OptionError if another one trains there."""
    from filelock import FileLock, Timeout

    lock = FileLock(place / ".lock", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise OptionError(f"train {place} is in use by another server: choose another folder") from None
    except OSError as error:
        raise OptionError(f"train cannot lock the folder {place}: {error.strerror}") from None
    return lock


def _taken(name: str) -> ApiError:
    return ApiError(409, f"{name} already exists: choose another name, or resume that run", "name")


def _command(arguments: Sequence[str], module: str = "afterword") -> list[str]:
    """Return the command; -P keeps it from importing files of the folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def _error(stderr: bytes, status: int) -> str:
    """Return the last error that a process printed."""
    for line in reversed(stderr.decode("utf-8", "replace").splitlines()):
        if line.strip().startswith("error: "):
            said = TYPED.sub(lambda found: f"`{found[1].replace('-', '_')}`", line.strip().removeprefix("error: "))
            return for_client(said, ASKED)
    return f"its process was killed by signal {-status}" if status < 0 else f"its process ended with status {status}"
