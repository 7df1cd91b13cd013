"""What two processes gain on one machine: python -m benchmarks.ranks [TEXT] [--minutes 1] [--rounds 2]

Trains the same network on TEXT (or the topics of Python's help) for the same minutes: one process of two threads, then
two processes of one thread each under torchrun, in turn. A step reads the same batch either way. Printed: steps, and
the bits per character of the held-out text.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from afterword.language_model import load
from benchmarks.python_help import topics
from tests.processes import finished

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WAYS = {
    "one process, two threads": ([], "2"),
    "two processes, one thread each": (TORCHRUN, "1"),
}
NETWORK = ["--num-layers", "1", "--hidden-size", "256", "--embedding-size", "64", "--batch-size", "16"]
NETWORK += ["--seq-length", "64", "--dropout", "0.1", "--learning-rate", "0.01", "--ngram", "0"]


def train(way: str, text: Path, out: Path, minutes: float) -> tuple[int, float]:
    """Steps, and held-out bits per character."""
    launcher, threads = WAYS[way]
    command = [sys.executable, *launcher, "-m", "afterword", "train", str(text), "--out", str(out), *NETWORK]
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    arguments = ["--minutes", str(minutes), "--threads", threads]
    done = finished([*command, *arguments], timeout=600 + 120 * minutes, env=environment)
    if done.returncode:
        sys.exit(done.stderr.decode())
    about = load(out).about
    return about["training"]["steps"], about["validation"]["bits_per_character"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", type=Path)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {chosen.minutes:g} min each\n")
    print("| | steps | held-out bits per character |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        text = chosen.text
        if text is None:
            text = Path(place, "topics.txt")
            text.write_text(topics(), encoding="utf-8")
        for number in range(chosen.rounds):
            for k, way in enumerate(WAYS):
                steps, bits = train(way, text, Path(place, f"{number}-{k}"), chosen.minutes)
                print(f"| {way} | {steps:,} | {bits:.3f} |", flush=True)


if __name__ == "__main__":
    main()
