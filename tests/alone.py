"""Run a command in a network of its own, and record what it looks up, connects to and leaves behind.

`alone` starts this file in a network namespace whose only interface is the loopback one, to which every address leads.
A socket reads all packets there, and a resolver answers every look-up with ANSWER, so that what would follow is seen
too. The folders where programs put files without being asked are empty ones.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[1]
NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
ROUTES = (("ip", "link", "set", "lo", "up"), ("ip", "route", "add", "local", "default", "dev", "lo"))
WATCHED = {"HOME": "home", "XDG_CACHE_HOME": "cache", "TMPDIR": "temporary"}  # variables, and folders for them
RESOLVING = {"resolv.conf": "nameserver 127.0.0.1\n", "nsswitch.conf": "hosts: files dns\n"}
SHARED = ("/dev/shm", "/var/tmp")
ANSWER, DNS = "203.0.113.7", 53
EVERY_PACKET, OUTGOING, IPV6 = 3, 4, 0x86DD  # ETH_P_ALL, PACKET_OUTGOING and ETH_P_IPV6 of Linux
TCP, UDP, SYN, ACK = 6, 17, 2, 16


@dataclass(frozen=True)
class Left:
    """What a command printed, and what it did besides."""

    status: int
    out: str
    err: str
    sent: list[str]  # each look-up, connection and datagram, such as "lookup example.org" and "tcp 203.0.113.7:443"
    files: list[str]  # what is new in the watched folders, such as "cache/matplotlib/fontlist.json"
    listening: list[str]  # the sockets on which a server waited, such as "tcp 8000"


@functools.cache
def obstacle() -> str:
    """Return why no namespace can be made here, or "" if one can."""
    if sys.platform != "linux":
        return "this is not Linux"
    script = " && ".join(" ".join(one) for one in ROUTES)
    try:
        tried = subprocess.run([*NAMESPACE, "sh", "-c", script], capture_output=True, timeout=60)
    except OSError as error:
        return str(error)
    return tried.stderr.decode(errors="replace").strip() if tried.returncode else ""


def check_namespaces() -> None:
    """Skip the test if no namespace can be made here; in CI it fails."""
    if why := obstacle():
        what = f"no network namespace: {why}"
        pytest.fail(what) if os.environ.get("CI") == "true" and sys.platform == "linux" else pytest.skip(what)


def alone(
    folder: Path, *words: str | Path, serving: int = 0, requests: Sequence[tuple[str, Any]] = (), lasting: float = 0
) -> Left:
    """Run `python WORDS` in `folder`. If it is a server on the port `serving`, send it `requests`, of
    a path and a body, again and again for `lasting` seconds, and end it."""
    asked = {"words": [*map(str, words)], "serving": serving, "requests": list(requests), "lasting": lasting}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "HF_", "XDG_"))}
    environment |= {"PYTHONPATH": f"{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
    command, given = [*NAMESPACE, sys.executable, __file__], json.dumps(asked).encode()
    ran = subprocess.run(command, input=given, capture_output=True, cwd=folder, env=environment, timeout=250)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    return Left(**json.loads(ran.stdout))


def _inside() -> Left:
    """Do in the namespace what `alone` asked for."""
    asked = json.load(sys.stdin)
    for command in ROUTES:
        subprocess.run(command, check=True)
    for place in SHARED:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    with tempfile.TemporaryDirectory() as temporary:
        watched = Path(temporary)
        for name in WATCHED.values():
            (watched / name).mkdir()
        for name, content in RESOLVING.items():
            (watched / name).write_text(content)
            if Path("/etc", name).exists():
                subprocess.run(["mount", "--bind", watched / name, f"/etc/{name}"], check=True)
        threading.Thread(target=_resolve, daemon=True).start()
        environment = {**os.environ, **{variable: f"{watched / name}" for variable, name in WATCHED.items()}}
        words, listening, pipe = [sys.executable, *asked["words"]], list[str](), subprocess.PIPE
        with _sniffed() as sent, subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe) as process:
            if asked["serving"]:
                end = time.monotonic() + asked["lasting"]
                while time.monotonic() < end:
                    for body in asked["requests"]:
                        _ask(process, asked["serving"], *body)
                listening = _listening()
                process.terminate()
            printed = process.communicate()
        files = [f"{path.relative_to(watched)}" for name in WATCHED.values() for path in (watched / name).rglob("*")]
    files += [f"{path}" for place in SHARED for path in Path(place).rglob("*")]
    own = f"tcp 127.0.0.1:{asked['serving']}"  # our requests
    sent = [one for one in sent if one != own]
    out, err = (one.decode("utf-8", "replace") for one in printed)
    return Left(process.returncode, out, err, sent, files, listening)


def _ask(server: subprocess.Popen[bytes], port: int, path: str, body: Any) -> None:
    """Send a request to the server, as soon as it listens."""
    request = Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    while True:
        try:
            with urlopen(request, timeout=60) as answer:
                answer.read()
                return
        except URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError) or server.poll() is not None:
                raise
            time.sleep(0.05)


def _resolve() -> None:
    """Answer each look-up of an IPv4 address with ANSWER, and any other with nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", DNS))
        while True:
            query, client = resolver.recvfrom(4096)
            end = query.index(b"\0", 12) + 5
            found = query[end - 4 : end - 2] == b"\0\1"
            answer = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(ANSWER) if found else b""
            head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, found, 0, 0)
            resolver.sendto(head + query[12:end] + answer, client)


@contextlib.contextmanager
def _sniffed() -> Iterator[list[str]]:
    """Yield a list of what is sent until the end of the block."""
    sent, over = list[str](), threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PACKET)) as packets:
        packets.settimeout(0.05)

        def read() -> None:
            while True:
                try:
                    packet, (_, protocol, kind, *_) = packets.recvfrom(65536)
                except TimeoutError:  # nothing waits to be read
                    if over.is_set():
                        return
                else:
                    if kind == OUTGOING:
                        sent.extend(_described(packet, protocol == IPV6))

        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield sent
        finally:
            over.set()
            reading.join()


def _described(packet: bytes, is_ipv6: bool) -> Iterator[str]:
    """Yield what `packet` begins, if it is the first of a connection, or a datagram."""
    protocol, start = (packet[6], 40) if is_ipv6 else (packet[9], 4 * (packet[0] & 15))
    address = socket.inet_ntop(*((socket.AF_INET6, packet[24:40]) if is_ipv6 else (socket.AF_INET, packet[16:20])))
    source, port = struct.unpack("!HH", packet[start : start + 4])
    if protocol == TCP and packet[start + 13] & (SYN | ACK) == SYN:
        yield f"tcp {address}:{port}"
    elif protocol == UDP and port == DNS:
        name = packet[start + 8 + 12 :].partition(b"\0")[0]
        yield "lookup " + re.sub(rb"[\0-\x1f]", b".", name[1:]).decode("ascii", "replace")
    elif protocol == UDP and source != DNS:
        yield f"udp {address}:{port}"


def _listening() -> list[str]:
    """Return the sockets that wait for others, without the resolver's."""
    found = []
    for kind, waits in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path("/proc/net", kind).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            port = int(local.rpartition(":")[2], 16)
            found += [f"{kind} {port}"] if state == waits and port != DNS else []
    return found


if __name__ == "__main__":
    json.dump(asdict(_inside()), sys.stdout)
