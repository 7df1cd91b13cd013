"""Laws of the end: however a server is stopped, and whatever it does, it and all that it started are gone in time."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.hostile.test_heavy_documents import CASES, attacked
from tests.processes import PATIENCE, Command, running, until
from tests.serving.server import ENVIRONMENT, Serving, serving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks for processes in /proc")
BOOK = "".join(f"The {k}th line of this book, and no more.\n" for k in range(100))
PARSER = b"afterword.text.markup"  # in the command of a process that parses


def started(mark: Path, of: bytes = b"") -> list[int]:
    """Return the processes with this mark in their environment, and `of` in their commands."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"MARK={mark}\0".encode() in (place / "environ").read_bytes() and of in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found


def resident(process: int) -> int:
    """Return the memory that a process uses, in KiB; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


@contextlib.contextmanager
def hasty(place: Path, longest: float = 1.0) -> Iterator[Serving]:
    """Run a server whose requests may take `longest` seconds. In the end, it and all that it has started have ended."""
    try:
        with serving("--train", place, "--request-timeout", str(longest), MARK=str(place)) as server:
            yield server
            server.process.wait(longest + 10)  # it takes longest + 2, unless the machine is busy
            until(lambda: not started(place), 3)
    finally:
        for process in started(place):
            os.kill(process, signal.SIGKILL)


def post(server: Serving, path: str, **body: object) -> None:
    """Send a request, and do not wait for the answer: the server may end first."""

    def send() -> None:
        with contextlib.suppress(Exception):
            server.post(path, {"name": "book"} | body)

    threading.Thread(target=send, daemon=True).start()


def document(ending: str, attack: str) -> dict[str, str]:
    return {"document": base64.b64encode(attacked(ending, attack)).decode(), "name": f"book{ending}"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_while_a_document_is_parsed_it_answers_and_a_signal_ends_all(tmp_path: Path, number: int) -> None:
    with hasty(tmp_path / "runs") as server:
        post(server, "/v1/documents", **document(".rtf", "links"))
        until(lambda: started(tmp_path / "runs", PARSER))
        assert server.get("/health").status == 200
        server.process.send_signal(number)


@pytest.mark.parametrize("signals", [1, 3])
def test_a_training_that_hangs_is_not_left_behind(tmp_path: Path, signals: int) -> None:
    with hasty(tmp_path / "runs") as server:
        post(server, "/v1/runs", text=BOOK, minutes=100)
        hung = until(lambda: started(tmp_path / "runs"))
        os.kill(hung[0], signal.SIGSTOP)
        for _ in range(signals):
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.process.poll() is not None or is_stopping(server))
    assert not (tmp_path / "runs" / "book.txt").exists()  # nothing keeps the name from being used again


@pytest.mark.parametrize("signals", [[signal.SIGHUP], [signal.SIGINT] * 2])
def test_a_request_is_told_that_the_server_stops_at_once(tmp_path: Path, signals: list[int]) -> None:
    with hasty(tmp_path / "runs", 20.0) as server, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(server.post, "/v1/documents", document(".rtf", "links"))
        until(lambda: started(tmp_path / "runs", PARSER))
        for number in signals:
            server.process.send_signal(number)
            until(lambda: server.process.poll() is not None or is_stopping(server))
        assert (answer.result().status, answer.result().error) == (503, "the server is stopping: try again later")


def is_stopping(server: Serving) -> bool:
    try:
        return server.get("/health").status == 503
    except OSError:
        return True


def test_an_upload_holds_up_no_stop(tmp_path: Path) -> None:
    with hasty(tmp_path / "runs", 3.0) as server, socket.create_connection(("127.0.0.1", server.port)) as half:
        head = f"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
        half.sendall(f"{head}Content-Length: 4000000\r\n\r\n".encode() + b"{" + b" " * 100_000)
        server.wait_for("body_bytes", 100_001)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_a_command_and_its_parser(tmp_path: Path, number: int) -> None:
    (tmp_path / "a.rtf").write_bytes(attacked(".rtf", "links"))
    command: Command = [sys.executable, "-m", "afterword", "plan", tmp_path / "a.rtf"]
    with running(command, stderr=PIPE, env={**ENVIRONMENT, "AFTERWORD_DEBUG": "", "MARK": str(tmp_path)}) as process:
        until(lambda: started(tmp_path, PARSER))
        process.send_signal(number)
        assert process.wait(PATIENCE) == (-number if number == signal.SIGKILL else 128 + number)
        assert process.stderr is not None
        assert process.stderr.read().decode().strip() in ("", "interrupted")
        until(lambda: not started(tmp_path, PARSER), 3)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_attacks_are_answered_while_others_are_served(tmp_path: Path) -> None:
    """A sixth of them, of each kind of file: tests/hostile/test_heavy_documents.py parses all."""
    with serving("--train", tmp_path / "runs", MARK=str(tmp_path)) as server, ThreadPoolExecutor(1) as threads:
        for ending, attack in CASES[::6]:
            body = document(ending, attack)
            answer, most = threads.submit(server.post, "/v1/documents", body), 0
            while not answer.done():
                assert server.get("/health").status == 200
                most = max(most, sum(map(resident, started(tmp_path))))
            assert answer.result().status in (200, 400, 413), (ending, attack, answer.result().body)
            assert most < 3 * 2**20, (ending, attack, most)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        until(lambda: not started(tmp_path))
