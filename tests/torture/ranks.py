"""Several ranks train one model: against one rank, against each other, and with one of them killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from afterword.runs.folder import RunFolder
from tests.processes import running
from tests.torture.runs import outcome, start, write_text

STEPS = 50
ARGUMENTS = [
    "--steps",
    str(STEPS),
    "--hidden-size",
    "16",
    "--num-layers",
    "2",
    "--dropout",
    "0.3",
    "--seq-length",
    "32",
]
ARGUMENTS += ["--batch-size", "6", "--threads", "1", "--checkpoint-every", "10"]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def start_ranks(arguments: list[Any], place: Path, ranks: int) -> list[Any]:
    """`afterword ARGUMENTS` as so many ranks, without torchrun: as it would start them, but in no time."""
    shared = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
    shared["MASTER_PORT"] = str(free_port())
    return [start(arguments, place / f"log-{rank}", RANK=str(rank), **shared) for rank in range(ranks)]


def train(arguments: list[Any], place: Path, ranks: int) -> None:
    processes = start_ranks(arguments, place, ranks)
    for rank, process in enumerate(processes):
        process.join(300)
        assert process.exitcode == 0, (place / f"log-{rank}").read_text()


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def compare(place: Path) -> tuple[float, bool]:
    """One rank and, twice, two of them: the largest difference of a step's loss, and whether the two are equal."""
    text = write_text(place / "book.txt")
    for name, ranks in (("one", 1), ("two", 2), ("two again", 2)):
        train(["train", text, "--out", place / name, *ARGUMENTS], place, ranks)
    one, two = losses(place / "one"), losses(place / "two")
    assert len(one) == len(two) == STEPS
    largest = max(abs(a - b) for a, b in zip(one, two, strict=True))
    return largest, outcome(place / "two") == outcome(place / "two again")


def kill_one(place: Path, restarts: int = 0) -> tuple[float, bool]:
    """Two ranks under the real torchrun, one of them killed: seconds until both were gone, and whether the run, gone on
    with, came to what the run `place / "two"` did, which nobody killed. With `restarts`, torchrun itself goes on."""
    folder = place / f"killed-{restarts}"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "--max-restarts", str(restarts), "-m", "afterword", "train"]
    arguments = [str(place / "book.txt"), "--out", str(folder), *ARGUMENTS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        open(place / "torchrun", "wb") as log,
        running([*command, *arguments], stdout=log, stderr=log, env=environment) as process,
    ):
        while not RunFolder(folder).checkpoints and process.poll() is None:
            time.sleep(0.005)
        ranks = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        os.kill(ranks[1], signal.SIGKILL)
        killed = time.monotonic()
        while any(Path(f"/proc/{pid}").exists() for pid in ranks):
            time.sleep(0.005)
        gone = time.monotonic() - killed
        process.wait(timeout=120)
    assert (process.returncode == 0) == (restarts > 0), (place / "torchrun").read_text()
    if not restarts:
        train(["train", "--resume", folder], place, 2)
    return gone, outcome(folder) == outcome(place / "two")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as place:
        print(*compare(Path(place)), *kill_one(Path(place)), *kill_one(Path(place), restarts=1))


if __name__ == "__main__":
    main()
