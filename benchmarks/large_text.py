"""How fast large texts are encoded and trained on, and how much memory that takes.

    python -m benchmarks.large_text encode [--megabytes 200]
    python -m benchmarks.large_text train [--megabytes 1000]

The text is that of Python's own pydoc_data.topics, repeated in a temporary folder. Each figure comes from a process of
its own and includes everything: both readings, and both files flushed to the disk. `encode` reads the text, learns its
vocabulary and writes its ids; `train` is `afterword train --steps 20`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import encode as encode_corpus
from afterword.text.encoded import learn_tokenizer
from benchmarks.commands import as_written, machine, topics, watched


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Read a text, learn its vocabulary and write its ids.")
@click.option("--megabytes", default=200.0, show_default=True)
def encode(megabytes: float) -> None:
    measure(megabytes, ["benchmarks.large_text", "encode-here"], [])


@main.command(hidden=True, help="The child process of `encode`.")
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path))
def encode_here(text: Path, out: Path) -> None:
    out.mkdir()
    settings = TextSettings(validation="0.1")
    with read_corpus([text], settings) as corpus:
        encode_corpus(corpus, learn_tokenizer(corpus, settings.vocabulary, settings.lowercase), out)


@main.command(help="Train on it for 20 steps by the real command.")
@click.option("--megabytes", default=1000.0, show_default=True)
def train(megabytes: float) -> None:
    measure(megabytes, ["afterword", "train"], ["--base", "none", "--steps", "20"])


def measure(megabytes: float, command: list[str], options: list[str]) -> None:
    """Run a command on a text in a process, and print its time and its peak of memory."""
    click.echo(machine())
    with tempfile.TemporaryDirectory() as place:
        text = Path(place, "text.txt")
        content = topics()
        text.write_text(content * round(megabytes * 1e6 / len(content) + 1), encoding="utf-8")
        size = text.stat().st_size / 1e6
        took, peak = watched(*command, text, "--out", Path(place, "out"), *options)
    click.echo(f"{size:,.0f} MB in {took:.1f} s: {size / took:.0f} MB/s, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
