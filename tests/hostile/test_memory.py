"""Exhausted memory: one line from any command, wherever it runs out, and never a panic or a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.hostile.test_found import BOOK
from tests.processes import finished
from tests.tiny import save_tiny

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory in use is read from /proc")

# The command gets so many bytes beyond what its process has when its own file is imported.
CODE = """import re, resource, sys
from afterword.cli import main
command = sys.argv[2]
main.program.get_command(None, command)
used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
limit = used + int(float(sys.argv[1]) * 2**20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main.main(sys.argv[2:])"""

COMMANDS = [
    "train book.txt --out run --steps 2 --hidden-size 4000 --threads 1",
    "plan book.txt --minutes 1",
    "generate wide --num 64 --max-tokens 20",
    "score wide long.txt",
    "score wide long.txt --lines --top 1000",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("memory")
    save_tiny(place / "wide", hidden_size=600)
    (place / "book.txt").write_bytes(BOOK)
    (place / "long.txt").write_text("abcd cab\n" * 300)
    return place


@pytest.mark.parametrize("megabytes", [2, 20])
@pytest.mark.parametrize("command", COMMANDS)
def test_exhausted_memory_is_one_line(place: Path, command: str, megabytes: int) -> None:
    found = finished([sys.executable, "-c", CODE, str(megabytes), *command.split()], cwd=place)
    said = found.stderr.decode()
    assert "Traceback" not in said
    assert "panicked" not in said
    if found.returncode:
        assert (found.returncode, said.splitlines()[-1][:24]) == (1, "error: not enough memory"), said
