"""Laws of who may ask, and how."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afterword.serving import server as server_module
from afterword.serving.app import ROUTES
from afterword.serving.http.limits import Access, Limits
from afterword.serving.runs.watched import Runs
from afterword.serving.server import Server, address, listen
from afterword.serving.writing.models import Models
from tests.cli.conftest import run_here
from tests.cli.test_main import error_line
from tests.processes import PATIENCE, until
from tests.serving.server import Serving, serving
from tests.serving.test_load import ENDLESS, MOST, begun, everything
from tests.serving.test_runs_routes import damaged

KEY = "a-key-that-is-long-enough"
OPEN = {"/", "/health", "/static/{name:path}", "/inside"}  # what holds no data


@pytest.fixture(scope="module")
def locked(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a key, and hasty with those who send slowly."""
    file = tmp_path_factory.mktemp("key") / "key"
    file.write_text(f"{KEY}\n")
    options = ("--api-key-file", file, "--root-path", "/a/w")
    with serving(models / "tiny", *options, limits={"receive_timeout": 2}) as found:
        yield found


@pytest.mark.parametrize("root", ["", "/a/w"])
def test_every_route_but_those_without_data_needs_the_key(locked: Serving, root: str) -> None:
    for route in ROUTES:
        path = root + route.path.replace("{name:path}", "page.css").replace("{id}", "tiny")
        wrong = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": f"Bearer {KEY}x"}]
        for headers in wrong:
            found = locked.ask(route.method, path, b"{}", {"Content-Type": "application/json", **headers})
            assert (found.status == 401) == (route.path not in OPEN), path
            if found.status == 401:
                what = "the key is wrong: send the server's" if headers else "this server needs a key: send it"
                assert found.error == f"{what} as Authorization: Bearer KEY"
        right = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        assert locked.ask(route.method, path, b"{}", right).status not in (401, 403)
    assert locked.get("/nothing").status == 401
    assert locked.get("/static/../app.py").status == 401


def test_a_server_answers_below_its_root_path_and_without_it(locked: Serving) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    page = locked.get("/").body
    assert b'<base href="/a/w/">' in page
    assert [locked.get(path).body for path in ("/a/w", "/a/w/", "/%61/w")] == [page] * 3
    for path in ("/a", "/a/", "/a/wide", "/a/w//", "/a/w/a/w/health", "/a/health", "/A/w/health"):
        assert locked.get(path, **key).status == 404, path
    for root in ("", "/a/w"):
        assert locked.get(f"{root}/health").json == {"status": "ok"}
        assert locked.get(f"{root}/v1/completions", **key).headers["allow"] == "POST"
        assert locked.get(f"{root}/nothing", **key).error.endswith(": see /a/w/openapi.json")
        assert locked.get(f"{root}/openapi.json", **key).json["servers"] == [{"url": "/a/w"}]


def test_who_means_another_name_or_comes_from_another_page_is_refused(server: Serving) -> None:
    """So no other page reads anything, also under a name that was pointed at this machine."""
    port = server.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", f"localhost.:{port}"):
        found = server.get("/v1/models", Host=host)
        assert (found.status, "use its own name" in found.error) == (403, True), host
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert server.get("/v1/models", Host=f"{host}:{port}").status == 200, host
    evil = f"http://localhost:{port}.evil.example"
    for origin in ("http://evil.example", "null", "", evil, "http://127.0.0.1"):
        assert server.get("/v1/models", Origin=origin).status == 403, origin
    own = server.get("/v1/models", Origin=server.url)
    assert own.status == 200
    assert not [name for name in own.headers if name.startswith("access-control-")]
    assert server.ask("OPTIONS", "/v1/completions").status == 405


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_on_all_addresses_is_reached_by_each_of_them_and_by_its_own_name(
    models: Path, tmp_path: Path, host: str
) -> None:
    (tmp_path / "key").write_text(KEY)
    name = socket.gethostname()
    with serving(models / "tiny", "--host", host, "--api-key-file", tmp_path / "key") as found:
        for address in ("127.0.0.1", "127.0.0.2"):  # two of this machine's
            here = replace(found, address=address)
            own = [f"{one}:{found.port}" for one in (address, name, f"{name.upper()}.local")]
            others = [f"{one}:{found.port}" for one in ("127.0.0.3", "evil.example", "0.0.0.0")]
            for named in (*own, *others, f"{address}:1", address, name):
                status = here.get("/v1/models", Host=named, Authorization=f"Bearer {KEY}").status
                assert status == (200 if named in own else 403), (address, named)


