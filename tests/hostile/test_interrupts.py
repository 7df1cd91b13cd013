"""Ctrl-C and SIGTERM at any moment of any command: one line, the right status, nothing half-written."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.hostile.attack import PYTHON, compared, contents, execute, judged, lay_out, make_fixtures
from tests.hostile.grammars import interrupted
from tests.hostile.test_found import BOOK
from tests.processes import finished, running, until

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


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("attack") / "fixtures"
    make_fixtures(made)
    return made


@pytest.mark.parametrize("moment", [0.1, 1.2])
@pytest.mark.parametrize("command", ["train", "generate", "serve"])
def test_ctrl_c_is_one_line_at_any_moment(tmp_path: Path, fixtures: Path, command: str, moment: float) -> None:
    case = interrupted(lay_out(tmp_path / "place", fixtures), command, moment)
    before = contents(tmp_path / "place")
    done = execute(case, tmp_path / "place")
    found = [*compared(case, before, contents(tmp_path / "place")), *judged(case, done)]
    assert not [what for severity, what in found if severity != PYTHON and not what.startswith("slow")], done


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


def test_training_ends_with_its_server_where_ctrl_c_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(BOOK)
    command = [sys.executable, "-c", IGNORING, "train", "book.txt", "--steps", "100000", "--hidden-size", "8"]
    with running(command, cwd=tmp_path, stdin=PIPE, stderr=PIPE) as process:
        until(lambda: (tmp_path / "book" / "run.json").exists())
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 128 + signal.SIGTERM
