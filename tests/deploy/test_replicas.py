"""Laws of several servers behind nginx, as deploy/ has them: where a prompt goes, and what a lost server costs."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL

import pytest

from tests.processes import PATIENCE, finished, free_port, running, until
from tests.serving.server import Serving, serving
from tests.tiny import save_tiny

CONF = (Path(__file__).parents[2] / "deploy" / "nginx.conf").read_text(encoding="utf-8")
SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
CLIENTS = 12
pytestmark = pytest.mark.skipif(
    not shutil.which("nginx") or os.geteuid() != 0,
    reason="nginx is missing, or this is not root, who may write its logs",
)


def configuration(place: Path, ports: list[int], port: int) -> Path:
    """Write deploy/nginx.conf for servers on this machine; nothing else of it is changed."""
    text = CONF.replace("/tmp/nginx.pid", str(place / "nginx.pid")).replace("listen 8080", f"listen 127.0.0.1:{port}")
    for number, to in enumerate(ports, 1):
        assert f"writer-{number}:8000" in text
        text = text.replace(f"writer-{number}:8000", f"127.0.0.1:{to}")
    assert "writer-" not in text
    (place / "nginx.conf").write_text(text, encoding="utf-8")
    return place / "nginx.conf"


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    done = finished(["nginx", "-t", "-q", "-e", "stderr", "-c", configuration(tmp_path, [9001, 9002], 9000)])
    assert (done.returncode, done.stderr) == (0, b"")


def writer(model: Path, front: int, port: int = 0) -> contextlib.AbstractContextManager[Serving]:
    """Run a server that also accepts the name by which clients reach the proxy at the port `front`."""
    return serving(model, "--allow-host", f"127.0.0.1:{front}", port=port)


@contextlib.contextmanager
def proxy(place: Path, servers: list[Serving], port: int) -> Iterator[Serving]:
    path = configuration(place, [server.port for server in servers], port)
    command: list[str | Path] = ["nginx", "-e", "stderr", "-c", path, "-g", "daemon off;"]
    with running(command, stdout=DEVNULL, stderr=DEVNULL) as process:
        front = Serving(process, port)

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return front.get("/health").status == 200
            return False

        until(answers)
        yield front


def completions(server: Serving) -> float:
    """How many requests for completions a server has answered."""
    text = server.get("/metrics").body.decode()
    return sum(map(float, re.findall(r'^afterword_requests_total\{path="/v1/completions".*\} (\S+)$', text, re.M)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny")


def test_prompts_that_begin_alike_go_to_one_server_and_others_to_both(model: Path, tmp_path: Path) -> None:
    chance = random.Random(1)
    port = free_port()
    with writer(model, port) as one, writer(model, port) as other, proxy(tmp_path, [one, other], port) as front:
        counts = []
        for turn in range(20):  # all of them on one server, whose ports change, in one of 65,000 runs
            # quotes and letters that JSON escapes count as any other
            prompt = "".join(chance.choices('abcdé\n"\\', k=64))
            before = completions(one), completions(other)
            for k in (0, 3) if turn < 3 else (0,):
                asked = {"prompt": prompt + "abcd" * 1000 * k, "max_tokens": 1}
                for body in (json.dumps(asked), json.dumps(dict(reversed(asked.items())), ensure_ascii=True, indent=1)):
                    assert front.post("/v1/completions", body.encode()).status == 200
            counts.append((completions(one) - before[0], completions(other) - before[1]))
        assert {*counts[:3]} <= {(4, 0), (0, 4)}
        assert {*counts[3:]} == {(2, 0), (0, 2)}


@dataclass
class Writing:
    """A client that streams texts one after the other, and asks again if one breaks off."""

    front: Serving
    prompt: str
    whole: int = 0
    broken: int = 0
    refused: list[str] = field(default_factory=list)

    def stream(self) -> str:
        """Return "" for a whole stream, else what happened."""
        connection = http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=PATIENCE)
        body = json.dumps({"prompt": self.prompt, "max_tokens": 300, "stream": True})
        try:
            connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                return f"status {answer.status}"
            return "" if text.endswith(b"data: [DONE]\n\n") else "it broke off"
        except (OSError, http.client.HTTPException):
            return "it broke off"
        finally:
            connection.close()

    def run(self, end: threading.Event) -> None:
        while not end.is_set():
            if not (wrong := self.stream()):
                self.whole += 1
            elif wrong != "it broke off":
                self.refused.append(wrong)
            else:
                self.broken += 1
                if again := self.stream():
                    self.refused.append(f"again: {again}")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 200)
def test_a_killed_server_breaks_only_its_own_streams_once_and_a_stopped_one_none(model: Path, tmp_path: Path) -> None:
    chance, end, port = random.Random(2), threading.Event(), free_port()
    with writer(model, port) as other, contextlib.ExitStack() as stack:
        one = stack.enter_context(writer(model, port))
        with proxy(tmp_path, [one, other], port) as front:
            clients = [Writing(front, "".join(chance.choices("abcd", k=70))) for _ in range(CLIENTS)]
            mine = []
            for client in clients:
                before = completions(one)
                assert client.stream() == ""
                mine.append(completions(one) > before)
            assert 0 < sum(mine) < CLIENTS
            threads = [threading.Thread(target=client.run, args=(end,)) for client in clients]
            for thread in threads:
                thread.start()
            time.sleep(SECONDS / 4)
            stack.close()  # kills it in the middle of its streams
            time.sleep(SECONDS / 4)
            lost = [client.broken for client in clients]
            assert sum(lost) > 0
            assert all(broken <= killed for broken, killed in zip(lost, mine, strict=True))
            again = stack.enter_context(writer(model, port, one.port))
            until(lambda: again.gauge("places_in_use") > 0)  # nginx has found it again, and its prompts are back
            time.sleep(SECONDS / 4)
            written = completions(again)
            again.process.send_signal(signal.SIGTERM)
            time.sleep(SECONDS / 4)
            end.set()
            for thread in threads:
                thread.join()
            assert again.process.poll() == 0
    assert written > 0
    assert [client.broken for client in clients] == lost
    assert [client.refused for client in clients] == [[]] * CLIENTS
    print(
        f"{sum(client.whole for client in clients):,} whole streams, {sum(lost)} broken by the kill, each written again"
    )
