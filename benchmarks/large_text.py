"""How fast large texts are read, encoded and trained on, and how much memory that takes.

    python -m benchmarks.large_text encode [--megabytes 200] [--vocabulary char] [--lines]
    python -m benchmarks.large_text train [--megabytes 1000] [--vocabulary char]

The text is that of Python's own pydoc_data.topics, repeated in a temporary folder. Each figure comes from a process of
its own and includes everything: both readings, and both files flushed to the disk.

    encode    read, its vocabulary learned and its ids written, in MB/s; once as it is, and once with its small letters
              turned into Greek ones (two bytes each)             targets at 1 GB: 50 MB/s and more, 500 MB and less
    train     `afterword train --steps 20`: seconds to the first step that is reported, and in all
                                                                  target: 1.5 GB and less
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import encode as encode_corpus
from afterword.text.encoded import learn_tokenizer
from benchmarks.commands import as_written, machine, topics

SPEED, ENCODING_PEAK, TRAINING_PEAK = 50, 500, 1500  # MB/s, MB, MB
GREEK = {code: code - ord("a") + ord("α") for code in range(ord("a"), ord("z") + 1)}


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Read a text, learn its vocabulary and write its ids.")
@click.option("--megabytes", default=200.0, show_default=True)
@click.option("--vocabulary", default="char", show_default=True)
@click.option("--lines", is_flag=True)
def encode(megabytes: float, vocabulary: str, lines: bool) -> None:
    click.echo(machine())
    for name, text in (("English", topics()), ("Greek letters", topics().translate(GREEK))):
        with tempfile.TemporaryDirectory() as place:
            path, folder = Path(place, "text.txt"), Path(place, "corpus")
            folder.mkdir()
            size = write_text(path, text, megabytes)
            here = ["encode-here", path, folder, vocabulary, *["--lines"] * lines]
            _, seconds, peak = watch("benchmarks.large_text", *here, appears=folder / "corpus.json")
        speed = size / seconds
        met = verdict(speed >= SPEED and peak <= ENCODING_PEAK)
        click.echo(f"{name}: {size:,.0f} MB in {seconds:.1f} s: {speed:.0f} MB/s, peak memory {peak:.0f} MB; {met}")


@main.command(hidden=True, help="The child process of `encode`.")
@click.argument("text", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("vocabulary")
@click.option("--lines", is_flag=True)
def encode_here(text: Path, folder: Path, vocabulary: str, lines: bool) -> None:
    settings = TextSettings(validation="0.1", vocabulary=vocabulary, lines=lines)
    with read_corpus([text], settings) as corpus:
        encode_corpus(corpus, learn_tokenizer(corpus, settings.vocabulary, settings.lowercase), folder)


@main.command(help="Train on it for 20 steps by the real command.")
@click.option("--megabytes", default=1000.0, show_default=True)
@click.option("--vocabulary", default="char", show_default=True)
def train(megabytes: float, vocabulary: str) -> None:
    click.echo(machine("torch"))
    with tempfile.TemporaryDirectory() as place:
        text, run = Path(place, "text.txt"), Path(place, "run")
        size = write_text(text, topics(), megabytes)
        options = ["--base", "none", "--steps", "20", "--vocabulary", vocabulary]
        arguments = ["train", text, "--out", run, *options]
        first, seconds, peak = watch("afterword", *arguments, appears=run / "metrics.jsonl")
    click.echo(
        f"{size:,.0f} MB: first step reported after {first:.1f} s, 20 steps after {seconds:.1f} s, peak memory "
        f"{peak:.0f} MB; {verdict(peak <= TRAINING_PEAK)}"
    )


def write_text(path: Path, text: str, megabytes: float) -> float:
    """Repeat `text` until there are `megabytes` or a little more, and return how many."""
    content = text.encode()
    with open(path, "wb") as file:
        while file.tell() < megabytes * 1e6:
            file.write(content)
        return file.tell() / 1e6


def watch(module: str, *arguments: object, appears: Path) -> tuple[float, float, float]:
    """Run a module in a process: seconds until the file `appears` is not empty, seconds in all, peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)], stderr=subprocess.PIPE)
    first, ended = 0.0, 0
    while not ended:
        if not first and appears.exists() and appears.stat().st_size:
            first = time.perf_counter() - start
        time.sleep(0.01)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    whole = time.perf_counter() - start
    assert process.stderr is not None
    printed = process.stderr.read().decode()
    if process.returncode:
        sys.exit(printed)
    return first or whole, whole, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
