"""Ctrl-C and SIGTERM at any moment of any command: one line, the right status, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, TimeoutExpired

import pytest

import afterword
from tests.hostile.test_texts import BOOK
from tests.processes import finished, running, until
from tests.tiny import save_tiny

OURS = os.path.dirname(afterword.__file__)
MODULE = [sys.executable, "-m", "afterword"]
SCRIPT = [sys.executable, "-c", "from afterword.__main__ import main; main()"]  # like the script that pip writes
# Prints each module outside the package that is imported while Python's own handler would print a traceback.
IMPORTS = """import _signal, os, sys
def heard(event, about):
    if event == "import" and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        if about[0] not in ("afterword", "afterword.__main__"):
            os.write(2, about[0].encode() + b"\\n")
sys.addaudithook(heard)
from afterword.__main__ import main
main()"""
IMPORTING = """import pathlib, signal
from afterword.cli.signals import end
from afterword.storage import replacing
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, end)
try:
    with replacing(pathlib.Path("out")):
        import slow
        print("continued")
except (KeyboardInterrupt, SystemExit):
    print("interrupted")
"""
# A server that a script starts in the background with & ignores Ctrl-C, and so do its children.
IGNORING = """import runpy, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
runpy.run_module("afterword.cli.attended", run_name="__main__", alter_sys=True)"""

COMMANDS = {
    "help": ["--help"],
    "train": [
        "train",
        "book.txt",
        "--out",
        "run",
        "--overwrite",
        "--steps",
        "2000",
        "--hidden-size",
        "8",
        "--threads",
        "1",
    ],
    "plan": ["plan", "book.txt", "--minutes", "1"],
    "generate": ["generate", "tiny", "--max-tokens", "200000", "--out", "written", "--overwrite"],
    "score": ["score", "tiny", "long.txt", "--lines"],
    "surprises": ["surprises", "tiny", "long.txt", "--html", "page.html", "--overwrite"],
    "odd": ["odd", "many.txt", "book.txt", "--minutes", "1"],
    "calibrate": ["calibrate", "lines", "long.txt"],
    "inspect": ["inspect", "tiny", "abcd", "--html", "gates.html", "--overwrite"],
    "serve": ["serve", "tiny", "--port", "0"],
    "info": ["info", "tiny"],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny")
    save_tiny(tmp_path / "lines", lines=True)
    (tmp_path / "book.txt").write_bytes(BOOK)
    (tmp_path / "many.txt").write_bytes(BOOK * 3)
    (tmp_path / "long.txt").write_text("abcd cab\n" * 40_000)
    return tmp_path


def interrupt(
    place: Path, command: str, moment: float, number: int = signal.SIGINT, program: list[str] = MODULE
) -> None:
    """Signal the command and its children `moment` seconds after its start, and check what it leaves."""
    with running([*program, *COMMANDS[command]], fresh=True, cwd=place, stdout=DEVNULL, stderr=PIPE) as process:
        with contextlib.suppress(TimeoutExpired):
            process.wait(moment)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        said = process.communicate()[1].decode()
    assert OURS not in said
    if process.returncode in (1, -number) and ("KeyboardInterrupt" in said or "Fatal Python error: init" in said):
        return  # from Python's own startup, which nobody can prevent
    # a signal ends the process as usual until the package handles it
    assert process.returncode in (0, 128 + number, -number), said
    assert "Traceback" not in said
    assert "Exception" not in said
    assert not [*place.rglob("*.part")]
    if process.returncode == 128 + number == 130:
        assert "interrupted" in said or "--resume" in said
    for page in place.glob("*.html"):
        assert "</html>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("moment", [0.1, 0.3, 1.2])
@pytest.mark.parametrize("command", ["train", "generate", "serve"])
def test_ctrl_c_is_one_line_at_any_moment(place: Path, command: str, moment: float) -> None:
    interrupt(place, command, moment)


def test_nothing_is_imported_before_ctrl_c_is_silent() -> None:
    done = finished([sys.executable, "-c", IMPORTS, "--version"], fresh=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_importing_the_package_and_its_program_leaves_ctrl_c_to_python() -> None:
    code = (
        "import signal; before = signal.getsignal(2); import afterword.__main__; assert signal.getsignal(2) is before"
    )
    assert finished([sys.executable, "-c", code], fresh=True).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_import_waits_for_its_end_and_then_cleans_up(tmp_path: Path, number: int) -> None:
    (tmp_path / "slow.py").write_text(f"import os\nos.kill(os.getpid(), {number})\nprint('imported', flush=True)")
    done = finished([sys.executable, "-c", IMPORTING], cwd=tmp_path, fresh=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"imported\ninterrupted\n", b"")
    assert not [*tmp_path.glob(".*.part")]


def test_training_ends_with_its_server_where_ctrl_c_is_ignored(place: Path) -> None:
    command = [sys.executable, "-c", IGNORING, "train", "book.txt", "--steps", "100000", "--hidden-size", "8"]
    with running(command, cwd=place, stdin=PIPE, stderr=PIPE) as process:
        until(lambda: (place / "book" / "run.json").exists())
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 128 + signal.SIGTERM


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_is_one_line_at_many_moments(place: Path, command: str) -> None:
    draw = random.Random(command)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        for _ in range(8):
            interrupt(place, command, draw.uniform(0, 3), number)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", ["help", "train", "generate", "score", "inspect"])
def test_ctrl_c_is_one_line_at_100_moments_of_a_start(place: Path, command: str) -> None:
    draw = random.Random(command)
    for k in range(100):
        interrupt(place, command, draw.uniform(0, 0.6), program=MODULE if k % 2 else SCRIPT)
