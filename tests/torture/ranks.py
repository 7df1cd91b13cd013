"""Several ranks that train one model: compared with one rank, with each other, and after one of them was killed."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
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


LONG = [*ARGUMENTS[2:-1], "20", "--hidden-size", "96", "--steps", "1500", "--seed", "1", "--base", "none"]
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "one",
    "dog",
    "ran",
    "to",
    "it",
    "big",
    "red",
    "house",
    "old",
    "man",
    "was",
]
NEAR = 0.005  # nats per character, where sums of other groups of lanes are rounded differently


@contextlib.contextmanager
def machine(place: Path, number: int, port: int) -> Iterator[Any]:
    """Start one of up to four machines that may come and go, with one rank; the first one has the store."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1:4", "--nproc-per-node", "1"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--local-addr", "127.0.0.1"]
    command += ["--rdzv-conf", "last_call_timeout=1", "--max-restarts", "5", "--monitor-interval", "0.5"]
    command += ["-m", "afterword", "train", str(place / "words.txt"), "--out", str(place / "many"), *LONG]
    environment = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    environment = {**os.environ, **environment}
    with (
        open(place / f"machine-{number}", "wb") as log,
        running(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            yield process
        finally:
            lose(process.pid)


def lose(pid: int) -> None:
    """Kill a process and all that it has started, also in other groups."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        for one in [pid, *descendants(pid)]:
            os.kill(one, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(one for child in found for one in descendants(child))]


def come_and_go(times: int, seed: int) -> tuple[str, bool]:
    """Train on four machines of which the last two come later; kill a rank and a whole machine at random moments.

    Return in how many runs it came to the figure of one rank, and the largest difference.
    """
    place, draw, differences, counts = whole(), random.Random(seed), list[float](), set[int]()
    one = place / "one long"
    if not one.exists():
        text = random.Random(0)  # so long that its figure does not depend on the last step
        lines = (" ".join(text.choices(WORDS, k=text.randrange(3, 12))) for _ in range(4000))
        (place / "words.txt").write_text("".join(f"{line}.\n" for line in lines))
        train(["train", place / "words.txt", "--out", one, *LONG], place, 1)
    for _ in range(times):
        shutil.rmtree(place / "many", ignore_errors=True)
        port = free_port()
        with contextlib.ExitStack() as stack:

            def step() -> int:
                with contextlib.suppress(OSError, IndexError, ValueError):
                    last = (place / "many" / "metrics.jsonl").read_text().splitlines()[-1]
                    return int(json.loads(last)["step"])
                return 0

            def pause(later: int) -> None:
                at = step() + draw.randrange(later)
                until(lambda: step() >= min(at, 1500))

            machines = [stack.enter_context(machine(place, number, port)) for number in range(2)]
            until(lambda: step() > 0)
            machines += [stack.enter_context(machine(place, number, port)) for number in (2, 3)]
            pause(300)
            for pid in descendants(machines[draw.randrange(4)].pid)[:1]:  # a rank; its torchrun starts another one
                os.kill(pid, signal.SIGKILL)
            pause(300)
            lose(machines[draw.choice([1, 2, 3])].pid)  # a machine, with all that runs on it
            until(lambda: json.loads((place / "many" / "run.json").read_text())["ended"] is not None)
            record = json.loads((place / "many" / "run.json").read_text())
            counts |= {one["parts"]["ranks"] for one in record["environments"]}
        alone, many = (
            [json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()]
            for each in (one, place / "many")
        )
        assert [row["step"] for row in alone] == [row["step"] for row in many]
        differences.append(abs(alone[-1]["validation"] - many[-1]["validation"]))
    sound = sum(difference <= NEAR for difference in differences)
    figure = f"{sound} of {times} within {NEAR} nats of one rank, at most {max(differences):.1e}"
    return f"{figure}; {min(counts)} to {max(counts)} ranks", sound == times and len(counts) > 1
