"""Try to lose a training run: `make torture`, or python -m tests.torture [--kills 200]

Print the table of docs/reliability.md row by row, and exit with 1 if a row falls short. That page and
the other files of this folder describe how each fault is made. It takes about ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.torture import ranks
from tests.torture.runs import KINDS, fill_disk, filled, kill_at_random, longest_file, small_disk
from tests.torture.saves import SUBJECTS, damages, kill_at_every_operation, power_cuts


class Table:
    """A table in Markdown on standard output."""

    def __init__(self) -> None:
        self.sound = True
        self._began = time.monotonic()
        print("| fault | result | seconds |\n| --- | --- | --- |")

    def row(self, fault: str, figure: str, sound: bool) -> None:
        self.sound &= sound
        now = time.monotonic()
        print(f"| {fault} | {figure}{'' if sound else ' **MISSED**'} | {now - self._began:.0f} |", flush=True)
        self._began = now

    def count(self, fault: str, found: Iterable[str], good: str) -> None:
        """Print a row for `found`, each of which is "" or describes what is wrong."""
        results = list(found)
        wrong = [result for result in results if result]
        for result in wrong[:5]:
            print(f"{fault}: {result}", file=sys.stderr)
        self.row(fault, f"{len(results) - len(wrong):,} of {len(results):,} {good}", not wrong and bool(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--offsets", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {chosen.seed}\n")
    table = Table()
    _kills(table, chosen.kills, chosen.seed)
    for name, subject in SUBJECTS.items():
        killed = kill_at_every_operation(subject)
        table.count(f"SIGKILL at every file operation: {name}", killed, "load as the old or the new")
    for name, subject in SUBJECTS.items():
        cuts = power_cuts(subject, chosen.seed)
        table.count(f"power cut, every prefix: {name}", cuts, "disk states load as the old or the new")
        for without in ("sync", "sync folder"):
            noticed = any(power_cuts(subject, chosen.seed, without))
            table.row(f"the same without its {without}", "noticed" if noticed else "not noticed", noticed)
    _full_disk(table, chosen.offsets)
    table.count("checkpoint truncated at every byte, and single bits flipped", damages(chosen.flips), "noticed")
    _ranks(table)
    sys.exit(0 if table.sound else 1)


def _kills(table: Table, kills: int, seed: int) -> None:
    for kind in KINDS:
        result = kill_at_random(kind, -(-kills // len(KINDS)), seed)
        figure = (
            f"{result.kills} kills ({result.before_first_checkpoint} before a first checkpoint) in {result.runs} runs: "
            f"{result.lost} lost, {result.runs - result.different - result.lost} end bitwise equal"
        )
        table.row(f"SIGKILL at random moments: {kind}", figure, not result.different and not result.lost)


def _full_disk(table: Table, offsets: int) -> None:
    good = "saves: the state before loads, training continues, nothing is left over"
    try:
        with small_disk() as disk:
            table.count("disk full: a tmpfs with that much room", fill_disk(disk, filled(disk), offsets), good)
    except (subprocess.CalledProcessError, FileNotFoundError):
        print("disk full: no tmpfs can be mounted here, so only RLIMIT_FSIZE is used", file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        table.count("write refused: RLIMIT_FSIZE", fill_disk(Path(place), longest_file, offsets), good)


def _ranks(table: Table) -> None:
    with tempfile.TemporaryDirectory() as place:
        largest, equal = ranks.compare(Path(place))
        figure = f"losses within {largest:.1e} over {ranks.STEPS} steps"
        table.row("two ranks against one", figure, largest <= 1e-5)
        table.row("two ranks, twice", "bitwise equal" if equal else "different", equal)
        for restarts, goes_on in ((0, "resumed"), (1, "started again by torchrun --max-restarts 1")):
            gone, equal = ranks.kill_one(Path(place), restarts)
            figure = f"both gone in {gone:.1f} s; {goes_on}: {'bitwise equal' if equal else 'different'}"
            table.row("SIGKILL of one of two ranks", figure, gone < 30 and equal)


if __name__ == "__main__":
    main()
