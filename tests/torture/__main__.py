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


def rows(kills: int, flips: int, offsets: int, seed: int = 0) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield each fault, and the function that makes it and judges what is left."""
    for kind in KINDS:
        yield f"SIGKILL at random moments: {kind}", partial(killed, kind, -(-kills // len(KINDS)), seed)
    for name, subject in SUBJECTS.items():
        faults = partial(kill_at_every_operation, subject)
        yield f"SIGKILL at every file operation: {name}", partial(counted, faults, "load as the old or the new")
    for name, subject in SUBJECTS.items():
        faults = partial(power_cuts, subject, seed)
        good = "disk states load as the old or the new"
        yield f"power cut, every prefix: {name}", partial(counted, faults, good)
        for without in ("sync", "sync folder"):
            faults = partial(power_cuts, subject, seed, without)
            yield f"power cut, every prefix: {name} without its {without}", partial(noticed, faults)
    good = "saves: the state before loads, training continues, nothing is left over"
    yield "disk full: a tmpfs with that much room", partial(full_disk, offsets, good)
    yield "write refused: RLIMIT_FSIZE", partial(counted, partial(refused_writes, offsets), good)
    damaged = partial(counted, partial(damages, flips), "noticed")
    yield "checkpoint truncated at every byte, and single bits flipped", damaged
    yield "two ranks against one, and twice", compared
    yield "SIGKILL of one of two ranks, resumed", partial(killed_rank, 0)
    yield "SIGKILL of one of two ranks, started again by torchrun --max-restarts 1", partial(killed_rank, 1)


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


def killed(kind: str, kills: int, seed: int) -> Result:
    result = kill_at_random(kind, kills, seed)
    figure = (
        f"{result.kills} kills ({result.before_first_checkpoint} before a first checkpoint) in {result.runs} runs: "
        f"{result.lost} lost, {result.runs - result.different - result.lost} end bitwise equal"
    )
    return figure, result.kills >= kills and not result.different and not result.lost


def full_disk(offsets: int, good: str) -> Result:
    try:
        with small_disk() as disk:
            return counted(lambda: fill_disk(disk, filled(disk), offsets), good)
    except (subprocess.CalledProcessError, FileNotFoundError):
        return "no tmpfs can be mounted here, so only RLIMIT_FSIZE is used", True


def refused_writes(offsets: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as place:
        yield from fill_disk(Path(place), longest_file, offsets)


def compared() -> Result:
    largest, equal = ranks.compare()
    figure = f"losses within {largest:.1e} over {ranks.STEPS} steps, {'bitwise equal' if equal else 'different'}"
    return figure, largest <= 1e-5 and equal


def killed_rank(restarts: int) -> Result:
    gone, equal = ranks.kill_one(restarts)
    return f"both gone in {gone:.1f} s: {'bitwise equal' if equal else 'different'}", gone < 30 and equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--offsets", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {chosen.seed}\n")
    print("| fault | result | seconds |\n| --- | --- | --- |")
    missed = False
    for fault, result in rows(chosen.kills, chosen.flips, chosen.offsets, chosen.seed):
        began = time.monotonic()
        figure, sound = result()
        missed |= not sound
        seconds = time.monotonic() - began
        print(f"| {fault} | {figure}{'' if sound else ' **MISSED**'} | {seconds:.0f} |", flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
