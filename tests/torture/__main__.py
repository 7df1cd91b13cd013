"""Try to lose a training run: `make torture`, or python -m tests.torture [--kills 200]

Print the table of docs/reliability.md row by row, and exit with 1 if a row falls short. The other files of this
folder describe how each fault is made. It takes about ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tests.torture import ranks
from tests.torture.runs import KINDS, fill_disk, filled, kill_at_random, longest_file, small_disk
from tests.torture.saves import SUBJECTS, damages, kill_at_every_operation, power_cuts

Result = tuple[str, bool]
"""A figure, and whether it is as it must be."""
SURVIVED = "saves: the state before loads, training continues, nothing is left over"


def rows(kills: int, flips: int, offsets: int, seed: int = 0) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield each fault, and the function that makes it and judges what is left."""
    for kind in KINDS:
        yield f"SIGKILL at random moments: {kind}", partial(kill_at_random, kind, -(-kills // len(KINDS)), seed)
    for name, subject in SUBJECTS.items():
        faults = partial(kill_at_every_operation, subject)
        yield f"SIGKILL at every file operation: {name}", partial(counted, faults, "load as the old or the new")
    for name, subject in SUBJECTS.items():
        cut = partial(power_cuts, subject, seed)
        yield f"power cut, every prefix: {name}", partial(counted, cut, "disk states load as the old or the new")
        for without in ("sync", "sync folder"):
            yield (
                f"power cut, every prefix: {name} without its {without}",
                partial(noticed, partial(cut, without=without)),
            )
    yield "disk full: a tmpfs with that much room", partial(full_disk, offsets)
    yield "write refused: RLIMIT_FSIZE", partial(refused_writes, offsets)
    damaged = partial(counted, partial(damages, flips), "noticed")
    yield "checkpoint truncated at every byte, and single bits flipped", damaged
    yield "two ranks against one, and twice", ranks.compare
    yield "SIGKILL of one of two ranks, resumed", partial(ranks.kill_one, 0)
    yield "SIGKILL of one of two ranks, started again by torchrun --max-restarts 1", partial(ranks.kill_one, 1)
    times = -(-kills // 20)
    yield "SIGKILL of a rank and of a machine, of four that come and go", partial(ranks.come_and_go, times, seed)


def counted(faults: Callable[[], Iterable[str]], good: str) -> Result:
    """Judge faults, each of which is "" or describes what is wrong."""
    results = list(faults())
    wrong = [result for result in results if result]
    for result in wrong[:5]:
        print(result, file=sys.stderr)
    return f"{len(results) - len(wrong):,} of {len(results):,} {good}", not wrong and bool(results)


def noticed(faults: Callable[[], Iterable[str]]) -> Result:
    found = any(faults())
    return "noticed" if found else "not noticed", found


def full_disk(offsets: int) -> Result:
    try:
        with small_disk() as disk:
            return counted(lambda: fill_disk(disk, partial(filled, disk), offsets), SURVIVED)
    except (subprocess.CalledProcessError, FileNotFoundError):
        return "no tmpfs can be mounted here, so only RLIMIT_FSIZE is used", True


def refused_writes(offsets: int) -> Result:
    with tempfile.TemporaryDirectory() as place:
        return counted(lambda: fill_disk(Path(place), longest_file, offsets), SURVIVED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"kills": 200, "flips": 10_000, "offsets": 50, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    chosen = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {chosen.seed}\n")
    missed = 0
    print("| fault | result | seconds |\n| --- | --- | --- |")
    for fault, result in rows(chosen.kills, chosen.flips, chosen.offsets, chosen.seed):
        began = time.monotonic()
        figure, sound = result()
        seconds = time.monotonic() - began
        missed += not sound
        print(f"| {fault} | {figure}{'' if sound else ' **MISSED**'} | {seconds:.0f} |", flush=True)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
