"""Nothing is sent anywhere, and nothing is left but what was asked for: each command in a network of its own."""

from __future__ import annotations

import gzip
import re
import shlex
from pathlib import Path

import pytest

from afterword.commands import commands
from afterword.operations.demo import PLAY
from tests.alone import ROOT, Left, alone, check_namespaces
from tests.cases import cases
from tests.processes import free_port
from tests.tiny import save_tiny

FILES = ROOT / "docs" / "files.md"
LINES = "".join(f"user {'abcdefg'[k % 7]} logged in from port {5000 + k % 50}\n" for k in range(1200))
SHORT = "--steps 20 --hidden-size 16 --base none"
MADE = [
    f"train book.txt --out run {SHORT}",
    f"train good.log --lines --out lines {SHORT}",
    *cases("QUIET_BEFORE"),
]
COMMANDS = {
    "train": ["book.txt --out new --minutes 0.08"],
    "plan": ["book.txt --minutes 1"],
    "generate": ["run --max-tokens 40", "run --max-tokens 40 --engine fast", "run --contains moon --max-tokens 40"],
    "score": ["run draft.txt --engine fast"],
    "surprises": ["run draft.txt --html surprises.html"],
    "compare": ["run english --file draft.txt"],
    "novelty": ["run --num 2"],
    "inspect": ["run word", "run word --html g.html --png g.png"],
    "info": ["run", "--system"],
    "bases": [""],
    "demo": ["--out demo --minutes 0.03"],
    **cases("QUIET"),
}
ASKED = [
    ("/v1/completions", {"prompt": "The ", "max_tokens": 20}),
    ("/v1/score", {"text": "The play"}),
    ("/v1/surprises", {"text": "The play"}),
    ("/v1/next", {"prompt": "The "}),
]
LASTING = 15  # seconds: ONNX Runtime sent its first telemetry after 6 to 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts, tables and models."""
    check_namespaces()
    folder = tmp_path_factory.mktemp("quiet")
    play = gzip.decompress(PLAY.read_bytes()).decode()
    texts = {"book.txt": play[:60_000], "draft.txt": play[60_000:64_000], "good.log": LINES, "today.log": LINES[:4000]}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, content in cases("FILES").items():
        (folder / name).write_bytes(content)
    for command in MADE:
        check_quiet(afterword(folder, command), command)
    return folder


def afterword(folder: Path, command: str) -> Left:
    return alone(folder, "-m", "afterword", *shlex.split(command))


def check_quiet(left: Left, command: str) -> None:
    """Fail unless the command has sent nothing, and has left nothing but the caches in docs/files.md."""
    assert left.status == 0, left.err
    assert left.sent == []
    caches = re.findall(r"`~/\.(cache|config)/([\w/]+)`", FILES.read_text(encoding="utf-8"))
    known = [f"{'cache' if kind == 'cache' else 'home/.config'}/{name}" for kind, name in caches]
    assert known
    beside = [f"{one}/" for one in known]
    named = [one for one in left.files if any(f"{one}/".startswith(way) or way.startswith(f"{one}/") for way in beside)]
    assert [*left.files] == (named if "--png" in command else [])


def test_what_a_program_sends_and_leaves_is_seen(tmp_path: Path) -> None:
    check_namespaces()
    program = """
import contextlib, os, socket, tempfile, urllib.request
with contextlib.suppress(OSError):
    urllib.request.urlopen("http://example.org/x")
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 99))
for place in (tempfile.gettempdir(), os.path.expanduser("~"), os.environ["XDG_CACHE_HOME"], "/dev/shm"):
    open(os.path.join(place, "left"), "w").close()
"""
    left = alone(tmp_path, "-c", program)
    assert {*left.sent} == {"lookup example.org", "tcp 203.0.113.7:80", "udp 192.0.2.1:99"}
    assert {*left.files} == {"temporary/left", "home/left", "cache/left", "/dev/shm/left"}


def test_the_fast_engine_sends_and_leaves_nothing(tmp_path: Path) -> None:
    check_namespaces()
    save_tiny(tmp_path / "tiny")
    command = "generate tiny --engine fast --max-tokens 20"
    check_quiet(afterword(tmp_path, command), command)


def test_every_command_is_here_but_the_one_that_sends_a_model() -> None:
    assert {*COMMANDS, "serve", "push"} == {*commands()}


@pytest.mark.slow
@pytest.mark.parametrize("command", [f"{name} {rest}" for name, each in COMMANDS.items() for rest in each])
def test_each_command_sends_nothing_and_leaves_only_what_it_was_asked_for(folder: Path, command: str) -> None:
    check_quiet(afterword(folder, command), command)


@pytest.mark.slow
def test_a_server_opens_one_socket_and_sends_nothing(folder: Path) -> None:
    port = free_port()
    words = ["-m", "afterword", "serve", "run", "--engine", "fast", "--port", f"{port}", "--train", "trained"]
    left = alone(folder, *words, serving=port, requests=ASKED, lasting=LASTING)
    check_quiet(left, "serve")
    assert left.listening == [f"tcp {port}"]
