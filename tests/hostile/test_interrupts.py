"""Ctrl-C and SIGTERM at any moment of any command: one line, the right status, nothing half-written."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
from pathlib import Path
from subprocess import PIPE, TimeoutExpired

import pytest

from tests.hostile.test_texts import BOOK
from tests.processes import running
from tests.tiny import save_tiny

# It says when Ctrl-C is the package's own; before that, Python prints what it likes.
CODE = """import os
from afterword import __main__ as program
own = program.end_imports
program.end_imports = lambda: (own(), os.write(1, b"begun\\n"))
program.main()"""

COMMANDS = {
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
    "per character": ["score", "tiny", "long.txt", "--per-character", "--html", "page.html", "--overwrite"],
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


def interrupt(place: Path, command: str, moment: float, number: int = signal.SIGINT) -> None:
    """Send a signal `moment` seconds after the package has begun, and check what is left."""
    started = [sys.executable, "-c", CODE, *COMMANDS[command]]
    with running(started, fresh=True, cwd=place, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        with contextlib.suppress(TimeoutExpired):
            process.wait(moment)
        process.send_signal(number)
        _, printed = process.communicate()
        said = printed.decode()
        # before the package handles it, SIGTERM ends a process as usual
        assert process.wait() in (0, 128 + number, *([-number] if number == signal.SIGTERM else [])), said
    assert "Traceback" not in said
    assert "Exception" not in said
    assert not [*place.rglob("*.part")]
    if process.returncode and number == signal.SIGINT:
        assert "interrupted" in said or "--resume" in said
    for page in place.glob("*.html"):
        assert "</html>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("moment", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("command", ["train", "generate", "serve"])
def test_ctrl_c_is_one_line_at_any_moment(place: Path, command: str, moment: float) -> None:
    interrupt(place, command, moment)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_is_one_line_at_many_moments(place: Path, command: str) -> None:
    draw = random.Random(command)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        for _ in range(8):
            interrupt(place, command, draw.uniform(0, 3), number)
