"""Put mixed load on a server for a while and see whether its memory grows.

    python -m benchmarks.soak --minutes 20

Threads ask for streams, whole texts and scores of prompts, send wrong requests, and leave in the middle. It prints
memory and open files on the way, and at the end the slope of the memory over the last three quarters of the time.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import select
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.commands import as_written
from tests.processes import PATIENCE
from tests.serving.server import Serving, serving
from tests.tiny import save_tiny

CLIENTS = 16
EVERY = 0.5  # seconds


@dataclass
class Soaked:
    """What was observed."""

    seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    is_idle: bool = False

    @property
    def slope(self) -> float:
        """The growth in MiB per hour, over the last three quarters."""
        first = len(self.seconds) // 4
        return float(np.polyfit(self.seconds[first:], self.mebibytes[first:], 1)[0] * 3600)

    @property
    def growth(self) -> float:
        """The growth in MiB, from the median of the second quarter to that of the last."""
        quarter = max(1, len(self.mebibytes) // 4)
        return float(np.median(self.mebibytes[-quarter:]) - np.median(self.mebibytes[quarter : 2 * quarter]))


def soak(server: Serving, seconds: float, tell: Any = lambda line: None) -> Soaked:
    """Put load on `server` for so many seconds."""
    found, end, place = Soaked(), time.monotonic() + seconds, Path(f"/proc/{server.process.pid}")
    threads = [threading.Thread(target=_ask, args=(server, end, k, found.answers)) for k in range(CLIENTS)]
    for thread in threads:
        thread.start()
    began = told = time.monotonic()
    while time.monotonic() < end:
        pages = int((place / "statm").read_text().split()[1])
        found.seconds.append(time.monotonic() - began)
        found.mebibytes.append(pages / 256)
        found.files.append(len([*(place / "fd").iterdir()]))
        if time.monotonic() - told > 30:
            told = time.monotonic()
            tell(f"{found.seconds[-1]:,.0f} s: {found.mebibytes[-1]:.1f} MiB, {found.files[-1]} files, {found.answers}")
        threads[0].join(EVERY)
    for thread in threads:
        thread.join()
    found.is_idle = server.is_idle()
    return found


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


@click.command(help=as_written(__doc__))
@click.option("--minutes", type=float, default=20, show_default=True)
def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        models = [save_tiny(Path(place, "tiny")), save_tiny(Path(place, "mixed"), mixed=True)]
        with serving(*models, limits={"remember": 8 * 2**20}) as server:
            found = soak(server, 60 * minutes, click.echo)
    click.echo(
        f"{sum(found.answers.values()):,} answers in {minutes:g} minutes; "
        f"memory {found.mebibytes[0]:.1f} MiB at first, "
        f"{found.mebibytes[-1]:.1f} MiB at the end, slope {found.slope:+.1f} MiB an hour; "
        f"at most {max(found.files)} files; every place free at the end: {found.is_idle}"
    )


if __name__ == "__main__":
    main()
