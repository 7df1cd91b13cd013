"""Ways that take turns, each in a process of its own: what one leaves running or in memory does not touch the others.

A way is what comes after `python` on a command line. Its process calls `answer`, and is asked by `take_turns`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

PAUSE = 0.1  # seconds, after which the threads of the one before no longer spin, as they do while they wait for work


def take_turns(ways: Mapping[str, Sequence[str]], turns: int) -> dict[str, list[float]]:
    """What each way answers in each of its turns. A way that begins with a path is run by the Python there."""
    children = {
        way: subprocess.Popen(
            [*_python(command), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for way, command in ways.items()
    }
    answers: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(turns):
        for way, child in children.items():
            assert child.stdin is not None
            assert child.stdout is not None
            time.sleep(PAUSE)
            child.stdin.write("\n")
            answers[way].append(float(child.stdout.readline()))
    for child in children.values():
        child.communicate()
    return answers


def _python(command: Sequence[str]) -> list[str]:
    return [] if os.path.isabs(command[0]) else [sys.executable]


def answer(work: Callable[[int], float]) -> None:
    """In a way's process: for every line on standard input, what `work` gives for turn 1, 2, …"""
    for turn, _ in enumerate(sys.stdin, 1):
        print(work(turn), flush=True)