def test_the_address_that_others_type_is_printed(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [address(host) for host in ("127.0.0.1", "[::1]", "my.host")] == ["127.0.0.1", "[::1]", "my.host"]
    for host in ("0.0.0.0", "[::]"):
        typed = address(host)
        assert typed == f"{socket.gethostname()}.local" or not ipaddress.ip_address(typed).is_unspecified
    monkeypatch.setattr(server_module, "NOBODY", ("no.such.address.invalid", 9))  # as without a way out
    assert address("0.0.0.0") == f"{socket.gethostname()}.local"


def test_no_answer_may_be_framed_or_run_anything(server: Serving) -> None:
    for path in ("/v1/models", "/nothing", "/health", "/openapi.json"):
        found = server.get(path)
        policy = found.headers["content-security-policy"]
        assert {"default-src 'none'", "frame-ancestors 'none'"} <= {*policy.split("; ")}
        assert "unsafe" not in policy
        assert found.headers["x-content-type-options"] == "nosniff"


def test_unknown_routes_are_told_and_no_file_beside_the_pages_is_sent(server: Serving) -> None:
    beside = ("nothing.js", "../app.py", "%2e%2e/app.py", "/etc/passwd", "a/b/c.js", "page.html", f"{'a' * 5000}.js")
    for path in (*(f"/static/{one}" for one in beside), "/health/", "/v1/models/", "/v1/models/%2e%2e"):
        assert server.get(path).status == 404, path
    assert server.get("/v1/nothing").error == "unknown route '/v1/nothing': see /openapi.json"
    assert server.get("/models").error == "unknown route '/models': did you mean /v1/models? see /openapi.json"
    chat = server.post("/v1/chat/completions", {"model": "tiny", "messages": []})
    assert (chat.status, "/v1/completions" in chat.error) == (404, True)


def talk(port: int, *parts: bytes, pause: float = 0) -> bytes:
    """What comes back for raw bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as made:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                made.sendall(part)
                select.select([made], [], [], pause)
        return everything(made)


def test_who_sends_slowly_is_closed(locked: Serving) -> None:
    host = f"Host: 127.0.0.1:{locked.port}\r\n".encode()
    key = f"Authorization: Bearer {KEY}\r\n".encode()
    head = b"POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n" + key + host
    slow = [
        [b""],
        [b"G"] * 200,
        [b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 200],
        [head + b"Content-Length: 1000\r\n\r\n", *[b" "] * 200],
        [b"GET /health HTTP/1.1\r\n" + host + b"\r\n", *[b"G"] * 200],
    ]
    with ThreadPoolExecutor(len(slow)) as threads:
        began = time.monotonic()
        list(threads.map(lambda parts: talk(locked.port, *parts, pause=0.3), slow))
        assert time.monotonic() - began < 50  # a minute's parts
    patient = talk(locked.port, head + b"Content-Length: 16\r\n\r\n", b'{"model":"tiny"}', pause=0.3)
    assert b" 200 " in patient


def test_who_reads_nothing_is_closed_and_holds_up_no_stop(models: Path) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "abcd" * 20_000, "n": 12, "echo": True, "max_tokens": 0}
    with serving(models / "tiny", limits={"send_timeout": 1}) as found, contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(begun(found, **asked, receives=4096)) for _ in range(3)]
        until(lambda: len(select.select(clients, [], [], 0)[0]) == len(clients))  # each is being answered
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(PATIENCE) == 0


def test_the_access_log_has_a_line_per_request_and_no_text_of_a_client_breaks_it(models: Path) -> None:
    with serving(models / "tiny", "--access-log") as found:
        found.get("/v1/models?key=hidden")
        found.complete(model="tiny", prompt="abcdabcd")
        found.get("/%1b%5b31m%0a" + "x" * 5000)
        found.get("/health", Host="elsewhere")
        for name in (b"\x1b[31m", b"a\t9.9.9.9", b"\xe2\x80\xa8", b"a" * 5000):
            host = f"Host: 127.0.0.1:{found.port}\r\nConnection: close\r\n".encode()
            request = (b"GET /health HTTP/1.1\r\nX-Forwarded-For: ", name, b"\r\n", host, b"\r\n")
            assert b" 200 OK" in talk(found.port, *request)
        with begun(found, model="tiny", prompt="abcd", max_tokens=16_000):
            found.wait_for("places_in_use", 1)
        assert found.is_idle()
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(PATIENCE) == 0
        assert found.process.stderr is not None
        lines = found.process.stderr.read().decode().splitlines()
    assert "abcd" not in " ".join(lines)  # of a prompt
    form = r"[\d-]+T[\d:.]+\+00:00 ([!-~]+) ([A-Z]+) ([!-~]+) (\d{3}) \d+\.\d{3}"
    fields = [re.fullmatch(form, line) for line in lines]
    assert all(fields), lines
    assert max(map(len, lines)) < 400
    seen = [(one[2], one[3][:10], one[4]) for one in fields if one is not None and one[3] != "/metrics"]
    assert seen == [
        ("GET", "/v1/models", "200"),
        ("POST", "/v1/comple", "200"),
        ("GET", "/%1b%5b31m", "404"),
        ("GET", "/health", "403"),
        *[("GET", "/health", "200")] * 4,
        ("POST", "/v1/comple", "499"),
    ]


def test_a_stopping_server_lets_what_runs_finish_and_answers_503_meanwhile(models: Path) -> None:
    with serving(models / "tiny", limits=MOST) as found:
        short: dict[str, Any] = {"model": "tiny", "max_tokens": 1000, "stream_options": {"include_usage": True}}
        with begun(found, **ENDLESS, stream=True) as endless, begun(found, **short, stream=True) as made:
            assert b" 200 OK" in endless.recv(100)
            answer = made.recv(100)  # the beginning
            found.process.send_signal(signal.SIGTERM)
            until(lambda: found.get("/health").status == 503)  # without refused connections
            assert found.get("/health").error == "the server is stopping: try again later"
            refused = found.post("/v1/completions", {"model": "tiny"})
            assert (refused.status, refused.headers["connection"]) == (503, "close")
            assert found.get("/health", Host="elsewhere").status == 403
            while b"data: [DONE]" not in answer:
                answer += made.recv(65536)
            assert b'"completion_tokens":1000' in answer
            assert found.gauge("places_in_use") == 1
            assert endless.recv(100)
        assert found.process.wait(PATIENCE) == 0


def test_signals_are_a_servers_only_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    during = list[list[object]]()
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: during.append(handlers()))
    before = handlers()
    with listen("127.0.0.1", 0) as listening:
        Server(Models((), "numpy"), Runs(), Limits(), Access(), listening, set()).run(lambda: None)
    assert not {*during[0]} & {*before}
    assert handlers() == before  # so that Ctrl-C ends the wait for a run that is saved


def test_what_is_taken_ends_with_one_line(
    server: Serving, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    damaged(tmp_path / "tiny")
    for given, says in (
        (f"--port {server.port}", f"cannot listen on 127.0.0.1:{server.port}: Address already in use"),
        ("--port 0 --run tiny", "a model and a run are both named tiny: rename the folder of one of them"),
    ):
        assert says in error_line(run_here(["serve", str(models / "tiny"), *given.split()]))
