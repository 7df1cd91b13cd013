"""How the command itself behaves: its help, its errors in one line, its exit status."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

import afterword
from afterword.commands import commands
from tests.cli.answers import printed
from tests.cli.conftest import Run
from tests.processes import finished, running

GENERATE = [sys.executable, "-m", "afterword", "generate"]
LONG = ["--max-tokens", "2000000"]  # a minute or two: longer than any test waits, and no disk is filled by it


def error_line(finished: subprocess.CompletedProcess[bytes], status: int = 2) -> str:
    """The one line that a failed command leaves, without its `error: `."""
    assert finished.returncode == status
    assert finished.stdout == b""
    lines = finished.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def test_no_arguments_are_help_and_the_version_is_told(run: Run) -> None:
    shown = printed(run("--help"))
    assert run().stdout.decode() == shown
    for name, one in commands().items():
        assert re.search(rf"(?m)^  {name} +{one.help.split()[0]}", shown)
    assert printed(run("--version")) == f"afterword {afterword.__version__}\n"


class PanicException(BaseException):
    """As pyo3 raises for a panic in Rust."""


NO_MEMORY = "error: not enough memory: close other programs, or give a smaller text or model\n"
SEE = " (set AFTERWORD_DEBUG=1 to see where)\n"


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (MemoryError("Unable to allocate 9 GiB"), 1, NO_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), 1, NO_MEMORY),
        (OSError(12, "Cannot allocate memory"), 1, NO_MEMORY),
        (RuntimeError("can't start new thread"), 1, NO_MEMORY),
        (RuntimeError("first\nsecond"), 1, "error: RuntimeError: first second" + SEE),
        (PanicException("no\nroom"), 1, "error: PanicException: no room" + SEE),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (BrokenPipeError(), 0, ""),
        (PermissionError(13, "Permission denied", "book"), 1, "error: Permission denied: book\n"),
    ],
)
def test_what_ends_the_work_has_its_status_and_a_traceback_only_where_asked_for(
    error: BaseException, status: int, says: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*asked: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("afterword.language_model.load", fail)
    done = run("inspect", "m", "text")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (status, b"", says)
    monkeypatch.setenv("AFTERWORD_DEBUG", "1")
    told = run("inspect", "m", "text").stderr.decode()
    assert told.endswith(says)
    assert told.startswith("Traceback") == bool(says)


def test_a_reader_that_leaves_ends_the_command_in_silence(model: Path) -> None:
    with running([*GENERATE, str(model), "--seed", "1", *LONG], fresh=True, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_with_its_status_and_leaves_no_half_written_file(
    number: int, status: int, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "text"
    with running([*GENERATE, str(model), "--out", str(out), *LONG], fresh=True, stdout=PIPE, stderr=PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"seed ")  # the file is open now
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait() == status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_under_standard_output_is_one_line(model: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = finished([sys.executable, "-m", "afterword", "info", model], stdout=full, fresh=True)
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_streams_that_are_closed_are_no_trouble(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "text"
    command_line = shlex.join([*GENERATE, str(model), "--seed", "1", "--out", str(out)])
    assert finished(["sh", "-c", f"{command_line} <&- >&- 2>&-"]).returncode == 0
    assert out.stat().st_size > 400


def test_output_is_utf8_whatever_the_locale_says(model: Path, run: Run) -> None:
    command = [*GENERATE, str(model), "--seed", "1"]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    written = finished(command, fresh=True, env=environment).stdout
    assert "é" in written.decode()
    assert written == run(*command[3:]).stdout
