"""A text of 1 GB, encoded and trained on: python benchmarks/large_text.py [--megabytes 1000]

The text is that of Python's own pydoc_data.topics, repeated in a temporary folder, which comes to hold twice the size.
Printed, each from a process of its own, with the most memory that it ever had:

    encode    read twice and written as tokens, in MB/s              targets: 50 MB/s and more, 500 MB and less
    train     `afterword train --steps 20`: seconds to the first step that is reported, and in all
                                                                     target: 1.5 GB and less
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import encode, learn_tokenizer

SPEED, ENCODING_PEAK, TRAINING_PEAK = 50, 500, 1500  # MB/s, MB, MB


def write_text(path: Path, megabytes: float) -> None:
    """Repeat the topics until there are `megabytes` or a little more."""
    content = "".join(topics.values()).encode()
    with open(path, "wb") as file:
        while file.tell() < megabytes * 1e6:
            file.write(content)


def encode_text(text: Path, folder: Path, vocabulary: str) -> None:
    """The child process of the first measurement."""
    settings = TextSettings(validation="0.1", vocabulary=vocabulary)
    with read_corpus([text], settings) as corpus:
        encode(corpus, learn_tokenizer(corpus, settings.vocabulary, settings.lowercase), folder)


def watch(command: Sequence[str | Path], appears: Path) -> tuple[float, float, float]:
    """Run `command`: seconds until the file `appears` holds something, seconds in all, peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE)
    first, ended = 0.0, 0
    while not ended:
        if not first and appears.exists() and appears.stat().st_size:
            first = time.perf_counter() - start
        time.sleep(0.01)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    whole = time.perf_counter() - start
    assert process.stderr is not None
    told = process.stderr.read().decode()
    if process.returncode:
        sys.exit(told)
    return first or whole, whole, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--vocabulary", default="char")
    parser.add_argument("--encode", type=Path, nargs=2, metavar=("TEXT", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.encode:
        encode_text(chosen.encode[0], chosen.encode[1], chosen.vocabulary)
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {chosen.vocabulary}")
    with tempfile.TemporaryDirectory() as place:
        text, folder, run = Path(place, "text.txt"), Path(place, "corpus"), Path(place, "run")
        folder.mkdir()
        write_text(text, chosen.megabytes)
        size = text.stat().st_size / 1e6

        command = [__file__, "--encode", text, folder, "--vocabulary", chosen.vocabulary]
        _, seconds, peak = watch(command, folder / "corpus.json")
        speed = size / seconds
        print(f"encode  {size:,.0f} MB in {seconds:.1f} s: {speed:.0f} MB/s, peak memory {peak:.0f} MB", end="; ")
        print(verdict(speed >= SPEED and peak <= ENCODING_PEAK), flush=True)
        for file in folder.iterdir():
            file.unlink()

        command = [
            "-m",
            "afterword",
            "train",
            text,
            "--base",
            "none",
            "--out",
            run,
            "--steps",
            "20",
            "--vocabulary",
            chosen.vocabulary,
        ]
        first, seconds, peak = watch(command, run / "metrics.jsonl")
        print(f"train   first step reported after {first:.1f} s, 20 steps after {seconds:.1f} s", end=", ")
        print(f"peak memory {peak:.0f} MB; {verdict(peak <= TRAINING_PEAK)}")


if __name__ == "__main__":
    main()
