"""Put mixed load on a server for a while and see whether its memory grows.

    python -m benchmarks.soak --minutes 20
    python -m benchmarks.soak --minutes 60 --heap

Threads ask for streams, whole texts and scores of prompts, send wrong requests, and leave in the middle. It prints
memory and open files on the way, and at the end the slope of the memory over the last three quarters of the time.

With --heap, the server prints, in MiB, the heap that glibc has from the system, with its parts in use and free, and the
number of Python's objects. If the part in use stays the same, only free memory between the blocks in use grows.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import http.client
import json
import random
import select
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from subprocess import PIPE
from typing import Any

import click
import numpy as np

from benchmarks.commands import as_written
from tests.processes import PATIENCE, running
from tests.serving.server import ENVIRONMENT, SOURCE, WITH_LIMITS, Serving
from tests.tiny import save_tiny

CLIENTS = 16
EVERY, TOLD = 0.5, 30  # seconds


def soak(server: Serving, seconds: float) -> str:
    """Put load on `server` for so many seconds; print what is seen on the way, and return what it came to."""
    answers, end, place = Counter[str](), time.monotonic() + seconds, Path(f"/proc/{server.process.pid}")
    threads = [threading.Thread(target=_ask, args=(server, end, k, answers)) for k in range(CLIENTS)]
    for thread in threads:
        thread.start()
    began = told = time.monotonic()
    seen: list[tuple[float, float, int]] = []  # seconds, MiB, open files
    while (now := time.monotonic()) < end:
        mebibytes = int((place / "statm").read_text().split()[1]) / 256
        seen.append((now - began, mebibytes, len([*(place / "fd").iterdir()])))
        if now - told > TOLD:
            told = now
            click.echo(f"{now - began:,.0f} s: {mebibytes:.1f} MiB, {seen[-1][2]} files, {answers}")
        threads[0].join(EVERY)
    for thread in threads:
        thread.join()
    passed, memory, files = zip(*seen, strict=True)
    quarter = len(seen) // 4
    slope = float(np.polyfit(passed[quarter:], memory[quarter:], 1)[0] * 3600)
    return (
        f"{answers.total():,} answers; memory {memory[0]:.1f} MiB at first, {memory[-1]:.1f} MiB at the end, slope "
        f"{slope:+.1f} MiB an hour; at most {max(files)} files; every place free at the end: {server.is_idle()}"
    )


def _ask(server: Serving, end: float, seed: int, answers: Counter[str]) -> None:
    chance = random.Random(seed)
    while time.monotonic() < end:
        kind, body = _request(chance)
        sent = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/v1/completions", sent, {"Content-Type": "application/json"})
            if kind == "gone":
                select.select([connection.sock], [], [], chance.random() * 0.05)
            else:
                answer = connection.getresponse()
                answer.read()
                kind = f"{kind} {answer.status}"
            answers[kind] += 1
        connection.close()


def _request(chance: random.Random) -> tuple[str, dict[str, Any]]:
    prompt = "".join(chance.choices("abcdé\n", k=chance.randrange(1, 400)))
    body: dict[str, Any] = {
        "model": chance.choice(["tiny", "mixed"]),
        "prompt": prompt,
        "max_tokens": chance.randrange(400),
    }
    kind = chance.choice(["stream", "whole", "several", "score", "remember", "rule", "held", "wrong", "gone"])
    more: dict[str, dict[str, Any]] = {
        "stream": {"stream": True, "logprobs": 3},
        "several": {"n": 4, "stop": ["ab"]},
        "score": {"max_tokens": 0, "echo": True, "logprobs": 5},
        "remember": {"remember": True, "stream": True},
        "rule": {"pattern": chance.choice(["[ab]*", "(ab|cd)+", f"a{{{chance.randrange(1, 40)}}}"])},
        "held": {"hold": [f"l0.u1={chance.random()}"], "remember": True},
        "wrong": {"top_p": 7},
        "gone": {"stream": chance.random() < 0.5, "max_tokens": 5000},
    }
    return kind, body | more.get(kind, {})


WATCH = "import benchmarks.soak as soak; soak.watch()"
SERVER = WITH_LIMITS.format({"remember": 8 * 2**20})
MALLINFO = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class Heap(ctypes.Structure):
    """The `struct mallinfo2` of glibc: bytes and numbers, over all threads."""

    _fields_ = [(name, ctypes.c_size_t) for name in MALLINFO.split()]


def watch() -> None:
    """Print the heap of this process now and then, from a thread."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Heap
    while True:
        time.sleep(TOLD)
        found = libc.mallinfo2()
        gc.collect()
        heap, used, free = (size / 2**20 for size in (found.arena + found.hblkhd, found.uordblks, found.fordblks))
        print(f"heap {heap:.1f}, in use {used:.1f}, free {free:.1f} MiB; {len(gc.get_objects()):,} objects", flush=True)


@click.command(help=as_written(__doc__))
@click.option("--minutes", type=float, default=20, show_default=True)
@click.option("--heap", is_flag=True, help="also print glibc's heap, seen from within")
def main(minutes: float, heap: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        models = map(str, (save_tiny(Path(place, "tiny")), save_tiny(Path(place, "mixed"), mixed=True)))
        command = [
            sys.executable,
            "-c",
            WATCH * heap + SERVER,
            "serve",
            *models,
        ]
        environment = {**ENVIRONMENT, "PYTHONPATH": f"{SOURCE}:{Path(SOURCE).parent}"}
        with running([*command, "--port", "0"], fresh=True, stderr=PIPE, env=environment) as process:
            assert process.stderr is not None
            port = process.stderr.readline().decode().strip().rpartition(":")[2]
            click.echo(soak(Serving(process, int(port)), 60 * minutes))


if __name__ == "__main__":
    main()
