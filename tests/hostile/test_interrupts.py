"""Ctrl-C and SIGTERM at any moment of any command: one line, the right status, nothing half-written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.hostile.test_found import BOOK
from tests.processes import PATIENCE, finished, running, until
from tests.serving.server import ENVIRONMENT
from tests.tiny import save_tiny

# Prints each module outside the package that is imported while Python's own handler would print a traceback.
IMPORTS = """import _signal, os, sys
def heard(event, about):
    if event == "import" and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        if about[0] not in ("afterword", "afterword.__main__"):
            os.write(2, about[0].encode() + b"\\n")
sys.addaudithook(heard)
from afterword.__main__ import main
assert _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
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
    "train": "train book.txt --out made --steps 2000 --hidden-size 8 --threads 1",
    "generate": "generate tiny --max-tokens 50000 --out made",
    "serve": "serve tiny --port 0",
}


@pytest.mark.parametrize("moment", [0.1, 1.2])
@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_is_one_line_at_any_moment(tmp_path: Path, command: str, moment: float) -> None:
    save_tiny(tmp_path / "tiny")
    (tmp_path / "book.txt").write_bytes(BOOK)
    words = [sys.executable, "-m", "afterword", *COMMANDS[command].split()]
    environment = {**ENVIRONMENT, "AFTERWORD_DEBUG": ""}
    with running(words, fresh=True, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=tmp_path, env=environment) as process:
        try:
            _, said = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
        status = process.wait()
    lines = said.decode().splitlines()
    assert status in (0, 128 + signal.SIGINT, -signal.SIGINT) or b"KeyboardInterrupt" in said, said
    assert not re.search(rb'File "[^"]*/afterword/', said), said  # Python's own, before any of our code, remains
    if status == 128 + signal.SIGINT:
        assert "interrupted" in lines[-1] or "--resume" in lines[-1], said
    assert {path.name for path in tmp_path.iterdir()} - {"tiny", "book.txt"} <= {"made"}


def test_ctrl_c_stays_pythons_on_import_and_nothing_is_imported_before_it_is_silent() -> None:
    done = finished([sys.executable, "-c", IMPORTS, "--version"], fresh=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_import_waits_for_its_end_and_then_cleans_up(tmp_path: Path, number: int) -> None:
    (tmp_path / "slow.py").write_text(f"import os\nos.kill(os.getpid(), {number})\nprint('imported', flush=True)")
    done = finished([sys.executable, "-c", IMPORTING], cwd=tmp_path, fresh=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"imported\ninterrupted\n", b"")
    assert not [*tmp_path.glob(".*.part")]


def test_training_ends_with_its_server_where_ctrl_c_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(BOOK)
    command = [sys.executable, "-c", IGNORING, "train", "book.txt", "--steps", "100000", "--hidden-size", "8"]
    with running(command, cwd=tmp_path, stdin=PIPE, stderr=PIPE) as process:
        until(lambda: (tmp_path / "book" / "run.json").exists())
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 128 + signal.SIGTERM
