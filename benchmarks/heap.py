"""The memory of a server under the mixed load of `make soak`, seen from within, once a minute.

    python -m benchmarks.heap --minutes 60

It prints, in MiB, resident memory and the heap that glibc has from the system, with its parts in use and free; and the
number of Python's objects. If the part in use stays the same, only free memory between the blocks in use grows. This
runs on Linux with glibc only.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from subprocess import PIPE

import click

from benchmarks.commands import as_written, echo_row, echo_table
from benchmarks.soak import soak
from tests.processes import running
from tests.serving.server import ENVIRONMENT, SOURCE, WITH_LIMITS, Serving
from tests.tiny import save_tiny

EVERY = 60.0  # seconds
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
INSIDE = f"import benchmarks.heap as heap; heap.watch(); {WITH_LIMITS.format({'remember': 8 * 2**20})}"


class Heap(ctypes.Structure):
    """The `struct mallinfo2` of glibc: bytes and numbers, over all threads."""

    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]


def watch() -> None:
    """Print a row now and then, from a thread of this process."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    libc, began = ctypes.CDLL(None), time.monotonic()
    libc.mallinfo2.restype = Heap
    while True:
        time.sleep(EVERY)
        resident = int(Path("/proc/self/statm").read_text().split()[1]) / 256
        found = libc.mallinfo2()
        sizes = (resident, *(size / 2**20 for size in (found.arena + found.hblkhd, found.uordblks, found.fordblks)))
        gc.collect()
        minutes = f"{(time.monotonic() - began) / 60:.0f}"
        echo_row([minutes, *(f"{size:.1f}" for size in sizes), f"{len(gc.get_objects()):,}"])


@click.command(help=as_written(__doc__))
@click.option("--minutes", type=float, default=60, show_default=True)
def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        models = map(str, (save_tiny(Path(place, "tiny")), save_tiny(Path(place, "mixed"), mixed=True)))
        command = [sys.executable, "-c", INSIDE, "serve", *models, "--port", "0"]
        environment = {**ENVIRONMENT, "PYTHONPATH": f"{SOURCE}:{Path(SOURCE).parent}"}
        echo_table(["minutes", "MiB resident", "heap", "in use", "free", "objects"])
        with running(command, fresh=True, stderr=PIPE, env=environment) as process:
            assert process.stderr is not None
            found = re.search(r":(\d+)$", process.stderr.readline().decode().strip())
            assert found is not None
            soaked = soak(Serving(process, int(found[1])), 60 * minutes)
    click.echo(f"{sum(soaked.answers.values()):,} answers; every place free at the end: {soaked.is_idle}")


if __name__ == "__main__":
    main()
