"""Several ranks that train one model: compared with one rank, with each other, and after one of them was killed."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bases.small import save
from tests.processes import Forked, free_port, running, until
from tests.torture.runs import outcome, start, write_text

STEPS = 50
ARGUMENTS = f"--steps {STEPS} --dropout 0.3 --seq-length 32".split()
ARGUMENTS += ["--batch-size", "6", "--threads", "1", "--checkpoint-every", "10"]
KILLED = """import os, signal
from afterword.cli.main import main
from afterword.learning.learner import Learner
learn = Learner.learn
def learn_or_die(learner, *arguments):
    if learner.step == 25 and (os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]) == ("1", "0"):
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(learner, *arguments)
Learner.learn = learn_or_die
main()"""


def start_ranks(arguments: list[Any], place: Path, ranks: int) -> list[Forked]:
    """Start `afterword ARGUMENTS` as so many ranks, like torchrun but at once."""
    shared = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
    shared["MASTER_PORT"] = str(free_port())
    return [start(arguments, place / f"log-{rank}", RANK=str(rank), **shared) for rank in range(ranks)]


def train(arguments: list[Any], place: Path, ranks: int) -> None:
    processes = start_ranks(arguments, place, ranks)
    for rank, process in enumerate(processes):
        assert process.wait(300) == 0, (place / f"log-{rank}").read_text()


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@functools.cache
def whole() -> Path:
    """Train with one rank and twice with two; return the folder of these runs, which is removed at the end."""
    place = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    text, base = write_text(place / "book.txt"), save(place / "base")
    for name, ranks in (("one", 1), ("two", 2), ("two again", 2)):
        train(["train", text, "--out", place / name, "--base", base, *ARGUMENTS], place, ranks)
    return place


def compare() -> tuple[str, bool]:
    """Return how far a step's loss is from that of one rank at most, and whether both runs of two ranks are equal."""
    place = whole()
    largest = max(abs(a - b) for a, b in zip(losses(place / "one"), losses(place / "two"), strict=True))
    equal = outcome(place / "two") == outcome(place / "two again")
    figure = f"losses within {largest:.1e} over {STEPS} steps, {'bitwise equal' if equal else 'different'}"
    return figure, largest <= 1e-5 and equal


def kill_one(restarts: int) -> tuple[str, bool]:
    """Kill one of two ranks under the real torchrun and continue; with `restarts`, torchrun itself continues.

    Return after how long both ranks were gone, and whether the run ended as one that was not killed.
    """
    place = whole()
    folder, script = place / f"killed-{restarts}", place / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), str(script)]
    command += ["train", str(place / "book.txt"), "--out", str(folder), "--base", str(place / "base"), *ARGUMENTS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        open(place / "torchrun", "wb") as log,
        running(command, stdout=log, stderr=log, env=environment) as process,
    ):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) == 2)
        ranks = children.read_text().split()
        until(lambda: not all(Path(f"/proc/{pid}").exists() for pid in ranks))
        killed = time.monotonic()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ranks))
        gone = time.monotonic() - killed
        process.wait()
    assert (process.returncode == 0) == (restarts > 0), (place / "torchrun").read_text()
    if not restarts:
        train(["train", "--resume", folder], place, 2)
    equal = outcome(folder) == outcome(place / "two")
    return f"both gone in {gone:.1f} s: {'bitwise equal' if equal else 'different'}", gone < 30 and equal
